//! Plain both ways, and nothing more than was meant to be.

use std::io::Write;

use super::{NO_ROUTE, ask, error_code, is_echoed, key, order, plain, routed};
use crate::support::{Event, Frame, Message, Opcode, Origin, Sidecar, WebSocketOrigin, eventually};

const HEALTH: &str = "[[proxy.route]]\nname = \"health\"\npath = \"/health\"\npolicy = \"bypass\"\n";
const REST: &str = "[[proxy.route]]\nname = \"rest\"\n";

#[test]
fn bypass_is_plain_both_ways_and_keeps_every_field() {
    let origin = Origin::answering(|_, stream| {
        stream.write_all(
            b"HTTP/1.1 206 Partial Content\r\nsec-iv: mine\r\ncontent-range: bytes 0-1/4\r\ncontent-encoding: gzip\r\n\
              trailer: content-digest\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\ncontent-digest: d\r\n\r\n",
        )
    });
    let routes = format!("required_headers = [\"authorization\"]\n{HEALTH}{REST}");
    let sidecar = routed(&origin, &routes).start();
    let headers = "sec-iv: a\r\nsec-fingerprint: b\r\nrange: bytes=0-1\r\naccept-encoding: gzip\r\ncontent-digest: c\r\n\
                   te: trailers\r\nconnection: te\r\ncontent-length: 2\r\n";
    let reply =
        ask(&sidecar, &[plain("POST", "/health/db?x", "kitchen.test", headers), b"hi".to_vec()].concat());
    assert_eq!((reply.status, reply.text(), reply.is_whole()), (206, "ok", true));
    assert_eq!(reply.header("sec-iv"), Some("mine"));
    assert_eq!(
        (reply.header("content-range"), reply.header("content-encoding")),
        (Some("bytes 0-1/4"), Some("gzip"))
    );
    assert_eq!(reply.trailers, [("content-digest".to_owned(), "d".to_owned())]);
    let received = origin.only();
    assert_eq!((received.target(), &received.body[..]), ("/health/db?x", &b"hi"[..]));
    for (name, value) in [
        ("sec-iv", "a"),
        ("sec-fingerprint", "b"),
        ("range", "bytes=0-1"),
        ("accept-encoding", "gzip"),
        ("content-digest", "c"),
    ] {
        assert_eq!(received.header(name), Some(value), "{received:?}");
    }
    eventually("it is logged with its route", || {
        let log = sidecar.log();
        log.lines().any(|line| line.contains("\"route\":\"health\"") && !line.contains("\"key\""))
    });
}

#[test]
fn preflight_passes_while_the_rest_is_sealed() {
    let origin = Origin::echo();
    let preflight = "[[proxy.route]]\nmethods = [\"OPTIONS\"]\npolicy = \"bypass\"\n";
    let sidecar = routed(&origin, &format!("{preflight}{REST}")).start();
    let headers = "origin: https://pos.test\r\naccess-control-request-method: POST\r\n";
    assert_eq!(ask(&sidecar, &plain("OPTIONS", "/orders", "kitchen.test", headers)).status, 200);
    assert_eq!(origin.only().header("access-control-request-method"), Some("POST"));
    assert_eq!(error_code(&ask(&sidecar, &plain("GET", "/orders", "kitchen.test", ""))), 1);
    assert!(is_echoed(&ask(&sidecar, &order(&key(1), "/orders", "kitchen.test")), &key(1)));
    assert_eq!(origin.count(), 2);
}

#[test]
fn path_that_can_be_read_in_two_ways_never_passes_plain() {
    let origin = Origin::echo();
    let targets = [
        "/health/../orders",
        "/health/%2e%2e/orders",
        "/health/.%2E/orders",
        "/health/..%2forders",
        "/health%2f..%2forders",
        "/health/..;/orders",
        "/health;/orders",
        "/health//../orders",
        "/health/%5c../orders",
        "/health%00/orders",
        "/health/%252e%252e/orders",
        "/health/%c0%ae%c0%ae/orders",
    ];
    let sidecar = routed(&origin, &format!("{HEALTH}{REST}")).start();
    let only_orders = routed(&origin, &format!("{HEALTH}[[proxy.route]]\npath = \"/orders\"")).start();
    for target in targets {
        let request = plain("GET", target, "kitchen.test", "");
        assert_eq!(error_code(&ask(&sidecar, &request)), 1, "{target}");
        assert_eq!(ask(&only_orders, &request).text(), NO_ROUTE, "{target}");
    }
    let open = "[[proxy.route]]\npolicy = \"bypass\"\n";
    let orders = routed(&origin, &format!("[[proxy.route]]\npath = \"/orders\"\n{open}")).start();
    for target in ["//orders", "/./orders", "/x/../orders", "/%2forders"] {
        assert_eq!(ask(&orders, &plain("GET", target, "kitchen.test", "")).text(), NO_ROUTE, "{target}");
    }
    for target in ["/%6frders", "/orders//7", "/orders/../health"] {
        assert_eq!(error_code(&ask(&orders, &plain("GET", target, "kitchen.test", ""))), 1, "{target}");
    }
    assert_eq!(origin.count(), 0);
    assert_eq!(ask(&orders, &plain("GET", "/menu", "kitchen.test", "")).status, 200);
    assert_eq!(ask(&sidecar, &plain("GET", "/%68ealth", "kitchen.test", "")).status, 200);
}

const HANDSHAKE: &str = "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n\
                         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn websocket_of_a_bypass_is_plain_and_that_of_another_route_is_not() {
    let application = WebSocketOrigin::echo();
    let lines = format!("origins = [\"https://pos.test\"]\n{HEALTH}rewrite = \"/live\"\n{REST}");
    let sidecar = Sidecar::inbound().keys(&[&key(1)]).upstream(application.address()).proxy(&lines).start();
    let mut connection = sidecar.connect();
    connection.send(&plain("GET", "/health/feed", "kitchen.test", HANDSHAKE));
    assert!(connection.read_head().unwrap().starts_with(b"HTTP/1.1 101 "));
    connection.send_frame(&Frame::new(Opcode::Text, "alive?").masked());
    let echo = connection.read_event(&mut None).unwrap();
    assert_eq!(echo, Event::Message(Message::Text(b"alive?".to_vec())));
    connection.send_frame(&Frame::close(1000, "").masked());
    eventually("the session is logged", || {
        let log = sidecar.log();
        let mut sessions = log.lines().filter(|line| line.contains("\"message\":\"session\""));
        sessions
            .any(|line| line.contains("\"route\":\"health\"") && line.contains("\"path\":\"/health/feed\""))
    });
    assert_eq!(error_code(&ask(&sidecar, &plain("GET", "/feed", "kitchen.test", HANDSHAKE))), 1);
    let evil = format!("{HANDSHAKE}origin: https://evil.test\r\n");
    assert_eq!(error_code(&ask(&sidecar, &plain("GET", "/health/feed", "kitchen.test", &evil))), 112);
}
