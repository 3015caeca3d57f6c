//! A stop finishes what is under way, and says so to those who wait.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};

use super::http2::{GOAWAY, RawHttp2};
use super::{SlowReader, by_hand, first_byte_passes, in_flight, large_application, patient, replying, split};
use crate::support::{Origin, Sidecar, TestKey, eventually};

fn gcm() -> TestKey {
    TestKey::new("AES-256-GCM")
}

fn echoing(keys: &[&TestKey]) -> (Origin, Sidecar) {
    let origin = Origin::echo();
    let sidecar = Sidecar::inbound().keys(keys).upstream(origin.address()).start();
    (origin, sidecar)
}

/// An application whose every reply waits for the test's leave.
fn by_leave() -> (Origin, mpsc::Sender<()>) {
    let (leave, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let origin = replying(move |stream| {
        wait.lock().unwrap().recv().map_err(|_| io::Error::from(io::ErrorKind::Other))?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
    });
    (origin, leave)
}

fn refuses_connections(sidecar: &Sidecar) -> bool {
    let timeout = std::time::Duration::from_millis(200);
    matches!(TcpStream::connect_timeout(&sidecar.address(), timeout), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The application's next connection, once a head has come on it.
fn with_a_request(accepted: &mpsc::Receiver<TcpStream>) -> TcpStream {
    let mut connection = crate::support::Connection::over(accepted.recv().unwrap());
    connection.read_head().unwrap();
    connection.stream
}

/// Waits until an idle connection of HTTP/1 that was open at the stop is closed: a second has passed since.
fn drained(idle: &mut crate::support::Connection) {
    assert!(idle.closed().unwrap());
}

#[test]
fn a_stop_with_nothing_under_way_is_clean() {
    for signal in ["TERM", "INT"] {
        let key = gcm();
        let (_origin, mut sidecar) = echoing(&[&key]);
        assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", b"one")).status, 200);
        sidecar.signal(signal);
        assert_eq!(sidecar.wait().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_draining_sidecar_is_alive_but_not_ready_and_takes_no_connections() {
    let key = gcm();
    let (origin, leave) = by_leave();
    let mut sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    assert_eq!(sidecar.admin_page("/readyz"), (200, "ok\n".to_owned()));
    let mut slow = sidecar.connect();
    slow.send(&key.request("POST", "/", "", b"one"));
    eventually("the application has it", || origin.count() == 1);
    sidecar.signal("TERM");
    eventually("it is not ready", || sidecar.admin_page("/readyz") == (503, "stopping\n".to_owned()));
    assert_eq!(sidecar.admin_page("/livez").0, 200);
    eventually("connections are refused", || refuses_connections(&sidecar));
    assert!(!sidecar.has_ended());
    leave.send(()).unwrap();
    let reply = slow.reply("POST");
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(reply.open(&key).unwrap(), b"hello");
    assert!(slow.closed().unwrap());
    assert_eq!(sidecar.wait().code(), Some(0));
}

#[test]
fn a_keep_alive_connection_gets_one_more_reply_that_tells_it_to_close() {
    let key = gcm();
    let (_origin, mut sidecar) = echoing(&[&key]);
    let mut connection = sidecar.connect();
    assert_eq!(connection.exchange(&key.request("POST", "/", "", b"one")).header("connection"), None);
    sidecar.signal("TERM");
    eventually("it is stopping", || sidecar.admin_page("/readyz").0 == 503);
    let reply = connection.exchange(&key.request("POST", "/", "", b"two"));
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(reply.open(&key).unwrap(), b"two");
    assert!(connection.closed().unwrap());
    assert_eq!(sidecar.wait().code(), Some(0));
}

#[test]
fn uploads_under_way_are_taken_to_their_end() {
    let (gcm, ctr) = (gcm(), TestKey::new("AES-256-CTR"));
    let (_origin, mut sidecar) = echoing(&[&gcm, &ctr]);
    let mut idle = sidecar.connect();
    assert_eq!(idle.exchange(&gcm.request("POST", "/", "", b"one")).status, 200);
    let plain = vec![7; 50_000];
    let mut uploads: Vec<_> = [&gcm, &ctr]
        .into_iter()
        .map(|key| {
            let request = key.request("POST", "/", "", &plain);
            let mut connection = sidecar.connect();
            connection.send(&request[..30_000]);
            (connection, request, key)
        })
        .collect();
    eventually("both are under way", || in_flight(&sidecar) == 2);
    sidecar.signal("TERM");
    drained(&mut idle);
    for (connection, request, key) in &mut uploads {
        connection.send(&request[30_000..]);
        assert_eq!(connection.reply("POST").open(key).unwrap(), plain);
    }
    assert_eq!(sidecar.wait().code(), Some(0));
}

#[test]
fn a_head_that_has_begun_is_still_answered() {
    let key = gcm();
    let (_origin, mut sidecar) = echoing(&[&key]);
    let request = key.request("POST", "/", "", b"order");
    let mut idle = sidecar.connect();
    let mut fresh = sidecar.connect();
    let mut kept = sidecar.connect();
    for connection in [&mut idle, &mut kept] {
        assert_eq!(connection.exchange(&request).status, 200);
    }
    fresh.send(&request[..20]);
    kept.send(&request[..20]);
    // Each answers, so what was sent before it has been read.
    assert_eq!(sidecar.connect().exchange(&request).status, 200);
    assert_eq!(sidecar.connect().exchange(&request).status, 200);
    sidecar.signal("TERM");
    drained(&mut idle);
    for mut connection in [fresh, kept] {
        connection.send(&request[20..]);
        assert_eq!(connection.reply("POST").open(&key).unwrap(), b"order");
    }
    assert_eq!(sidecar.wait().code(), Some(0));
}

#[test]
fn a_reply_that_began_before_the_stop_leaves_room_for_one_more_request() {
    let key = gcm();
    let (address, accepted) = by_hand();
    let mut sidecar = patient(&[&key], address, &[]).start();
    let mut idle = sidecar.connect();
    idle.send(&key.request("POST", "/", "", b"one"));
    let mut application = with_a_request(&accepted);
    application.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert_eq!(idle.reply("POST").status, 200);
    let mut connection = sidecar.connect();
    connection.send(&key.bodyless("GET", "/", ""));
    let mut application = with_a_request(&accepted);
    application
        .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhello")
        .unwrap();
    assert!(!connection.read_head().unwrap().is_empty());
    sidecar.signal("TERM");
    drained(&mut idle);
    application.write_all(b"world").unwrap();
    connection.read_some(10 + 16).unwrap();
    connection.send(&key.bodyless("GET", "/", ""));
    let mut application = with_a_request(&accepted);
    application.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nagain").unwrap();
    let reply = connection.reply("GET");
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(reply.open(&key).unwrap(), b"again");
    assert_eq!(sidecar.wait().code(), Some(0));
}

#[test]
fn an_http2_client_is_told_to_go_and_gets_what_it_asked_for() {
    let key = gcm();
    let (origin, leave) = by_leave();
    let mut sidecar = patient(&[&key], origin.address(), &[]).start();
    let mut client = RawHttp2::connect(sidecar.address(), None);
    client.head(1, "GET", &key, &key.fresh_iv(), true);
    eventually("the application has it", || origin.count() == 1);
    sidecar.signal("TERM");
    client.read_until(GOAWAY);
    leave.send(()).unwrap();
    assert_eq!(client.body().len(), 5 + 16);
    client.closed();
    assert_eq!(sidecar.wait().code(), Some(0));
}

#[test]
fn a_reply_that_http2_flow_control_holds_back_survives_a_stop() {
    let key = gcm();
    let origin = Origin::fixed(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let mut sidecar = patient(&[&key], origin.address(), &[]).start();
    let mut idle = RawHttp2::connect(sidecar.address(), None);
    let mut client = RawHttp2::connect(sidecar.address(), Some(1));
    client.head(1, "GET", &key, &key.fresh_iv(), true);
    client.reply_begins();
    sidecar.signal("TERM");
    // It has done nothing: it is cut off once it had its time to go.
    idle.closed();
    client.open_window(1, 65_535);
    assert_eq!(client.body().len(), 5 + 16);
    assert_eq!(sidecar.wait().code(), Some(0));
}

#[test]
fn a_large_reply_that_is_read_slowly_survives_a_stop() {
    let key = gcm();
    let mut sidecar = patient(&[&key], large_application().address(), &[("first_byte", "4s")]).start();
    let mut slow = SlowReader::start(&sidecar, &key);
    // Longer than the stop leaves to a connection that has nothing to do. It counts from before the stop, which would
    // end it sooner.
    let mut clock = patient(&[&key], sidecar.address(), &[("first_byte", "4s")]).start();
    sidecar.signal("TERM");
    first_byte_passes(&clock);
    slow.read_the_rest();
    drop(slow);
    assert_eq!(clock.stop().code(), Some(0));
    assert_eq!(sidecar.wait().code(), Some(0));
}

#[test]
fn exchanges_past_shutdown_grace_are_cut_and_the_status_says_so() {
    let key = gcm();
    let (origin, _leave) = by_leave();
    let mut sidecar =
        Sidecar::inbound().top("shutdown_grace = \"100ms\"").keys(&[&key]).upstream(origin.address()).start();
    let mut slow = sidecar.connect();
    slow.send(&key.request("POST", "/", "", b"one"));
    eventually("the application has it", || origin.count() == 1);
    sidecar.signal("TERM");
    assert_eq!(sidecar.wait().code(), Some(1));
    assert!(sidecar.log().contains("exchanges under way did not end within shutdown_grace and were cut"));
    assert!(slow.try_reply("POST").is_err());
}

#[test]
fn a_second_signal_ends_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let key = gcm();
        let (origin, _leave) = by_leave();
        let mut sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
        let mut slow = sidecar.connect();
        slow.send(&key.request("POST", "/", "", b"one"));
        eventually("the application has it", || origin.count() == 1);
        sidecar.signal(first);
        eventually("it is stopping", || sidecar.admin_page("/readyz").0 == 503);
        sidecar.signal(second);
        assert_eq!(sidecar.wait().code(), Some(1));
        assert!(sidecar.log().contains("stopped at once by a second signal"), "{}", sidecar.log());
    }
}

#[test]
fn hangups_do_not_stop() {
    let key = gcm();
    let (_origin, mut sidecar) = echoing(&[&key]);
    for count in 1..4 {
        sidecar.signal("HUP");
        eventually("the keys are read again", || {
            sidecar.metric("alewife_key_reloads_total{keyset=\"default\"}") >= f64::from(count)
        });
    }
    sidecar.signal("HUP");
    assert_eq!(sidecar.connect().exchange(&key.request("POST", "/", "", b"one")).status, 200);
    assert!(!sidecar.has_ended());
    assert_eq!(sidecar.stop().code(), Some(0));
}

#[test]
fn a_silent_connection_does_not_hold_up_a_stop() {
    let key = gcm();
    let mut sidecar = patient(&[&key], Origin::echo().address(), &[("first_byte", "200ms")]).start();
    first_byte_passes(&sidecar);
    let mut begun = sidecar.connect();
    begun.send(split(&key.request("POST", "/", "", b"")).0);
    let _silent: Vec<_> = (0..10).map(|_| sidecar.connect()).collect();
    begun.close_write();
    drop(begun);
    assert_eq!(sidecar.stop().code(), Some(0));
}
