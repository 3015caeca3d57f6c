//! After known traffic, the counters say just that.

use std::io::{self, Write};

use super::{in_flight, open_connections, outcome, split};
use crate::support::{Origin, Sidecar, TestKey, eventually};

fn ale_error(sidecar: &Sidecar, code: u32, reason: &str) -> f64 {
    sidecar
        .metric(&format!("alewife_ale_errors_total{{proxy=\"kitchen\",code=\"{code}\",reason=\"{reason}\"}}"))
}

fn of_kitchen(sidecar: &Sidecar, name: &str) -> f64 {
    sidecar.metric(&format!("alewife_{name}{{proxy=\"kitchen\"}}"))
}

fn body_bytes(sidecar: &Sidecar, direction: &str) -> f64 {
    sidecar.metric(&format!("alewife_body_bytes_total{{proxy=\"kitchen\",direction=\"{direction}\"}}"))
}

fn raw(headers: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nhost: a\r\n{headers}content-length: 20\r\n\r\nxxxxxxxxxxxxxxxxxxxx")
        .into_bytes()
}

#[test]
fn every_exchange_is_counted_under_how_it_ended() {
    let origin = Origin::answering(|received, stream| match received.target() {
        "/broken" => Err(io::ErrorKind::Other.into()),
        "/half" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")?;
            Err(io::ErrorKind::Other.into())
        }
        "/never" => {
            let mut end = stream.try_clone()?;
            io::copy(&mut end, &mut io::sink()).map(drop)
        }
        _ => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
    });
    let key = TestKey::new("AES-256-GCM");
    let stranger = TestKey::numbered("AES-256-GCM", 1);
    let sidecar = Sidecar::inbound()
        .keys(&[&key])
        .upstream(origin.address())
        .proxy("max_body = 100\nrequired_headers = [\"authorization\"]\ntimeouts = { reply = \"200ms\" }")
        .start();
    let token = "authorization: Bearer x\r\n";
    let send = |request: &[u8]| sidecar.connect().exchange(request).status;
    let iv = "sec-iv: AAECAwQFBgcICQoLDA0ODw==\r\n";
    let name = format!("sec-fingerprint: {}\r\n", key.fingerprint);

    for _ in 0..3 {
        assert_eq!(send(&key.request("POST", "/", token, &[7; 50])), 200);
    }
    assert_eq!(send(&key.request("POST", "/", token, &[7; 101])), 413);
    assert_eq!(send(&key.request("POST", "/broken", token, b"one")), 502);
    assert_eq!(send(&key.request("POST", "/never", token, b"one")), 504);
    assert!(!sidecar.connect().exchange(&key.request("POST", "/half", token, b"one")).is_whole());
    assert_eq!(send(&key.request("POST", "/", "authorization: x\r\nhost: b\r\n", b"one")), 400);
    assert_eq!(send(&key.request("POST", "/", "", b"one")), 400);
    assert_eq!(send(&stranger.request("POST", "/", token, b"one")), 400);
    assert_eq!(send(&raw(&format!("{token}{name}"))), 400);
    assert_eq!(send(&raw(&format!("{token}{iv}"))), 400);
    assert_eq!(send(&raw(&format!("{token}{iv}{iv}{name}"))), 400);
    assert_eq!(send(&raw(&format!("{token}{iv}{name}{name}"))), 400);
    assert_eq!(send(&raw(&format!("{token}{iv}{name}"))), 400);
    let mut gone = sidecar.connect();
    gone.send(split(&key.request("POST", "/", token, &[7; 50])).0);
    eventually("it is under way", || in_flight(&sidecar) == 1);
    drop(gone);

    eventually("nothing is under way", || in_flight(&sidecar) == 0);
    eventually("no connection is open", || open_connections(&sidecar) == 0);
    let outcomes = [
        ("answered", 3),
        ("ale_error", 7),
        ("framing", 1),
        ("too_large", 1),
        ("upstream_refused", 0),
        ("upstream_broke", 1),
        ("no_capacity", 0),
        ("timed_out", 1),
        ("client_gone", 1),
        ("reply_broken", 1),
    ];
    for (name, count) in outcomes {
        assert_eq!((name, outcome(&sidecar, name)), (name, count));
    }
    let errors = [
        (1, "missing_required_header"),
        (2, "unknown_fingerprint"),
        (1, "missing_iv"),
        (1, "missing_fingerprint"),
        (1, "bad_iv"),
        (1, "bad_fingerprint"),
        (2, "not_authentic"),
    ];
    for (code, reason) in errors {
        assert_eq!((reason, ale_error(&sidecar, code, reason)), (reason, 1.0));
    }
    assert_eq!(of_kitchen(&sidecar, "request_duration_seconds_count"), 16.0);
    assert_eq!(of_kitchen(&sidecar, "connections_accepted_total"), 16.0);
    assert_eq!(body_bytes(&sidecar, "request"), 3.0 * 50.0 + 3.0 * 3.0);
    assert_eq!(body_bytes(&sidecar, "reply"), 4.0 * 5.0);
    assert_eq!(super::held_bytes(&sidecar), 0);
}

#[test]
fn an_application_that_is_not_there_is_counted_as_refused() {
    let key = TestKey::new("AES-256-GCM");
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(unused).start();
    let reply = sidecar.connect().exchange(&key.request("POST", "/", "", b"one"));
    super::assert_error(&reply, 502, 103, "Upstream not reachable");
    assert_eq!(outcome(&sidecar, "upstream_refused"), 1);
}
