//! A sealed order in, a sealed reply out: the main job (P1–P6).

use std::io::Write;

use crate::support::{Origin, Sidecar, TestKey};

const ALGORITHMS: [&str; 12] = [
    "AES-128-GCM",
    "AES-192-GCM",
    "AES-256-GCM",
    "AES-128-CFB",
    "AES-192-CFB",
    "AES-256-CFB",
    "AES-128-CFB8",
    "AES-192-CFB8",
    "AES-256-CFB8",
    "AES-128-CTR",
    "AES-192-CTR",
    "AES-256-CTR",
];

#[test]
fn every_algorithm_carries_an_order_there_and_its_reply_back() {
    let origin = Origin::echo();
    let keys: Vec<TestKey> = ALGORITHMS.iter().map(|name| TestKey::new(name)).collect();
    let sidecar =
        Sidecar::inbound().keys(&keys.iter().collect::<Vec<_>>()).upstream(origin.address()).start();
    let mut connection = sidecar.connect();
    for (number, key) in keys.iter().enumerate() {
        let order = format!("{{\"order\":{number},\"dish\":\"Ragoût\"}}");
        let request =
            key.request("POST", "/orders?t=1", "content-type: application/json\r\n", order.as_bytes());
        let reply = connection.exchange(&request);
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_ne!(reply.body, order.as_bytes());
        assert_eq!(reply.open(key).as_deref(), Some(order.as_bytes()), "{}", key.algorithm);
        let received = &origin.received()[number];
        assert_eq!(received.request_line, "POST /orders?t=1 HTTP/1.1");
        assert_eq!(received.body, order.as_bytes());
        assert_eq!(received.header("content-length"), Some(order.len().to_string().as_str()));
        assert_eq!(received.header("content-type"), Some("application/json"));
        assert_eq!(received.header("sec-iv"), None);
        assert_eq!(received.header("sec-fingerprint"), None);
    }
    // One connection from the client, one to the application.
    assert!(origin.received().iter().all(|received| received.connection == 0));
}

#[test]
fn a_reply_without_a_stated_length_is_sealed_with_the_tag_at_its_end() {
    let origin = Origin::answering(|_, stream| {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        )
    });
    let key = TestKey::new("AES-256-GCM");
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let reply = sidecar.connect().exchange(&key.bodyless("GET", "/", ""));
    assert!(reply.is_whole());
    assert_eq!(reply.open(&key).unwrap(), b"hello world");
    assert_eq!(reply.body.len(), 11 + 16);
}

#[test]
fn a_reply_with_trailers_counts_as_answered_and_its_upstream_connection_is_kept() {
    let origin = Origin::answering(|_, stream| {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n",
        )
    });
    let key = TestKey::new("AES-256-GCM");
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
    let mut connection = sidecar.connect();
    for _ in 0..3 {
        let reply = connection.exchange(&key.bodyless("GET", "/", "te: trailers\r\nconnection: te\r\n"));
        assert_eq!(reply.open(&key).unwrap(), b"hello");
        assert_eq!(reply.trailers, [("x-sum".to_owned(), "7".to_owned())]);
    }
    assert_eq!(sidecar.metric("alewife_requests_total{proxy=\"kitchen\",outcome=\"answered\"}"), 3.0);
    assert!(origin.received().iter().all(|received| received.connection == 0));
}
