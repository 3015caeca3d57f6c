//! Every way of using a key stands on its account.

use std::sync::Arc;

use bytes::BytesMut;
use http::header::HeaderMap;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use jiff::Timestamp;

use super::*;
use crate::crypto::{Algorithm, SecretKey};
use crate::keys::{Key, KeyRing, KeyStore, RingPolicy, Uses, Validity};
use crate::profile::StreamProfile;

const GCM: &str = "AES-256-GCM";
const CTR: &str = "AES-256-CTR";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn ring_of(algorithm: &str, validity: Validity) -> KeyRing {
    let algorithm: Algorithm = algorithm.parse().unwrap();
    let secret = SecretKey::new(algorithm, &[7; 32][..algorithm.key_size.bytes()]).unwrap();
    let key = Key::new("k".parse().unwrap(), secret, validity);
    KeyRing::new(vec![key], None, RingPolicy::default(), at(0)).ok().unwrap()
}

/// One side with the key `k`, which is watched.
struct Side(KeyStore);

impl Side {
    fn of(algorithm: &str) -> Self {
        Self(KeyStore::new(ring_of(algorithm, Validity::default()), at(0)))
    }

    fn ring(&self) -> Arc<KeyRing> {
        self.0.snapshot()
    }

    fn key(&self) -> Arc<Key> {
        Arc::clone(self.ring().key("k").unwrap())
    }

    fn opened(&self) -> Uses {
        self.key().usage().unwrap().opened()
    }

    fn sealed(&self) -> Uses {
        self.key().usage().unwrap().sealed()
    }

    fn seal(&self, method: &str, plain: Option<&[u8]>, now: i64) -> (Parts, Vec<u8>, ReplyOpening) {
        let mut head = Request::builder().method(method).uri("/orders").body(()).unwrap().into_parts().0;
        let (profile, key) = (Arc::new(StreamProfile::ale()), self.key());
        let sealing = seal_request(&profile, &mut head, plain.is_some(), &key, at(now), &mut rand::rng());
        let mut body = BytesMut::new();
        if let Some(mut sealer) = sealing.body {
            sealer.update(plain.unwrap_or_default(), &mut body).unwrap();
            sealer.finish(&mut body);
        }
        (head, body.to_vec(), sealing.reply)
    }

    fn open(&self, head: &mut Parts, body: &[u8], now: i64) -> Result<ReplySealing, Refusal> {
        let OpenedRequest { body: mut opening, reply } =
            open_request(&Arc::new(StreamProfile::ale()), head, &self.ring(), at(now))?;
        opening.update(body, &mut BytesMut::new())?;
        opening.finish()?;
        Ok(reply)
    }
}

/// `count` uses, all at one time.
fn uses(count: u64, second: i64) -> Uses {
    Uses { count, first: Some(at(second)), last: Some(at(second)), ..Uses::default() }
}

/// `failures` without a use, all at one time.
fn failures(failures: u64, second: i64) -> Uses {
    Uses { failures, last_failure: Some(at(second)), ..Uses::default() }
}

#[test]
fn exchange_counts_once_in_each_direction_on_each_side() {
    for algorithm in [GCM, CTR] {
        let (client, server) = (Side::of(algorithm), Side::of(algorithm));
        let (mut head, body, opening) = client.seal("POST", Some(b"soup"), 10);
        assert_eq!((client.sealed(), client.opened()), (uses(1, 10), Uses::default()));
        let reply = server.open(&mut head, &body, 20).unwrap();
        assert_eq!((server.opened(), server.sealed()), (uses(1, 20), Uses::default()));

        let (mut headers, mut sealed) = (HeaderMap::new(), BytesMut::new());
        match reply.seal(&Method::POST, StatusCode::OK, &mut headers, at(30), &mut rand::rng()) {
            SealedReply::Sealed(sealer) => sealer.finish(&mut sealed),
            SealedReply::Plain | SealedReply::Bodyless => panic!("it has a body"),
        }
        assert_eq!(server.sealed(), uses(1, 30));
        let opened = opening.open(&Method::POST, StatusCode::OK, &mut headers, at(40)).ok().unwrap();
        let OpenedReply::Sealed(mut opening) = opened else { panic!("it is sealed") };
        opening.update(&sealed, &mut BytesMut::new()).unwrap();
        let before_its_end = if algorithm == GCM { Uses::default() } else { uses(1, 40) };
        assert_eq!(client.opened(), before_its_end, "{algorithm}");
        assert!(opening.finish().is_ok());
        assert_eq!(client.opened(), uses(1, 40));
    }
}

#[test]
fn bodyless_request_is_a_use_and_a_bodyless_reply_is_none() {
    let (client, server) = (Side::of(GCM), Side::of(GCM));
    let (mut head, body, _) = client.seal("GET", None, 10);
    let reply = server.open(&mut head, &body, 20).unwrap();
    assert_eq!((client.sealed(), server.opened()), (uses(1, 10), uses(1, 20)));
    let _ = reply.seal(&Method::GET, StatusCode::NO_CONTENT, &mut HeaderMap::new(), at(30), &mut rand::rng());
    assert_eq!(server.sealed(), Uses::default());
}

#[test]
fn forged_request_is_a_failure_and_no_use() {
    let (client, server) = (Side::of(GCM), Side::of(GCM));
    let (mut head, mut body, _) = client.seal("POST", Some(b"soup"), 10);
    body[0] ^= 1;
    assert!(server.open(&mut head, &body, 20).is_err());
    assert_eq!(server.opened(), failures(1, 20));
}

#[test]
fn forged_reply_is_a_failure_and_no_use() {
    let client = Side::of(GCM);
    let (mut headers, opening) = (HeaderMap::new(), client.seal("GET", None, 10).2);
    headers.insert("sec-iv", "AQAAAAAAAAAAAAAAAAAAAA==".parse().unwrap());
    headers.insert("sec-fingerprint", "k".parse().unwrap());
    let opened = opening.open(&Method::GET, StatusCode::OK, &mut headers, at(40)).ok().unwrap();
    let OpenedReply::Sealed(mut opening) = opened else { panic!("it is sealed") };
    opening.update(&[0; 20], &mut BytesMut::new()).unwrap();
    assert_eq!(opening.finish().err(), Some(ReplyFault::NotAuthentic));
    assert_eq!(client.opened(), failures(1, 40));
}

#[test]
fn key_outside_its_window_fails_visibly_and_an_unknown_one_touches_no_account() {
    let client = Side::of(GCM);
    let (head, body, _) = client.seal("POST", Some(b"soup"), 10);
    let over = Validity { after: None, until: Some(at(100)) };
    let to_come = Validity { after: Some(at(10_000)), until: None };
    for validity in [over, to_come] {
        let server = Side(KeyStore::new(ring_of(GCM, validity), at(0)));
        assert!(server.open(&mut head.clone(), &body, 1_000).is_err());
        assert_eq!(server.opened(), failures(1, 1_000));
        let mut stranger = head.clone();
        stranger.headers.insert("sec-fingerprint", "other".parse().unwrap());
        assert!(server.open(&mut stranger, &body, 1_001).is_err());
        assert_eq!(server.opened(), failures(1, 1_000));
    }
}

#[test]
fn message_without_a_tag_is_a_use_from_its_head_on() {
    let (client, server) = (Side::of(CTR), Side::of(CTR));
    let (mut head, _, _) = client.seal("POST", Some(b"soup"), 10);
    let opened =
        open_request(&Arc::new(StreamProfile::ale()), &mut head, &server.ring(), at(20)).ok().unwrap();
    // The application answers without having read it.
    drop(opened.body);
    assert_eq!(server.opened(), uses(1, 20));
    let _ = opened.reply.into_session(at(30), &mut rand::rng());
    assert_eq!(server.opened(), uses(1, 20), "a handshake counts once");
}

#[test]
fn session_counts_its_handshake_and_each_message() {
    let (client, server) = (Side::of(GCM), Side::of(GCM));
    let (mut head, _, opening) = client.seal("GET", None, 10);
    let OpenedRequest { reply, .. } =
        open_request(&Arc::new(StreamProfile::ale()), &mut head, &server.ring(), at(20)).ok().unwrap();
    assert_eq!(server.opened(), Uses::default());
    let mut there = reply.into_session(at(20), &mut rand::rng());
    let mut here = opening.into_session(&mut rand::rng());
    assert_eq!((client.sealed(), server.opened()), (uses(1, 10), uses(1, 20)));

    let mut envelope = BytesMut::new();
    let sealing = here.sealing(&client.ring(), at(30)).unwrap();
    assert_eq!(client.sealed().count, 1, "nothing is sealed yet");
    sealing.seal(b"soup", &mut envelope).unwrap();
    assert_eq!((client.sealed().count, client.sealed().last), (2, Some(at(30))));
    assert!(there.open(&envelope, &server.ring(), at(40)).is_ok());
    assert_eq!((server.opened().count, server.opened().last), (2, Some(at(40))));

    let forged =
        String::from_utf8(envelope.to_vec()).unwrap().replace("\"message\":\"", "\"message\":\"AAAA");
    assert!(there.open(forged.as_bytes(), &server.ring(), at(50)).is_err());
    let opened = server.opened();
    assert_eq!((opened.count, opened.failures, opened.last), (2, 1, Some(at(40))));
    assert_eq!(opened.last_failure, Some(at(50)));
}
