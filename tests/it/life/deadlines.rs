//! Each deadline, on both HTTP versions and before the version is known.
//!
//! Only the deadline in question is short, so what it ends was ended by it.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use super::http2::RawHttp2;
use super::{
    assert_error, await_end, by_hand, dribble, first_byte_passes, full_listener, open_connections, outcome,
    patient, replying, split,
};
use crate::support::{Origin, TestKey, eventually};

const SHORT: &str = "200ms";

fn gcm() -> TestKey {
    TestKey::new("AES-256-GCM")
}

fn ctr() -> TestKey {
    TestKey::new("AES-256-CTR")
}

#[test]
fn a_silent_socket_is_closed_after_first_byte() {
    let sidecar = patient(&[&gcm()], Origin::echo().address(), &[("first_byte", SHORT)]).start();
    assert!(sidecar.connect().closed().unwrap());
    eventually("no connection is open", || open_connections(&sidecar) == 0);
}

#[test]
fn an_unfinished_head_is_closed_after_headers() {
    let sidecar = patient(&[&gcm()], Origin::echo().address(), &[("headers", SHORT)]).start();
    for begun in ["G", "PRI *", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r", "GET / HTTP/1.1\r\nhost: a\r\n", "\r\n"] {
        let mut connection = sidecar.connect();
        connection.send(begun.as_bytes());
        await_end(&mut connection.stream);
    }
    eventually("no connection is open", || open_connections(&sidecar) == 0);
}

#[test]
fn a_head_dribbled_byte_by_byte_is_closed_after_headers() {
    let key = gcm();
    let sidecar = patient(&[&key], Origin::echo().address(), &[("headers", SHORT)]).start();
    let mut first = sidecar.connect();
    first.send(b"GET / HTTP/1.1\r\n");
    dribble(&mut first, b"x: y\r\n");

    let mut second = sidecar.connect();
    assert_eq!(second.exchange(&key.request("POST", "/", "", b"one")).status, 200);
    second.send(b"GET / HTTP/1.1\r\n");
    dribble(&mut second, b"x: y\r\n");
}

#[test]
fn an_http2_connection_without_a_request_is_told_to_go_after_headers() {
    let sidecar = patient(&[&gcm()], Origin::echo().address(), &[("headers", SHORT)]).start();
    assert!(RawHttp2::connect(sidecar.address(), None).closed());
    // The preface alone, not even settings.
    let mut connection = sidecar.connect();
    connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    await_end(&mut connection.stream);
}

#[test]
fn a_gcm_body_that_stalls_is_refused_and_the_connection_closed() {
    let (key, origin) = (gcm(), Origin::echo());
    let sidecar = patient(&[&key], origin.address(), &[("body", SHORT)]).start();
    let request = key.request("POST", "/", "", &[7; 1000]);
    for sent in [split(&request).0.len(), request.len() - 1, request.len() - 500] {
        let mut connection = sidecar.connect();
        connection.send(&request[..sent]);
        let reply = connection.reply("POST");
        assert_error(&reply, 408, 102, "Request not received in time");
        assert_eq!(reply.header("connection"), Some("close"));
        assert!(connection.closed().unwrap());
    }
    assert_eq!(origin.count(), 0);
    assert_eq!(outcome(&sidecar, "timed_out"), 3);
}

#[test]
fn a_ctr_body_that_stalls_is_a_broken_upload_to_the_application() {
    let (key, origin) = (ctr(), Origin::echo());
    let sidecar = patient(&[&key], origin.address(), &[("body", SHORT)]).start();
    let iv = key.fresh_iv();
    for framing in ["content-length: 1000\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        let mut connection = sidecar.connect();
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{}{framing}", key.envelope(&iv));
        connection.send(head.as_bytes());
        assert_error(&connection.reply("POST"), 408, 102, "Request not received in time");
        await_end(&mut connection.stream);
    }
    eventually("the application has seen both", || origin.count() == 2);
    assert!(origin.received().iter().all(|received| !received.whole && received.body.len() == 3));
}

#[test]
fn http2_bodies_that_stall_are_refused_and_broken_uploads() {
    let (gcm, ctr, origin) = (gcm(), ctr(), Origin::echo());
    let sidecar = patient(&[&gcm, &ctr], origin.address(), &[("body", SHORT)]).start();
    for key in [&gcm, &ctr] {
        let mut client = RawHttp2::connect(sidecar.address(), None);
        client.head(1, "POST", key, &key.fresh_iv(), false);
        client.data(1, &[1; 100], false);
        assert_eq!(client.body(), br#"{"errorCode":102,"message":"Request not received in time"}"#);
    }
    eventually("the application has seen the streamed one", || origin.count() == 1);
    assert!(!origin.only().whole);
}

#[test]
fn a_client_that_does_not_read_its_reply_is_closed_after_body() {
    let key = gcm();
    let origin = replying(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        loop {
            stream.write_all(&[b'x'; 64 * 1024])?;
        }
    });
    let sidecar = patient(&[&key], origin.address(), &[("body", SHORT)]).start();
    let mut connection = sidecar.connect();
    connection.send(&key.bodyless("GET", "/", ""));
    connection.read_head().unwrap();
    eventually("it is given up", || open_connections(&sidecar) == 0);
    assert_eq!(outcome(&sidecar, "client_gone"), 1);
}

#[test]
fn an_http2_client_that_never_opens_its_window_is_closed_after_body() {
    let key = gcm();
    let endless = replying(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        loop {
            stream.write_all(&[b'x'; 64 * 1024])?;
        }
    });
    let short = Origin::fixed(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    for origin in [endless, short] {
        let sidecar = patient(&[&key], origin.address(), &[("body", SHORT)]).start();
        for window in [Some(0), Some(1)] {
            let mut client = RawHttp2::connect(sidecar.address(), window);
            client.head(1, "GET", &key, &key.fresh_iv(), true);
            client.reply_begins();
            client.closed();
        }
    }
}

#[test]
fn an_application_that_does_not_accept_is_given_up_after_connect() {
    let key = gcm();
    let (listener, _waiting) = full_listener();
    let sidecar = patient(&[&key], listener.local_addr().unwrap(), &[("connect", SHORT)]).start();
    let reply = sidecar.connect().exchange(&key.request("POST", "/", "", b"one"));
    assert_error(&reply, 504, 107, "Upstream not in time");
    assert_eq!(outcome(&sidecar, "timed_out"), 1);
}

#[test]
fn an_application_that_does_not_answer_is_given_up_after_reply() {
    let (gcm, ctr) = (gcm(), ctr());
    let (address, accepted) = by_hand();
    let sidecar = patient(&[&gcm, &ctr], address, &[("reply", SHORT)]).start();
    for key in [&gcm, &ctr] {
        let mut connection = sidecar.connect();
        let reply = connection.exchange(&key.request("POST", "/", "", b"one"));
        assert_error(&reply, 504, 107, "Upstream not in time");
        // Its connection is not used again.
        let mut application = accepted.recv().unwrap();
        await_end(&mut application);
    }
}

#[test]
fn an_application_that_takes_no_more_of_an_upload_is_given_up_after_body() {
    let key = ctr();
    let (address, accepted) = by_hand();
    let sidecar = patient(&[&key], address, &[("body", SHORT)]).start();
    let mut connection = sidecar.connect();
    let mut writer = connection.stream.try_clone().unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\n{}content-length: {}\r\n\r\n",
        key.envelope(&key.fresh_iv()),
        1 << 30
    );
    thread::spawn(move || {
        writer.write_all(head.as_bytes())?;
        loop {
            writer.write_all(&[b'x'; 64 * 1024])?;
        }
        #[expect(unreachable_code, reason = "gives the closure its type")]
        std::io::Result::Ok(())
    });
    let _application = accepted.recv().unwrap();
    assert_error(&connection.reply("POST"), 504, 107, "Upstream not in time");
}

#[test]
fn events_that_are_further_apart_than_every_deadline_still_come() {
    let key = gcm();
    let (more, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let origin = replying(move |stream| {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        )?;
        stream.write_all(b"9\r\ndata: 1\n\n\r\n")?;
        wait.lock().unwrap().recv().unwrap();
        stream.write_all(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")
    });
    let all =
        ["first_byte", "headers", "body", "idle", "connect", "reply", "pool_idle"].map(|name| (name, SHORT));
    let sidecar = patient(&[&key], origin.address(), &all).start();
    let mut http1 = sidecar.connect();
    http1.send(&key.bodyless("GET", "/events", ""));
    http1.read_head().unwrap();
    assert_eq!(http1.read_chunk().unwrap().unwrap().len(), 9);
    for _ in 0..4 {
        first_byte_passes(&sidecar);
    }
    more.send(()).unwrap();
    assert_eq!(http1.read_chunk().unwrap().unwrap().len(), 9);
    assert_eq!(http1.read_chunk().unwrap().unwrap().len(), 16);
    assert_eq!(http1.read_chunk().unwrap(), None);

    let mut http2 = RawHttp2::connect(sidecar.address(), None);
    http2.head(1, "GET", &key, &key.fresh_iv(), true);
    http2.reply_begins();
    for _ in 0..4 {
        first_byte_passes(&sidecar);
    }
    more.send(()).unwrap();
    assert_eq!(http2.body().len(), 9 + 9 + 16);
}

#[test]
fn a_kept_connection_to_the_application_is_not_used_after_pool_idle() {
    let (key, origin) = (gcm(), Origin::echo());
    let short = [("pool_idle", "100ms"), ("first_byte", "300ms")];
    let sidecar = patient(&[&key], origin.address(), &short).start();
    let mut connection = sidecar.connect();
    for _ in 0..2 {
        assert_eq!(connection.exchange(&key.request("POST", "/", "", b"one")).status, 200);
    }
    first_byte_passes(&sidecar);
    assert_eq!(connection.exchange(&key.request("POST", "/", "", b"one")).status, 200);
    let connections: Vec<_> = origin.received().iter().map(|received| received.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
    assert_eq!(sidecar.metric("alewife_upstream_retries_total{proxy=\"kitchen\"}"), 0.0);
}

#[test]
fn an_upload_that_goes_on_after_an_early_reply_reaches_the_application_whole() {
    let key = ctr();
    let (address, accepted) = by_hand();
    let sidecar = patient(&[&key], address, &[("headers", SHORT), ("first_byte", "300ms")]).start();
    let request = key.request("POST", "/", "", &[b'x'; 1000]);
    let (head, body) = split(&request);
    let mut connection = sidecar.connect();
    connection.send(head);
    connection.send(&body[..100]);
    let mut application = accepted.recv().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let mut reader = application.try_clone().unwrap();
    thread::spawn(move || {
        let mut scratch = [0; 4096];
        while let Ok(read) = crate::support::uninterrupted(|| reader.read(&mut scratch))
            && read > 0
        {
            sink.lock().unwrap().extend_from_slice(&scratch[..read]);
        }
    });
    let body_bytes = || seen.lock().unwrap().iter().filter(|byte| **byte == b'x').count();
    eventually("the first part is there", || body_bytes() >= 100);
    application.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
    assert_eq!(connection.reply("POST").open(&key).unwrap(), b"ok");
    connection.send(&body[100..200]);
    first_byte_passes(&sidecar);
    connection.send(&body[200..]);
    eventually("all of it is there", || body_bytes() >= 1000);
}
