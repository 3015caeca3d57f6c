//! What becomes of a plain request on its way to the peer (P1–P4, P6).

use std::io::Write;
use std::net::TcpListener;

use alewife::crypto::encoding;

use super::{CTR, GCM, bodyless, plain, towards};
use crate::support::{Connection, Peer, Sidecar, TestKey, eventually, iv_of, sealed_reply};

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
fn an_order_goes_sealed_and_its_reply_comes_opened_under_every_algorithm() {
    for name in ALGORITHMS {
        let key = TestKey::new(name);
        let peer = Peer::echo(&key);
        let sidecar = towards(&peer, &key).start();
        let order = "{\"dish\":\"Ragoût\"}".as_bytes();
        let reply = sidecar.connect().exchange(&plain(
            "POST",
            "/orders?t=1",
            "content-type: application/json\r\n",
            order,
        ));
        assert_eq!((reply.status, reply.body.as_slice()), (200, order), "{name}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.header("content-length"), Some(order.len().to_string().as_str()));
        assert_eq!((reply.header("sec-iv"), reply.header("sec-fingerprint")), (None, None));
        let received = peer.only();
        assert_eq!(received.request_line, "POST /orders?t=1 HTTP/1.1");
        assert_eq!(peer.open(&received).as_deref(), Some(order), "{name}");
        // P1: 16 bytes; P3: a length that was known stays known, the tag included.
        assert_eq!(iv_of(&received).len(), 16);
        let sealed = order.len() + key.algorithm.tag_len();
        assert_eq!(received.header("content-length"), Some(sealed.to_string().as_str()));
        assert_eq!(received.header("transfer-encoding"), None);
    }
}

#[test]
fn each_request_has_an_iv_of_its_own() {
    let key = TestKey::new(GCM);
    let peer = Peer::echo(&key);
    let sidecar = towards(&peer, &key).start();
    let mut connection = sidecar.connect();
    for _ in 0..8 {
        assert_eq!(connection.exchange(&plain("POST", "/", "", b"same")).body, b"same");
    }
    let ivs: std::collections::HashSet<_> = peer.received().iter().map(iv_of).collect();
    let bodies: std::collections::HashSet<_> = peer.received().iter().map(|one| one.body.clone()).collect();
    assert_eq!((ivs.len(), bodies.len()), (8, 8));
    // All of them on one connection to the peer.
    assert!(peer.received().iter().all(|received| received.connection == 0));
}

#[test]
fn the_peer_has_the_first_piece_before_the_application_has_sent_the_last() {
    for name in [GCM, CTR] {
        let key = TestKey::new(name);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sidecar = Sidecar::outbound().keys(&[&key]).upstream(listener.local_addr().unwrap()).start();
        let mut client = sidecar.connect();
        client.send(b"POST /orders HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        let mut peer = Connection::over(listener.accept().unwrap().0);
        let head = String::from_utf8(peer.read_head().unwrap()).unwrap();
        let mut sealed = peer.read_chunk().unwrap().unwrap();
        assert_eq!(sealed.len(), 5, "{name}");
        client.send(b"5\r\n last\r\n0\r\n\r\n");
        while let Some(chunk) = peer.read_chunk().unwrap() {
            sealed.extend_from_slice(&chunk);
        }
        let iv = head.lines().find_map(|line| line.strip_prefix("sec-iv: ")).unwrap();
        let iv = encoding::base64_decode(iv.as_bytes()).unwrap();
        assert_eq!(key.open_with(&iv, &sealed).unwrap(), b"first last", "{name}");
        peer.send(&sealed_reply(&key, "200 OK", "", b"done"));
        assert_eq!(client.reply("POST").body, b"done");
    }
}

#[test]
fn methods_that_may_be_bodyless_go_without_a_tag_and_others_bear_one() {
    let key = TestKey::new(GCM);
    let peer = Peer::echo(&key);
    let sidecar = towards(&peer, &key).start();
    let mut connection = sidecar.connect();
    for method in ["GET", "OPTIONS", "DELETE"] {
        assert_eq!(connection.exchange(&bodyless(method, "/menu", "")).status, 200, "{method}");
    }
    for method in ["POST", "PUT", "PATCH"] {
        assert_eq!(connection.exchange(&bodyless(method, "/menu", "")).status, 200, "{method}");
        assert_eq!(connection.exchange(&plain(method, "/menu", "", b"")).status, 200, "{method}");
    }
    let received = peer.received();
    for request in &received[..3] {
        assert_eq!((request.body.as_slice(), request.header("content-length")), (&b""[..], None));
        assert_eq!(iv_of(request).len(), 16);
    }
    for request in &received[3..] {
        assert_eq!((request.body.len(), request.header("content-length")), (16, Some("16")));
        assert_eq!(peer.open(request).unwrap(), b"");
    }
}

#[test]
fn an_empty_body_under_ctr_goes_without_a_byte() {
    let key = TestKey::new(CTR);
    let peer = Peer::echo(&key);
    let sidecar = towards(&peer, &key).start();
    let reply = sidecar.connect().exchange(&plain("POST", "/orders", "", b""));
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b""[..]));
    let received = peer.only();
    assert_eq!((received.body.as_slice(), received.header("content-length")), (&b""[..], Some("0")));
}

#[test]
fn the_head_passes_as_it_is_but_for_what_sealing_and_the_next_hop_change() {
    let key = TestKey::new(GCM);
    let peer = Peer::echo(&key);
    let sidecar = towards(&peer, &key).start();
    let headers = "X-Case: Kept\r\nx-many: 1\r\nx-many: 2\r\naccept-encoding: gzip\r\ncontent-encoding: br\r\n\
                   authorization: Bearer t\r\nsec-iv: forged\r\nsec-fingerprint: forged\r\n\
                   x-ale-content-encoding: forged\r\nrange: bytes=0-1\r\ncontent-digest: sha-256=:AA==:\r\n\
                   connection: x-private\r\nx-private: 1\r\nkeep-alive: 5\r\n";
    let reply = sidecar.connect().exchange(&plain("POST", "/a%2Fb?c=d", headers, b"{}"));
    assert_eq!(reply.status, 200, "{reply:?}");
    let received = peer.only();
    assert_eq!(received.target(), "/a%2Fb?c=d");
    assert!(received.headers.contains(&("X-Case".to_owned(), "Kept".to_owned())), "{received:?}");
    assert_eq!(received.header_all("x-many"), ["1", "2"]);
    // Outbound, the application may be answered in any coding that it takes.
    assert_eq!(received.header("accept-encoding"), Some("gzip"));
    assert_eq!(received.header("authorization"), Some("Bearer t"));
    assert_eq!(received.header_all("x-ale-content-encoding"), ["br"]);
    assert_eq!(received.header_all("sec-fingerprint"), [key.fingerprint.as_str()]);
    for gone in ["content-encoding", "range", "content-digest", "x-private", "keep-alive", "connection"] {
        assert_eq!(received.header(gone), None, "{gone}");
    }
    // The client named the sidecar; the peer is asked by its own name, and not told who asks.
    assert_eq!(received.header_all("host"), [peer.address().to_string()]);
    assert_eq!((received.header("x-forwarded-for"), received.header("x-forwarded-host")), (None, None));
}

#[test]
fn host_passes_and_the_asker_is_named_where_the_configuration_says_so() {
    let key = TestKey::new(GCM);
    let peer = Peer::echo(&key);
    let sidecar = towards(&peer, &key).proxy("host = \"pass\"\nforwarded = \"append\"").start();
    assert_eq!(sidecar.connect().exchange(&bodyless("GET", "/", "")).status, 200);
    let received = peer.only();
    assert_eq!(received.header_all("host"), ["kitchen.local"]);
    assert_eq!(received.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(received.header("x-forwarded-host"), Some("kitchen.local"));
}

#[test]
fn the_host_of_the_asker_is_told_although_the_peer_is_asked_by_its_own() {
    let key = TestKey::new(GCM);
    let peer = Peer::echo(&key);
    let sidecar = towards(&peer, &key).proxy("forwarded = \"append\"").start();
    assert_eq!(sidecar.connect().exchange(&bodyless("GET", "/", "")).status, 200);
    let received = peer.only();
    assert_eq!(received.header_all("host"), [peer.address().to_string()]);
    assert_eq!(received.header("x-forwarded-host"), Some("kitchen.local"));
}

#[test]
fn trailers_follow_the_tag() {
    let key = TestKey::new(GCM);
    let peer = Peer::echo(&key);
    let sidecar = towards(&peer, &key).start();
    let reply = sidecar.connect().exchange(
        b"POST /orders HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum, sec-iv\r\n\r\n\
          5\r\nhello\r\n0\r\nx-sum: 7\r\nsec-iv: forged\r\n\r\n",
    );
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"hello"[..]));
    let received = peer.only();
    assert_eq!(peer.open(&received).unwrap(), b"hello");
    assert_eq!(received.trailers, [("x-sum".to_owned(), "7".to_owned())]);
}

#[test]
fn expect_100_continue_is_answered_here() {
    let key = TestKey::new(GCM);
    let peer = Peer::echo(&key);
    let sidecar = towards(&peer, &key).start();
    let mut connection = sidecar.connect();
    connection.send(b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
    assert_eq!(connection.try_reply("POST").unwrap().status, 100);
    connection.send(b"{}");
    assert_eq!(connection.reply("POST").body, b"{}");
    assert_eq!(peer.only().header("expect"), None);
}

#[test]
fn what_can_be_read_in_two_ways_is_refused_and_never_sealed() {
    let key = TestKey::new(GCM);
    let peer = Peer::echo(&key);
    let sidecar = towards(&peer, &key).start();
    let reply = sidecar.connect().exchange(b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n");
    super::assert_error(&reply, 400, 100, "Malformed request");
    assert_eq!(peer.count(), 0);
}

#[test]
fn an_application_that_breaks_its_body_off_never_makes_a_whole_request() {
    let key = TestKey::new(GCM);
    let peer = Peer::echo(&key);
    let sidecar = towards(&peer, &key).start();
    let mut connection = sidecar.connect();
    connection.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf");
    connection.stream.flush().unwrap();
    connection.close_write();
    eventually("the peer has seen the end", || peer.count() == 1);
    assert!(!peer.only().whole);
    eventually("the client is blamed", || {
        sidecar.metric("alewife_requests_total{proxy=\"kitchen\",outcome=\"client_gone\"}") == 1.0
    });
}
