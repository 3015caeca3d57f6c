//! What may stay open between two requests, and for how long.

use super::http2::{GOAWAY, RawHttp2};
use super::{SlowReader, await_end, first_byte_passes, large_application, open_connections, patient};
use crate::support::{Origin, TestKey, eventually};

const SHORT: &str = "200ms";
const LONGER: &str = "400ms";

fn gcm() -> TestKey {
    TestKey::new("AES-256-GCM")
}

#[test]
fn an_idle_connection_is_closed_after_idle() {
    let key = gcm();
    let sidecar = patient(&[&key], Origin::echo().address(), &[("idle", SHORT)]).start();
    let mut connection = sidecar.connect();
    assert_eq!(connection.exchange(&key.request("POST", "/", "", b"one")).status, 200);
    assert!(connection.closed().unwrap());
    eventually("no connection is open", || open_connections(&sidecar) == 0);
}

#[test]
fn an_idle_connection_outlives_headers() {
    let key = gcm();
    let short = [("headers", SHORT), ("first_byte", LONGER)];
    let sidecar = patient(&[&key], Origin::echo().address(), &short).start();
    let mut connection = sidecar.connect();
    for _ in 0..2 {
        assert_eq!(connection.exchange(&key.request("POST", "/", "", b"one")).status, 200);
        first_byte_passes(&sidecar);
    }
    assert_eq!(connection.exchange(&key.request("POST", "/", "", b"one")).status, 200);
}

#[test]
fn the_rest_of_a_refused_body_does_not_count_as_a_head() {
    let (key, stranger) = (gcm(), TestKey::numbered("AES-256-GCM", 9));
    let short = [("headers", SHORT), ("first_byte", LONGER)];
    let sidecar = patient(&[&key], Origin::echo().address(), &short).start();
    let mut connection = sidecar.connect();
    let refused = stranger.request("POST", "/", "", &[7; 1000]);
    connection.send(&refused[..refused.len() - 500]);
    assert_eq!(connection.reply("POST").status, 400);
    connection.send(&refused[refused.len() - 500..]);
    first_byte_passes(&sidecar);
    assert_eq!(connection.exchange(&key.request("POST", "/", "", b"one")).status, 200);
}

#[test]
fn an_idle_http2_connection_is_told_to_go_after_idle() {
    let key = gcm();
    let sidecar = patient(&[&key], Origin::echo().address(), &[("idle", SHORT)]).start();
    let mut client = RawHttp2::connect(sidecar.address(), None);
    client.head(1, "GET", &key, &key.fresh_iv(), true);
    client.reply_begins();
    client.read_until(GOAWAY);
    client.closed();
}

#[test]
fn an_idle_http2_connection_outlives_headers() {
    let key = gcm();
    let short = [("headers", SHORT), ("first_byte", LONGER)];
    let sidecar = patient(&[&key], Origin::echo().address(), &short).start();
    let mut client = RawHttp2::connect(sidecar.address(), None);
    for stream in [1, 3, 5] {
        client.head(stream, "GET", &key, &key.fresh_iv(), true);
        assert_eq!(client.body().len(), 16);
        first_byte_passes(&sidecar);
    }
}

#[test]
fn a_reply_that_is_read_slowly_outlives_idle() {
    let key = gcm();
    let short = [("idle", "100ms"), ("first_byte", "3s")];
    let sidecar = patient(&[&key], large_application().address(), &short).start();
    let mut slow = SlowReader::start(&sidecar, &key);
    first_byte_passes(&sidecar);
    slow.read_the_rest();
    await_end(&mut slow.connection.stream);
}
