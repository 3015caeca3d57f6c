//! What the application is told of errors that the peer did not seal, and of a peer that does not answer.

use std::io::Write;
use std::net::TcpListener;

use super::{GCM, assert_error, assert_own, bodyless, outcome, plain, towards};
use crate::support::{Peer, Sidecar, TestKey, eventually, reply_of};

fn peer_errors(sidecar: &Sidecar, code: &str) -> f64 {
    sidecar.metric(&format!("alewife_peer_errors_total{{proxy=\"kitchen\",code=\"{code}\"}}"))
}

#[test]
fn of_an_unsealed_error_only_the_status_and_the_peers_code_reach_the_application() {
    let told = "\"errorCode\":111,\"message\":\"Peer answered with an unsealed error\"";
    let cases: [(&str, &[u8], &str, &str); 8] = [
        ("400 Bad Request", b"{\"errorCode\":1,\"message\":\"evil\"}", ",\"peerErrorCode\":1", "1"),
        ("400 Bad Request", b"{\"message\":\"x\",\"errorCode\":2}", ",\"peerErrorCode\":2", "2"),
        ("400 Bad Request", b"{\"errorCode\":3}", ",\"peerErrorCode\":3", "3"),
        ("502 Bad Gateway", b"{\"errorCode\":103,\"message\":\"x\"}", ",\"peerErrorCode\":103", "other"),
        ("500 Oops", b"<html>evil</html>", "", "none"),
        ("401 Unauthorized", b"", "", "none"),
        ("400 Bad Request", b"{\"errorCode\":\"2\"}", "", "none"),
        ("400 Bad Request", b"[\"errorCode\",2]", "", "none"),
    ];
    let mut expected = std::collections::BTreeMap::new();
    let key = TestKey::new(GCM);
    let peer = Peer::answering(&key, move |received, stream| {
        let (status, body, ..) = cases[received.target()[1..].parse::<usize>().unwrap()];
        stream.write_all(&reply_of(status, "set-cookie: evil=1\r\nlocation: http://evil/\r\n", body))
    });
    let sidecar = towards(&peer, &key).start();
    let mut connection = sidecar.connect();
    for (number, (status, _, peer_code, label)) in cases.iter().enumerate() {
        let reply = connection.exchange(&plain("POST", &format!("/{number}"), "", b"{}"));
        assert_own(&reply, status[..3].parse().unwrap(), &format!("{{{told}{peer_code}}}"));
        *expected.entry(*label).or_insert(0.0) += 1.0;
    }
    for (label, count) in expected {
        assert_eq!(peer_errors(&sidecar, label), count, "{label}");
    }
    eventually("all are counted", || outcome(&sidecar, "peer_error") == cases.len() as f64);
    // A short error costs no connection to the peer.
    assert!(peer.received().iter().all(|received| received.connection == 0));
    eventually("all are logged", || sidecar.log().matches("alewife::access").count() == cases.len());
    let log = sidecar.log();
    assert!(log.contains("the peer answered 400 Bad Request unsealed, with errorCode 2"), "{log}");
    assert!(!log.contains("evil"), "{log}");
}

#[test]
fn error_that_is_long_or_breaks_off_or_never_ends_has_its_status_all_the_same() {
    let key = TestKey::new(GCM);
    let peer = Peer::answering(&key, |received, stream| match received.target() {
        "/long" => stream.write_all(&reply_of("500 Oops", "", &[b'x'; 100_000])),
        "/broken" => {
            stream.write_all(b"HTTP/1.1 500 Oops\r\ncontent-length: 100\r\n\r\n{")?;
            Err(std::io::ErrorKind::Other.into())
        }
        _ => stream.write_all(b"HTTP/1.1 500 Oops\r\ncontent-length: 100\r\n\r\n{"),
    });
    let sidecar = towards(&peer, &key).proxy("timeouts = { body = \"200ms\" }").start();
    for target in ["/long", "/broken", "/stalled"] {
        let reply = sidecar.connect().exchange(&bodyless("GET", target, ""));
        assert_error(&reply, 500, 111, "Peer answered with an unsealed error");
    }
}

#[test]
fn plain_errors_pass_with_body_and_head_where_the_configuration_says_so() {
    let key = TestKey::new(GCM);
    let long = vec![b'y'; 50_000];
    let body = long.clone();
    let peer = Peer::answering(&key, move |received, stream| match received.target() {
        "/500" => stream.write_all(&reply_of("500 Oops", "x-a: 1\r\n", b"<html>")),
        "/400" => stream.write_all(&reply_of("400 Bad", "x-a: 1\r\n", b"{\"errorCode\":1}")),
        "/chunked" => stream.write_all(
            b"HTTP/1.1 400 Bad\r\nx-a: 1\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n\
              3\r\nbad\r\n0\r\nx-t: 1\r\n\r\n",
        ),
        "/long" => stream.write_all(&reply_of("400 Bad", "x-a: 1\r\n", &body)),
        _ => stream.write_all(&reply_of("200 OK", "", b"never")),
    });
    let sidecar = towards(&peer, &key).proxy("plain_errors = \"pass\"").start();
    let mut connection = sidecar.connect();
    let cases: [(&str, u16, &[u8]); 4] = [
        ("/500", 500, b"<html>"),
        ("/400", 400, b"{\"errorCode\":1}"),
        ("/chunked", 400, b"bad"),
        ("/long", 400, &long),
    ];
    for (target, status, body) in cases {
        let reply = connection.exchange(&bodyless("GET", target, "te: trailers\r\nconnection: te\r\n"));
        assert!(reply.is_whole(), "{target}");
        assert_eq!((reply.status, reply.body.as_slice(), reply.header("x-a")), (status, body, Some("1")));
        if target == "/chunked" {
            assert_eq!(reply.trailers, [("x-t".to_owned(), "1".to_owned())]);
        }
    }
    // What is no error is not believed all the same.
    assert_error(&connection.exchange(&bodyless("GET", "/200", "")), 502, 108, "Reply not believed");
    assert!(peer.received().iter().all(|received| received.connection == 0));
}

#[test]
fn without_a_key_that_seals_nothing_is_sent() {
    let key = TestKey::new(GCM);
    let peer = Peer::echo(&key);
    let expired = format!("{}valid_until = 2020-01-01T00:00:00Z\n", key.entry());
    let sidecar = towards(&peer, &key).key_file(&expired).start();
    let mut connection = sidecar.connect();
    for _ in 0..2 {
        assert_error(&connection.exchange(&plain("POST", "/", "", b"secret")), 503, 106, "No usable key");
    }
    assert_eq!(peer.count(), 0);
    eventually("both are counted", || outcome(&sidecar, "no_key") == 2.0);
}

#[test]
fn peer_that_is_not_there_is_502_and_one_that_does_not_answer_504() {
    let key = TestKey::new(GCM);
    let sidecar = Sidecar::outbound().keys(&[&key]).start();
    let reply = sidecar.connect().exchange(&plain("POST", "/", "", b"{}"));
    assert_error(&reply, 502, 103, "Upstream not reachable");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let sidecar = Sidecar::outbound()
        .keys(&[&key])
        .upstream(silent.local_addr().unwrap())
        .proxy("timeouts = { reply = \"100ms\" }")
        .start();
    for request in [plain("POST", "/", "", b"{}"), bodyless("GET", "/", "")] {
        assert_error(&sidecar.connect().exchange(&request), 504, 107, "Upstream not in time");
    }
}

#[test]
fn application_that_stops_sending_is_told_so() {
    let key = TestKey::new(GCM);
    let peer = Peer::echo(&key);
    let sidecar = towards(&peer, &key).proxy("timeouts = { body = \"200ms\" }").start();
    let mut connection = sidecar.connect();
    connection.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf");
    assert_error(&connection.reply("POST"), 408, 102, "Request not received in time");
}
