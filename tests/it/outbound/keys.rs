//! What happens when the peer does not have the key that seals here, and when a key begins to seal.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{GCM, assert_own, bodyless, plain, towards};
use crate::support::{Peer, Sidecar, TestKey, eventually, reply_of, sealed_reply};

const REFUSED: &[u8] = b"{\"errorCode\":2,\"message\":\"Unable to decrypt payload\"}";
const REPORTED: &str =
    "{\"errorCode\":111,\"message\":\"Peer answered with an unsealed error\",\"peerErrorCode\":2}";

/// A peer that has `young` and refuses any other key with `error`. When it refuses one, it first writes `young` to the
/// key file that it is told of later, without an event that the sidecar could see before it asks.
fn peer_with(young: &TestKey, error: &'static [u8], file: &Arc<Mutex<Option<std::path::PathBuf>>>) -> Peer {
    let (own, file) = (young.clone(), Arc::clone(file));
    Peer::answering(young, move |received, stream| {
        if received.header("sec-fingerprint") == Some(own.fingerprint.as_str()) {
            return stream.write_all(&sealed_reply(&own, "200 OK", "", received.method().as_bytes()));
        }
        if let Some(file) = &*file.lock().unwrap() {
            write_keys(file, &[&own]);
        }
        stream.write_all(&reply_of("400 Bad Request", "", error))
    })
}

fn write_keys(file: &Path, keys: &[&TestKey]) {
    let text: String = keys.iter().map(|key| key.entry()).collect();
    std::fs::write(file.with_extension("new"), text).unwrap();
    std::fs::rename(file.with_extension("new"), file).unwrap();
}

fn resealed(sidecar: &Sidecar) -> f64 {
    sidecar.metric("alewife_requests_resealed_total{proxy=\"kitchen\"}")
}

/// A sidecar with an old key, in front of a peer that has a new one and brings it on the way.
fn changing(error: &'static [u8]) -> (Peer, Sidecar) {
    let (old, young) = (TestKey::numbered(GCM, 1), TestKey::numbered(GCM, 2));
    let file = Arc::new(Mutex::new(None));
    let peer = peer_with(&young, error, &file);
    let sidecar = towards(&peer, &old).keys_section("poll_interval = \"1h\"").start();
    *file.lock().unwrap() = Some(sidecar.key_file());
    (peer, sidecar)
}

#[test]
fn idempotent_request_without_a_body_is_sealed_anew_after_the_keys_were_read_anew() {
    for error in [REFUSED, b"{\"errorCode\":3,\"message\":\"Security credential mismatch\"}"] {
        for method in ["GET", "DELETE", "PUT"] {
            let (peer, sidecar) = changing(error);
            let reply = sidecar.connect().exchange(&bodyless(method, "/menu?a=1", "x-a: 1\r\n"));
            assert_eq!((reply.status, reply.text()), (200, method), "{}", sidecar.log());
            let received = peer.received();
            assert_eq!(received.len(), 2);
            assert_eq!(received[0].request_line, received[1].request_line);
            assert_eq!((received[0].header("x-a"), received[1].header("x-a")), (Some("1"), Some("1")));
            assert_ne!(received[0].header("sec-iv"), received[1].header("sec-iv"));
            assert_eq!(received[1].header_all("sec-fingerprint").len(), 1);
            assert_eq!(resealed(&sidecar), 1.0);
            eventually("the log names the key that served", || {
                sidecar
                    .log()
                    .lines()
                    .any(|line| line.contains("exchange") && line.contains("fp-AES-256-GCM-2"))
            });
        }
    }
}

#[test]
fn request_with_a_body_or_of_another_method_is_reported_and_the_keys_are_read_for_the_next() {
    for request in [plain("PUT", "/", "", b"{}"), bodyless("POST", "/", "")] {
        let (peer, sidecar) = changing(REFUSED);
        assert_own(&sidecar.connect().exchange(&request), 400, REPORTED);
        assert_eq!(peer.count(), 1);
        eventually("the next one is sealed with the new key", || {
            sidecar.connect().exchange(&request).status == 200
        });
        assert_eq!(resealed(&sidecar), 0.0);
    }
}

#[test]
fn request_is_not_sent_again_if_the_same_key_seals_and_the_file_is_read_once_in_a_cooldown() {
    let (old, young) = (TestKey::numbered(GCM, 1), TestKey::numbered(GCM, 2));
    let peer = peer_with(&young, REFUSED, &Arc::default());
    let sidecar = towards(&peer, &old).keys_section("refetch_cooldown = \"1h\"").start();
    let mut connection = sidecar.connect();
    for _ in 0..5 {
        assert_own(&connection.exchange(&bodyless("GET", "/", "")), 400, REPORTED);
    }
    assert_eq!(peer.count(), 5);
    // Lines keep their order: the last exchange's comes after whatever was said before it.
    eventually("five exchanges are logged", || sidecar.log().matches("alewife::access").count() == 5);
    assert_eq!(sidecar.log().matches("the keys are read anew").count(), 1, "{}", sidecar.log());
}

#[test]
fn request_is_sent_again_no_more_than_once() {
    let (old, young) = (TestKey::numbered(GCM, 1), TestKey::numbered(GCM, 2));
    let place: Arc<Mutex<Option<std::path::PathBuf>>> = Arc::default();
    let file = Arc::clone(&place);
    let peer = Peer::answering(&young, move |received, stream| {
        // Whatever it gets, it says that it has another.
        let number: u32 =
            received.header("sec-fingerprint").unwrap().rsplit('-').next().unwrap().parse().unwrap();
        if let Some(file) = &*file.lock().unwrap() {
            write_keys(file, &[&TestKey::numbered(GCM, number + 1)]);
        }
        stream.write_all(&reply_of("400 Bad Request", "", REFUSED))
    });
    let sidecar = towards(&peer, &old).keys_section("refetch_cooldown = \"1ms\"").start();
    *place.lock().unwrap() = Some(sidecar.key_file());
    assert_own(&sidecar.connect().exchange(&bodyless("GET", "/", "")), 400, REPORTED);
    assert_eq!(peer.count(), 2);
}

#[test]
fn plain_errors_that_pass_have_the_keys_read_anew_as_well() {
    for setting in ["plain_errors = \"pass\"", "replies = \"plain\""] {
        let (old, young) = (TestKey::numbered(GCM, 1), TestKey::numbered(GCM, 2));
        let file = Arc::new(Mutex::new(None));
        let peer = peer_with(&young, REFUSED, &file);
        let sidecar = towards(&peer, &old).proxy(setting).start();
        let mut connection = sidecar.connect();
        // As long as no other key is there, the peer's own error passes.
        let reply = connection.exchange(&plain("POST", "/", "", b"{}"));
        assert_eq!((reply.status, reply.body.as_slice()), (400, REFUSED));
        eventually("that is said", || sidecar.log().matches("the keys are read anew").count() == 1);
        write_keys(&sidecar.key_file(), &[&young]);
        eventually("the new key seals", || connection.exchange(&bodyless("GET", "/", "")).status == 200);
    }
}

#[test]
fn key_that_has_just_begun_waits_until_the_other_side_has_it() {
    let (old, young) = (TestKey::numbered(GCM, 1), TestKey::numbered(GCM, 2));
    let fresh = jiff::Timestamp::now() - std::time::Duration::from_secs(5);
    let file = format!("{}{}valid_after = {fresh}\n", old.entry(), young.entry());
    for (delay, sealing) in [("seal_delay = \"1h\"", &old), ("seal_delay = \"1s\"", &young)] {
        let peer = Peer::answering(sealing, |_, stream| stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n"));
        let sidecar = towards(&peer, &old).key_file(&file).keys_section(delay).start();
        assert_eq!(sidecar.connect().exchange(&bodyless("GET", "/", "")).status, 204);
        assert_eq!(peer.only().header("sec-fingerprint"), Some(sealing.fingerprint.as_str()), "{delay}");
    }
}

#[test]
fn handshake_is_sealed_anew_as_well() {
    let (old, young) = (TestKey::numbered(GCM, 1), TestKey::numbered(GCM, 2));
    let place: Arc<Mutex<Option<std::path::PathBuf>>> = Arc::default();
    let (file, own) = (Arc::clone(&place), young.clone());
    let peer = Peer::answering(&young, move |received, stream| {
        if received.header("sec-fingerprint") == Some(own.fingerprint.as_str()) {
            // The answer to the key of RFC 6455 §1.3.
            return stream.write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                  sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            );
        }
        write_keys(file.lock().unwrap().as_ref().unwrap(), &[&own]);
        stream.write_all(&reply_of("400 Bad Request", "", REFUSED))
    });
    let sidecar = towards(&peer, &old).start();
    *place.lock().unwrap() = Some(sidecar.key_file());
    let mut connection = sidecar.connect();
    let headers = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    connection.send(&bodyless("GET", "/", headers));
    assert!(connection.read_head().unwrap().starts_with(b"HTTP/1.1 101 "), "{}", sidecar.log());
    assert_eq!((peer.count(), resealed(&sidecar)), (2, 1.0));
}
