use std::time::Duration;

use bytes::BytesMut;
use http::Request;
use http::header::HeaderValue;
use http::request::Parts;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::ale;
use crate::crypto::{Algorithm, SecretKey, encoding};
use crate::keys::{RingPolicy, Validity};
use crate::metrics::AleCode;

const GCM: &str = "AES-256-GCM";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A key valid within `[after, until)`, in seconds; its bytes follow from its name.
fn key(algorithm: &str, name: &str, after: Option<i64>, until: Option<i64>) -> Key {
    let algorithm: Algorithm = algorithm.parse().unwrap();
    let mut bytes = vec![1; algorithm.key_size.bytes()];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    let secret = SecretKey::new(algorithm, &bytes).unwrap();
    let validity = Validity { after: after.map(at), until: until.map(at) };
    Key::new(name.parse().unwrap(), secret, validity)
}

fn ring(keys: Vec<Key>) -> KeyRing {
    KeyRing::new(keys, None, RingPolicy { seal_delay: Duration::ZERO, ..RingPolicy::default() }, at(0))
        .ok()
        .unwrap()
}

/// The first key, which has no window, and others.
fn ring_of_old_and(more: Vec<Key>) -> KeyRing {
    ring([vec![key(GCM, "old", None, None)], more].into_iter().flatten().collect())
}

fn profile() -> Arc<StreamProfile> {
    Arc::new(StreamProfile::ale())
}

fn handshake() -> Parts {
    Request::get("/orders").body(()).unwrap().into_parts().0
}

/// Both ends of a session whose handshake is sealed under the first key of `keys`.
fn session(handshake_key: Key, now: i64) -> (MessageSession, MessageSession) {
    let (mut head, key, rng) = (handshake(), Arc::new(handshake_key), &mut StdRng::seed_from_u64(1));
    let client = ale::seal_request(&profile(), &mut head, false, &key, at(now), rng).reply.into_session(rng);
    let secret = SecretKey::new(key.secret.algorithm(), key.secret.bytes()).unwrap();
    let ring = ring(vec![Key::new(key.fingerprint.clone(), secret, key.validity)]);
    let opened = ale::open_request(&profile(), &mut head, &ring, at(now)).ok().unwrap();
    (client, opened.reply.into_session(at(now), rng))
}

/// The server's end of a session of a client whose IV has 12 bytes.
fn server_of_12_bytes(ring: &KeyRing) -> MessageSession {
    let mut head = handshake();
    head.headers.insert("sec-iv", HeaderValue::from_static("AQAAAAAAAAAAAAAA"));
    head.headers.insert("sec-fingerprint", HeaderValue::from_static("old"));
    let opened = ale::open_request(&profile(), &mut head, ring, at(0)).ok().unwrap();
    opened.reply.into_session(at(0), &mut StdRng::seed_from_u64(1))
}

fn seal(session: &mut MessageSession, text: &str, ring: &KeyRing, now: i64) -> BytesMut {
    let mut out = BytesMut::new();
    session.sealing(ring, at(now)).unwrap().seal(text.as_bytes(), &mut out).unwrap();
    out
}

/// The name of the key that would seal now.
fn sealing_key(session: &mut MessageSession, ring: &KeyRing, now: i64) -> Result<String, NoSealingKey> {
    Ok(session.sealing(ring, at(now))?.key().fingerprint.as_str().to_owned())
}

/// Has a message under `ring`'s sealing key reach `server`.
fn hear(
    server: &mut MessageSession,
    sender: &mut MessageSession,
    sender_ring: &KeyRing,
    ring: &KeyRing,
    now: i64,
) {
    let sealed = seal(sender, "soup", sender_ring, now);
    server.open(&sealed, ring, at(now)).expect("opened");
}

fn iv_of(envelope: &[u8]) -> Iv {
    let read: serde_json::Value = serde_json::from_slice(envelope).unwrap();
    encoding::iv_from_base64(read["iv"].as_str().unwrap().as_bytes()).unwrap()
}

#[test]
fn messages_go_both_ways_in_every_algorithm() {
    for algorithm in Algorithm::ALL.map(|algorithm| algorithm.to_string()) {
        let (mut client, mut server) = session(key(&algorithm, "old", None, None), 0);
        let ring = ring(vec![key(&algorithm, "old", None, None)]);
        for text in ["soup", "", "two soups"] {
            let ordered = seal(&mut client, text, &ring, 0);
            let opened = server.open(&ordered, &ring, at(0)).ok().unwrap();
            assert_eq!(
                (&opened.plaintext[..], opened.is_authenticated()),
                (text.as_bytes(), algorithm.ends_with("GCM"))
            );
            let answered = seal(&mut server, text, &ring, 0);
            assert_eq!(client.open(&answered, &ring, at(0)).ok().unwrap().plaintext, text);
        }
    }
}

#[test]
fn no_two_messages_of_a_session_have_one_iv() {
    let ring = ring_of_old_and(vec![]);
    let (mut client, mut server) = session(key(GCM, "old", None, None), 0);
    let mut ivs = std::collections::HashSet::from([client.handshake_iv]);
    for _ in 0..1000 {
        assert!(ivs.insert(iv_of(&seal(&mut client, "", &ring, 0))));
        assert!(ivs.insert(iv_of(&seal(&mut server, "", &ring, 0))));
    }
}

#[test]
fn a_message_sent_back_is_refused_however_late_and_whatever_was_changed_in_it() {
    let ring = ring_of_old_and(vec![]);
    let (mut client, mut server) = session(key(GCM, "old", None, None), 0);
    let reflected = Err(Refusal { code: AleCode::UnableToDecrypt, reason: AleReason::Reflected });
    let open = |session: &mut MessageSession, sealed: &[u8]| session.open(sealed, &ring, at(0)).map(|_| ());
    let (ordered, answered) = (seal(&mut client, "soup", &ring, 0), seal(&mut server, "done", &ring, 0));
    for _ in 0..1000 {
        seal(&mut client, "more", &ring, 0);
        seal(&mut server, "more", &ring, 0);
    }
    assert_eq!([open(&mut client, &ordered), open(&mut server, &answered)], [reflected; 2]);
    let mut changed = ordered.to_vec();
    let place = changed.len() - 6;
    changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
    assert_eq!(open(&mut client, &changed), reflected);
    assert_eq!([open(&mut server, &ordered), open(&mut client, &answered)], [Ok(()); 2]);
}

#[test]
fn the_iv_of_a_handshake_is_refused_by_who_sealed_it() {
    let ring = ring_of_old_and(vec![]);
    let (mut client, mut server) = session(key(GCM, "old", None, None), 0);
    let mut forged = BytesMut::new();
    let sealing =
        MessageSealing::new(Arc::clone(ring.key("old").unwrap()), client.handshake_iv, Box::default(), at(0));
    sealing.seal(b"soup", &mut forged).unwrap();
    let refused = client.open(&forged, &ring, at(0)).err();
    assert_eq!(refused, Some(Refusal::unable(AleReason::Reflected)));
    // Nothing was sealed under it here, and there is nothing to tell it from another.
    assert_eq!(server.open(&forged, &ring, at(0)).ok().unwrap().plaintext, "soup");
}

#[test]
fn ivs_have_the_length_of_the_handshakes_where_the_key_takes_it() {
    let ring_now = ring_of_old_and(vec![]);
    let mut server = server_of_12_bytes(&ring_now);
    assert_eq!(iv_of(&seal(&mut server, "soup", &ring_now, 0)).as_bytes().len(), 12);
    let blocks = ring(vec![key("AES-128-CTR", "new", None, None)]);
    assert_eq!(iv_of(&seal(&mut server, "soup", &blocks, 0)).as_bytes().len(), 16);
    assert_eq!(iv_of(&seal(&mut server, "soup", &ring_now, 0)).as_bytes().len(), 12);
    let (_, mut of_16) = session(key(GCM, "old", None, None), 0);
    assert_eq!(iv_of(&seal(&mut of_16, "soup", &ring_now, 0)).as_bytes().len(), 16);
}

#[test]
fn server_seals_under_the_handshakes_key_though_the_ring_has_a_younger_one() {
    let ring = ring_of_old_and(vec![key(GCM, "new", Some(0), None)]);
    let (_, mut server) = session(key(GCM, "old", None, None), 0);
    assert_eq!(ring.sealing_key(at(10)).unwrap().fingerprint.as_str(), "new");
    assert_eq!(sealing_key(&mut server, &ring, 10), Ok("old".to_owned()));
}

#[test]
fn server_moves_to_a_younger_key_once_a_message_under_it_has_opened_and_never_back() {
    let ring = ring_of_old_and(vec![key(GCM, "new", Some(0), None)]);
    let only_old = ring_of_old_and(vec![]);
    let (mut client, mut server) = session(key(GCM, "old", None, None), 10);
    hear(&mut server, &mut client, &only_old, &ring, 10);
    assert_eq!(sealing_key(&mut server, &ring, 10), Ok("old".to_owned()));
    let mut forged = seal(&mut client, "soup", &ring, 10).to_vec();
    let place = forged.len() - 6;
    forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
    assert!(server.open(&forged, &ring, at(10)).is_err());
    assert_eq!(
        sealing_key(&mut server, &ring, 10),
        Ok("old".to_owned()),
        "nothing has opened under the new one"
    );
    hear(&mut server, &mut client, &ring, &ring, 10);
    assert_eq!(sealing_key(&mut server, &ring, 10), Ok("new".to_owned()));
    hear(&mut server, &mut client, &only_old, &ring, 10);
    assert_eq!(sealing_key(&mut server, &ring, 10), Ok("new".to_owned()));
}

#[test]
fn server_stays_where_a_message_opens_under_a_key_of_the_same_age() {
    let ring_of_both = ring_of_old_and(vec![key(GCM, "twin", None, None)]);
    let twin = ring(vec![key(GCM, "twin", None, None)]);
    let (mut client, mut server) = session(key(GCM, "old", None, None), 0);
    hear(&mut server, &mut client, &twin, &ring_of_both, 0);
    assert_eq!(sealing_key(&mut server, &ring_of_both, 0), Ok("old".to_owned()));
}

#[test]
fn server_takes_the_rings_key_at_the_end_of_its_own_ones_window_and_then_stays_with_that() {
    let ring_now = ring(vec![key(GCM, "old", None, Some(100)), key(GCM, "new", Some(0), None)]);
    let (_, mut server) = session(key(GCM, "old", None, Some(100)), 0);
    assert_eq!(sealing_key(&mut server, &ring_now, 99), Ok("old".to_owned()));
    assert_eq!(sealing_key(&mut server, &ring_now, 100), Ok("new".to_owned()));
    let younger = ring(vec![
        key(GCM, "old", None, Some(100)),
        key(GCM, "new", Some(0), None),
        key(GCM, "newest", Some(50), None),
    ]);
    assert_eq!(sealing_key(&mut server, &younger, 101), Ok("new".to_owned()));
}

#[test]
fn server_heeds_a_window_that_a_reload_has_cut_short() {
    let (_, mut server) = session(key(GCM, "old", None, None), 0);
    let cut = ring(vec![key(GCM, "old", None, Some(50)), key(GCM, "new", Some(0), None)]);
    assert_eq!(sealing_key(&mut server, &cut, 49), Ok("old".to_owned()));
    assert_eq!(sealing_key(&mut server, &cut, 50), Ok("new".to_owned()));
}

#[test]
fn server_takes_the_rings_key_when_its_own_has_left_the_ring() {
    let (_, mut server) = session(key(GCM, "old", None, None), 0);
    let without = ring(vec![key(GCM, "new", Some(0), None), key(GCM, "newest", Some(10), None)]);
    assert_eq!(sealing_key(&mut server, &without, 5), Ok("new".to_owned()));
    assert_eq!(sealing_key(&mut server, &without, 15), Ok("new".to_owned()));
}

#[test]
fn server_without_any_key_to_seal_with_says_so_and_goes_on_when_there_is_one() {
    let (_, mut server) = session(key(GCM, "old", None, Some(100)), 0);
    let ring_now = ring(vec![key(GCM, "old", None, Some(100)), key(GCM, "new", Some(200), None)]);
    assert_eq!(sealing_key(&mut server, &ring_now, 100), Err(NoSealingKey));
    assert_eq!(sealing_key(&mut server, &ring_now, 200), Ok("new".to_owned()));
}

#[test]
fn server_seals_under_a_key_that_only_the_clients_clock_has_reached() {
    let ring = ring_of_old_and(vec![key(GCM, "new", Some(20), None)]);
    let (mut client, mut server) = session(key(GCM, "old", None, None), 0);
    let sealed = seal(&mut client, "soup", &ring, 20);
    server.open(&sealed, &ring, at(0)).expect("within the grace");
    assert_eq!(sealing_key(&mut server, &ring, 0), Ok("new".to_owned()));
}

#[test]
fn client_leads_with_the_rings_key_of_the_moment() {
    let ring = ring(vec![key(GCM, "old", None, Some(100)), key(GCM, "new", Some(50), Some(150))]);
    let (mut client, _) = session(key(GCM, "old", None, Some(100)), 0);
    let mut at = |now| sealing_key(&mut client, &ring, now);
    assert_eq!(at(49), Ok("old".to_owned()));
    assert_eq!(at(50), Ok("new".to_owned()));
    assert_eq!(at(150), Err(NoSealingKey));
}

#[test]
fn server_never_moves_from_a_key_with_a_tag_to_one_without_where_opening_proves_nothing() {
    let ring = ring_of_old_and(vec![key("AES-256-CTR", "new", Some(0), None)]);
    let only_new = super::tests::ring(vec![key("AES-256-CTR", "new", None, None)]);
    let (mut client, mut server) = session(key(GCM, "old", None, None), 10);
    hear(&mut server, &mut client, &only_new, &ring, 10);
    assert_eq!(sealing_key(&mut server, &ring, 10), Ok("old".to_owned()));
}

#[test]
fn server_opens_under_every_key_of_the_ring_and_moves_to_the_youngest_that_it_heard() {
    let ring_of_three =
        ring_of_old_and(vec![key(GCM, "new", Some(-20), None), key(GCM, "newest", Some(-10), None)]);
    let (mut client, mut server) = session(key(GCM, "old", None, None), 0);
    for (name, expected) in [("newest", "newest"), ("new", "newest"), ("old", "newest")] {
        let only = ring(vec![key(GCM, name, None, None)]);
        hear(&mut server, &mut client, &only, &ring_of_three, 0);
        assert_eq!(sealing_key(&mut server, &ring_of_three, 0), Ok(expected.to_owned()));
    }
}
