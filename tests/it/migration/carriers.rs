//! Plain is what bears nothing of an envelope; whatever bears any of it is as under `require`.

use std::io::Write;

use alewife::crypto::encoding;

use super::{GCM, LOOPBACK, ask, counted, error_code, lines, network, plain, sidecar};
use crate::support::{Origin, Sidecar, TestKey, eventually};

#[test]
fn plain_and_sealed_clients_are_served_side_by_side_each_in_its_own_way() {
    for (policy, algorithm) in [("permit", GCM), ("shadow", GCM), ("permit", "AES-256-CTR")] {
        let (key, origin) = (TestKey::new(algorithm), Origin::echo());
        let sidecar = sidecar(policy, &key, &origin).start();
        let mut connection = sidecar.connect();
        for _ in 0..2 {
            let reply = connection.exchange(&plain("POST", "/orders?a=b", "", "soup"));
            assert_eq!((reply.status, reply.text(), reply.header("sec-iv")), (200, "soup", None));
            let reply = connection.exchange(&key.request("POST", "/orders", "", b"fish"));
            assert_eq!(reply.open(&key).as_deref(), Some(&b"fish"[..]));
        }
        assert_eq!(connection.exchange(&plain("GET", "/menu", "", "")).status, 200);
        assert!(connection.exchange(&key.bodyless("GET", "/menu", "")).header("sec-iv").is_some());
        assert_eq!(counted(&sidecar), [3, 3, 0]);
        assert_eq!(origin.received()[0].target(), "/orders?a=b");
    }
}

#[test]
fn plain_exchange_keeps_what_speaks_of_its_body() {
    let origin = Origin::answering(|_, stream| {
        stream.write_all(
            b"HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-1/4\r\ncontent-encoding: gzip\r\n\
              content-length: 2\r\n\r\nok",
        )
    });
    let sidecar = sidecar("permit", &TestKey::new(GCM), &origin).start();
    let headers = "range: bytes=0-1\r\naccept-encoding: gzip\r\ncontent-digest: c\r\n";
    let reply = ask(&sidecar, &plain("POST", "/", headers, "hi"));
    assert_eq!((reply.status, reply.header("content-range")), (206, Some("bytes 0-1/4")));
    let received = origin.only();
    for (name, value) in [("range", "bytes=0-1"), ("accept-encoding", "gzip"), ("content-digest", "c")] {
        assert_eq!(received.header(name), Some(value), "{received:?}");
    }
}

#[test]
fn lone_carrier_of_any_kind_is_refused_under_every_policy() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let iv = encoding::base64_encode(&key.fresh_iv());
    let fingerprint = &key.fingerprint;
    let lone = [
        ("/", format!("sec-iv: {iv}\r\n")),
        ("/", format!("sec-fingerprint: {fingerprint}\r\n")),
        ("/", "sec-iv:\r\n".to_owned()),
        ("/", format!("x-ale-iv: {iv}\r\n")),
        ("/", format!("x-ale-fingerprint: {fingerprint}\r\n")),
        ("/", format!("x-ale-iv: {iv}\r\nx-ale-fingerprint: {fingerprint}\r\n")),
        ("/", "x-ale-content-encoding: gzip\r\n".to_owned()),
        ("/?x-ale-iv=a", String::new()),
        ("/?a=b&x%2dale-fingerprint=c", String::new()),
    ];
    for policy in ["permit", "shadow"] {
        let sidecar = sidecar(policy, &key, &origin).start();
        for (target, headers) in &lone {
            for body in ["", "soup"] {
                let reply = ask(&sidecar, &plain("POST", target, headers, body));
                assert_eq!((reply.status, error_code(&reply)), (400, 1), "{policy} {target} {headers}");
            }
        }
        assert_eq!(counted(&sidecar), [0, 0, 2 * lone.len() as u64]);
    }
    assert_eq!(origin.count(), 0);
}

#[test]
fn sealed_message_that_does_not_open_is_refused_and_never_passes_for_a_plain_one() {
    let (key, other, origin) = (TestKey::new(GCM), TestKey::numbered(GCM, 1), Origin::echo());
    for policy in ["permit", "shadow"] {
        let sidecar = sidecar(policy, &key, &origin).start();
        let mut forged = key.request("POST", "/", "", b"soup");
        *forged.last_mut().unwrap() ^= 1;
        let wrong_key = TestKey { secret: other.secret.clone(), ..key.clone() };
        for request in
            [forged, other.request("POST", "/", "", b"soup"), wrong_key.request("POST", "/", "", b"soup")]
        {
            assert_eq!(error_code(&ask(&sidecar, &request)), 2);
        }
        assert_eq!(counted(&sidecar), [0, 0, 3]);
    }
    assert_eq!(origin.count(), 0);
}

#[test]
fn client_outside_the_networks_is_as_under_require() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let elsewhere = lines("shadow").replace("127.0.0.0/8", "192.0.2.0/24");
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).proxy(&elsewhere).start();
    assert_eq!(error_code(&ask(&sidecar, &plain("POST", "/", "", "soup"))), 1);
    let reply = ask(&sidecar, &key.request("POST", "/", "", b"soup"));
    assert_eq!(reply.open(&key).as_deref(), Some(&b"soup"[..]));
    assert_eq!(origin.count(), 1);
    let outside = network(&sidecar, "outside");
    assert_eq!(
        (&outside["sealed"], &outside["plain"], &outside["refused"]),
        (&1.into(), &0.into(), &1.into())
    );
}

#[test]
fn permit_asks_of_plain_requests_what_it_asks_of_sealed_ones_and_shadow_only_notes_it() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let required = "required_headers = [\"authorization\"]\n";
    let permit = sidecar("permit", &key, &origin).proxy(required).start();
    assert_eq!(error_code(&ask(&permit, &plain("POST", "/", "", "soup"))), 1);
    assert_eq!(ask(&permit, &plain("POST", "/", "authorization: a\r\n", "soup")).status, 200);
    assert_eq!(counted(&permit), [0, 1, 1]);
    let shadow = sidecar("shadow", &key, &origin).proxy(required).start();
    assert_eq!(ask(&shadow, &plain("POST", "/", "", "soup")).status, 200);
    assert_eq!(ask(&shadow, &plain("POST", "/", "authorization: a\r\n", "soup")).status, 200);
    assert_eq!(error_code(&ask(&shadow, &key.request("POST", "/", "", b"soup"))), 1);
    assert_eq!(counted(&shadow), [0, 2, 1]);
    let would = network(&shadow, "127.0.0.0/24")["would_refuse"].clone();
    let expected = serde_json::json!([
        { "code": 1, "reason": "missing_required_header", "count": 1 },
        { "code": 1, "reason": "missing_iv", "count": 1 },
    ]);
    assert_eq!(would, expected);
    eventually("what require would say is logged", || {
        shadow.log().contains("\"would_refuse\":\"errorCode 1: missing_required_header\"")
            && shadow.log().contains("\"would_refuse\":\"errorCode 1: missing_iv\"")
    });
    assert!(!permit.log().contains("would_refuse"), "{}", permit.log());
}

#[test]
fn path_that_can_be_read_in_two_ways_passes_sealed_and_never_plain() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let routes = format!(
        "[[proxy.route]]\npath = \"/orders\"\n[[proxy.route]]\nname = \"rest\"\npolicy = \"permit\"\n{LOOPBACK}"
    );
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).proxy(&routes).start();
    for target in ["/x/../orders", "//orders", "/%2forders", "/./orders", "/menu;/orders"] {
        assert_eq!(error_code(&ask(&sidecar, &plain("POST", target, "", "soup"))), 1, "{target}");
        assert_eq!(ask(&sidecar, &key.request("POST", target, "", b"soup")).status, 200, "{target}");
    }
    assert_eq!(error_code(&ask(&sidecar, &plain("POST", "/%6frders", "", "soup"))), 1);
    assert_eq!(ask(&sidecar, &plain("POST", "/menu", "", "soup")).status, 200);
    assert_eq!(counted(&sidecar), [5, 1, 5]);
    assert_eq!(origin.count(), 6);
}

#[test]
fn ping_is_sealed_under_every_policy() {
    let (key, origin) = (TestKey::new(GCM), Origin::echo());
    let sidecar = sidecar("shadow", &key, &origin).start();
    let ping = "/.well-known/alewife/ping";
    assert_eq!(error_code(&ask(&sidecar, &plain("POST", ping, "", "soup"))), 1);
    assert_eq!(ask(&sidecar, &key.request("POST", ping, "", b"soup")).status, 200);
    assert_eq!((counted(&sidecar), origin.count()), ([0, 0, 1], 0));
}
