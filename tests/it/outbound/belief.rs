//! A reply must be sealed to be believed (P5, P9), unless the configuration says otherwise.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use alewife::crypto::encoding;

use super::{CTR, GCM, assert_error, bodyless, outcome, plain, refused, towards};
use crate::support::{Peer, Received, TestKey, eventually, iv_of, reply_of, sealed_reply};

const MESSAGE: &str = "Reply not believed";

/// The bytes that a peer answers a request with.
type Forge = fn(&TestKey, &Received) -> Vec<u8>;

/// A sealed reply whose envelope `change` makes.
fn with_envelope(key: &TestKey, envelope: impl Fn(&str, &str) -> String) -> Vec<u8> {
    let iv = key.fresh_iv();
    let sealed = key.seal_with(&iv, b"{\"ok\":1}");
    reply_of("200 OK", &envelope(&encoding::base64_encode(&iv), &key.fingerprint), &sealed)
}

/// Name of the fault, the reason it is counted under, the reply.
const FORGED: [(&str, &str, Forge); 15] = [
    ("unsealed 200", "unsealed", |_, _| reply_of("200 OK", "", b"{\"ok\":1}")),
    ("unsealed 200 without a byte", "unsealed", |_, _| reply_of("200 OK", "", b"")),
    ("unsealed redirect", "unsealed", |_, _| reply_of("302 Found", "location: http://evil/\r\n", b"go")),
    ("unknown fingerprint", "other_key", |key, _| {
        with_envelope(key, |iv, _| format!("sec-iv: {iv}\r\nsec-fingerprint: nobody-knows\r\n"))
    }),
    ("another key of the ring", "other_key", |_, _| {
        sealed_reply(&TestKey::numbered(GCM, 7), "200 OK", "", b"{\"ok\":1}")
    }),
    ("another key under the right name", "not_authentic", |key, _| {
        let iv = key.fresh_iv();
        let sealed = TestKey::numbered(GCM, 7).seal_with(&iv, b"{\"ok\":1}");
        reply_of("200 OK", &key.envelope(&iv), &sealed)
    }),
    ("flipped bit of the body", "not_authentic", |key, _| flipped(key, 0)),
    ("flipped bit of the tag", "not_authentic", |key, _| flipped(key, 23)),
    ("truncated", "not_authentic", |key, _| {
        let iv = key.fresh_iv();
        let sealed = key.seal_with(&iv, b"{\"ok\":1}");
        reply_of("200 OK", &key.envelope(&iv), &sealed[..20])
    }),
    ("shorter than a tag", "not_authentic", |key, _| {
        reply_of("200 OK", &key.envelope(&key.fresh_iv()), b"short")
    }),
    ("reflected iv", "reflected", |key, received| {
        let iv = iv_of(received);
        reply_of("200 OK", &key.envelope(&iv), &key.seal_with(&iv, b"{\"ok\":1}"))
    }),
    ("repeated iv", "bad_iv", |key, _| {
        with_envelope(key, |iv, name| format!("sec-iv: {iv}\r\nsec-iv: {iv}\r\nsec-fingerprint: {name}\r\n"))
    }),
    ("repeated fingerprint", "bad_fingerprint", |key, _| {
        with_envelope(key, |iv, name| {
            format!("sec-iv: {iv}\r\nsec-fingerprint: {name}\r\nsec-fingerprint: {name}\r\n")
        })
    }),
    ("iv without a fingerprint", "missing_fingerprint", |key, _| {
        with_envelope(key, |iv, _| format!("sec-iv: {iv}\r\n"))
    }),
    ("envelope on a 204", "envelope_without_body", |key, _| {
        format!("HTTP/1.1 204 No Content\r\n{}\r\n", key.envelope(&key.fresh_iv())).into_bytes()
    }),
];

fn flipped(key: &TestKey, at: usize) -> Vec<u8> {
    let iv = key.fresh_iv();
    let mut sealed = key.seal_with(&iv, b"{\"ok\":1}");
    sealed[at] ^= 1;
    reply_of("200 OK", &key.envelope(&iv), &sealed)
}

#[test]
fn every_forged_reply_is_502_and_counted_by_its_reason() {
    let (key, other) = (TestKey::new(GCM), TestKey::numbered(GCM, 7));
    let turn = std::sync::Arc::new(AtomicUsize::new(0));
    let (now, own) = (std::sync::Arc::clone(&turn), key.clone());
    let peer = Peer::answering(&key, move |received, stream| {
        stream.write_all(&FORGED[now.load(Ordering::SeqCst)].2(&own, received))
    });
    let file = format!("primary = \"{}\"\n{}{}", key.fingerprint, key.entry(), other.entry());
    let sidecar = towards(&peer, &key).key_file(&file).start();
    let mut counts = std::collections::BTreeMap::new();
    for (number, (name, reason, _)) in FORGED.iter().enumerate() {
        turn.store(number, Ordering::SeqCst);
        let mut connection = sidecar.connect();
        let reply = connection.exchange(&plain("POST", "/orders", "", b"{}"));
        assert_error(&reply, 502, 108, MESSAGE);
        *counts.entry(*reason).or_insert(0.0) += 1.0;
        eventually("it is counted", || refused(&sidecar, reason) == counts[reason]);
        assert_eq!(reply.header("connection"), None, "{name}: the application's connection stays");
    }
    eventually("all are counted", || outcome(&sidecar, "reply_refused") == FORGED.len() as f64);
}

#[test]
fn replies_without_a_body_pass_without_an_envelope() {
    for (method, status, stated) in
        [("DELETE", "204 No Content", ""), ("GET", "304 Not Modified", "etag: \"1\"\r\n")]
    {
        let key = TestKey::new(GCM);
        let peer = Peer::answering(&key, move |_, stream| {
            stream.write_all(format!("HTTP/1.1 {status}\r\n{stated}\r\n").as_bytes())
        });
        let sidecar = towards(&peer, &key).start();
        let reply = sidecar.connect().exchange(&bodyless(method, "/", ""));
        assert_eq!((reply.status, reply.body.as_slice()), (status[..3].parse().unwrap(), &b""[..]));
        assert_eq!(reply.header("content-length"), None);
    }
}

#[test]
fn reply_to_head_states_the_length_of_the_plaintext_and_its_coding() {
    let key = TestKey::new(GCM);
    let peer =
        Peer::fixed(&key, b"HTTP/1.1 200 OK\r\nx-ale-content-encoding: br\r\ncontent-length: 21\r\n\r\n");
    let sidecar = towards(&peer, &key).start();
    let mut connection = sidecar.connect();
    for _ in 0..2 {
        let reply = connection.exchange(&bodyless("HEAD", "/menu", ""));
        assert_eq!((reply.status, reply.header("content-length")), (200, Some("5")));
        assert_eq!(reply.header("content-encoding"), Some("br"));
        assert_eq!(reply.header("x-ale-content-encoding"), None);
    }
}

#[test]
fn sealed_errors_and_codings_of_the_application_pass_as_they_are() {
    for name in [GCM, CTR] {
        let key = TestKey::new(name);
        let peer = Peer::sealing(
            &key,
            "404 Not Here",
            "x-ale-content-encoding: br\r\nX-Case: 1\r\n",
            b"{\"errorCode\":2}",
        );
        let sidecar = towards(&peer, &key).start();
        let reply = sidecar.connect().exchange(&bodyless("GET", "/", "accept-encoding: br\r\n"));
        assert_eq!(
            (reply.status, reply.reason.as_str(), reply.text()),
            (404, "Not Here", "{\"errorCode\":2}")
        );
        assert_eq!(reply.header("content-encoding"), Some("br"));
        assert!(reply.headers.iter().any(|(name, _)| name == "X-Case"));
    }
}

#[test]
fn plain_replies_pass_where_the_peer_does_not_seal() {
    let key = TestKey::new(GCM);
    let peer = Peer::fixed(&key, b"HTTP/1.1 404 Gone\r\nx-a: 1\r\ncontent-length: 4\r\n\r\nnone");
    let sidecar = towards(&peer, &key).proxy("replies = \"plain\"").start();
    let mut connection = sidecar.connect();
    for _ in 0..2 {
        let reply = connection.exchange(&plain("POST", "/orders", "", b"{}"));
        assert_eq!((reply.status, reply.text(), reply.header("x-a")), (404, "none", Some("1")));
    }
    // The request is sealed all the same, and the peer's connection kept.
    assert_eq!(peer.open(&peer.received()[0]).unwrap(), b"{}");
    assert_eq!(peer.received()[1].connection, 0);
    eventually("the start warns", || sidecar.log().contains("can read replies and make them up"));
}

#[test]
fn plain_reply_to_head_keeps_the_length_that_it_states() {
    let key = TestKey::new(GCM);
    let peer = Peer::fixed(&key, b"HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n");
    let sidecar = towards(&peer, &key).proxy("replies = \"plain\"").start();
    let reply = sidecar.connect().exchange(&bodyless("HEAD", "/", ""));
    assert_eq!(reply.header("content-length"), Some("21"));
}

#[test]
fn either_believes_plain_replies_until_one_came_sealed_on_whatever_worker() {
    let key = TestKey::new(GCM);
    let own = key.clone();
    let peer = Peer::answering(&key, move |received, stream| match received.target() {
        "/sealed" => stream.write_all(&sealed_reply(&own, "200 OK", "", b"sealed")),
        "/forged" => stream.write_all(&flipped(&own, 3)),
        _ => stream.write_all(&reply_of("200 OK", "", b"plain")),
    });
    let sidecar = towards(&peer, &key).proxy("replies = \"either\"").start();
    let get = |target: &str| sidecar.connect().exchange(&bodyless("GET", target, ""));
    assert_eq!(get("/plain").body, b"plain");
    // A reply that only looks sealed proves nothing of the peer.
    assert_error(&get("/forged"), 502, 108, MESSAGE);
    assert_eq!(get("/plain").body, b"plain");
    assert_eq!(get("/sealed").body, b"sealed");
    // Connections go to the two workers in turn.
    for _ in 0..4 {
        assert_error(&get("/plain"), 502, 108, MESSAGE);
    }
    // Lines keep their order, so all that was said before the last exchange ended is there.
    eventually("eight are logged", || sidecar.log().matches("alewife::access").count() == 8);
    let log = sidecar.log();
    assert!(log.contains("until the peer has sealed a reply, whoever is on the line"), "{log}");
    assert_eq!(log.matches("plain ones are refused from now on").count(), 1, "{log}");
}

#[test]
fn interim_replies_end_here_and_a_101_that_nobody_asked_for_is_502() {
    let key = TestKey::new(GCM);
    let own = key.clone();
    let peer = Peer::answering(&key, move |received, stream| {
        if received.target() == "/switch" {
            return stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
        }
        stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")?;
        stream.write_all(&sealed_reply(&own, "200 OK", "", b"done"))
    });
    let sidecar = towards(&peer, &key).start();
    let mut connection = sidecar.connect();
    connection.send(&bodyless("GET", "/", ""));
    assert_eq!(connection.try_reply("GET").unwrap().body, b"done");
    let reply = connection.exchange(&bodyless("GET", "/switch", ""));
    assert_error(&reply, 502, 104, "Upstream broke the exchange");
}
