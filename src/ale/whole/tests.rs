//! What a profile seals it opens again, and nothing else.

mod callbacks;
mod properties;

use http::Request;

use super::*;
use crate::ale::Refusal;
use crate::crypto::{Algorithm, SecretKey};
use crate::keys::{KeyRing, KeyStore, RingPolicy, Validity};
use crate::profile::{Draft, Preset, Profile};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Keys of these names, algorithms and bytes, all valid, the last of which seals.
fn ring(keys: &[(&str, &str, &[u8])]) -> KeyRing {
    let keys = keys.iter().enumerate().map(|(index, (name, algorithm, bytes))| {
        let algorithm: Algorithm = algorithm.parse().unwrap();
        let secret = SecretKey::new(algorithm, bytes).unwrap();
        let validity = Validity { after: Some(at(index as i64)), until: None };
        Key::new(name.parse().unwrap(), secret, validity)
    });
    KeyRing::new(keys.collect(), None, RingPolicy::default(), at(0)).ok().unwrap()
}

fn whole(draft: Draft) -> Arc<WholeProfile> {
    match draft.build("test").unwrap() {
        Profile::Whole(whole) => whole,
        Profile::Stream(_) => panic!("it streams"),
    }
}

fn preset(name: &str) -> Draft {
    Preset::named(name).unwrap().draft()
}

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

const NOW: i64 = 10_000;

/// The plaintext of a request, if it opens.
fn opened(
    profile: &Arc<WholeProfile>,
    ring: &KeyRing,
    head: &mut Parts,
    body: &[u8],
) -> Result<String, AleReason> {
    let opened = open_whole(profile, head, body, ring, at(NOW)).map_err(|fault| fault.refusal.reason)?;
    Ok(String::from_utf8(opened.body.to_vec()).unwrap())
}

const PAYON_KEY: &[u8] = &[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15,
];
const PAYON_BODY: &[u8] = b"0A3471C72D9BE49A8520F79C66BBD9A12FF9";
const PAYON_HEADERS: &[(&str, &str)] = &[
    ("content-type", "text/plain"),
    ("x-initialization-vector", "000000000000000000000000"),
    ("x-authentication-tag", "CE573FB7A41AB78E743180DC83FF09BD"),
];

#[test]
fn published_example_of_payon_opens_and_no_header_of_it_is_left() {
    let ring = ring(&[("k", "AES-256-GCM", PAYON_KEY)]);
    let mut head = head("POST", "/notify", PAYON_HEADERS);
    assert_eq!(
        opened(&whole(preset("payon")), &ring, &mut head, PAYON_BODY),
        Ok(r#"{"type":"PAYMENT"}"#.to_owned())
    );
    let left: Vec<_> =
        head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(left, [("content-type", "application/json")]);
}

#[test]
fn published_example_of_payon_with_anything_changed_is_refused_and_left_as_it_was() {
    let ring = ring(&[("k", "AES-256-GCM", PAYON_KEY)]);
    let profile = whole(preset("payon"));
    let cases: [(usize, Option<&str>, AleReason); 6] = [
        (1, None, AleReason::MissingIv),
        (2, None, AleReason::MissingTag),
        (1, Some("0000000000000000000000"), AleReason::BadIv),
        (1, Some("000000000000000000000001"), AleReason::NotAuthentic),
        (2, Some("CE573FB7A41AB78E743180DC83FF09BC"), AleReason::NotAuthentic),
        (2, Some("CE573FB7A41AB78E743180DC"), AleReason::NotAuthentic),
    ];
    for (place, value, reason) in cases {
        let mut headers: Vec<_> = PAYON_HEADERS.to_vec();
        match value {
            Some(value) => headers[place].1 = value,
            None => drop(headers.remove(place)),
        }
        let mut changed = head("POST", "/notify", &headers);
        let before = changed.headers.clone();
        assert_eq!(opened(&profile, &ring, &mut changed, PAYON_BODY), Err(reason), "{place} {value:?}");
        assert_eq!(changed.headers, before);
    }
    for length in 0..PAYON_BODY.len() {
        let mut head = head("POST", "/notify", PAYON_HEADERS);
        assert!(opened(&profile, &ring, &mut head, &PAYON_BODY[..length]).is_err());
    }
}

#[test]
fn message_that_names_no_key_opens_under_any_valid_one_where_a_tag_tells() {
    let other: &[u8] = &[9; 32];
    let keys = ring(&[("old", "AES-256-GCM", PAYON_KEY), ("new", "AES-256-GCM", other)]);
    let profile = whole(preset("payon"));
    let open = |ring: &KeyRing| opened(&profile, ring, &mut head("POST", "/", PAYON_HEADERS), PAYON_BODY);
    assert!(open(&keys).is_ok());
    assert_eq!(open(&ring(&[("new", "AES-256-GCM", other)])), Err(AleReason::NotAuthentic));
    assert_eq!(open(&ring(&[("short", "AES-128-GCM", &other[..16])])), Err(AleReason::UnknownFingerprint));
}

#[test]
fn wechatpay_resource_becomes_the_body_and_its_associated_data_counts() {
    let ring = ring(&[("apiv3", "AES-256-GCM", b"0123456789abcdef0123456789ABCDEF")]);
    let profile = whole(preset("wechatpay-v3"));
    let plain = r#"{"out_trade_no":"1"}"#;
    let sealed = crate::crypto::seal(
        &ring.key("apiv3").unwrap().secret,
        b"fdasflkja484",
        b"transaction",
        plain.as_bytes(),
    );
    let text = crate::crypto::encoding::base64_encode(&sealed.unwrap());
    let document = |aad: &str| {
        format!(
            r#"{{"id":"EV-1","resource":{{"algorithm":"AEAD_AES_256_GCM","ciphertext":"{text}","nonce":"fdasflkja484","associated_data":"{aad}"}}}}"#
        )
    };
    let mut request = head("POST", "/notify", &[("content-type", "application/json")]);
    assert_eq!(
        opened(&profile, &ring, &mut request, document("transaction").as_bytes()),
        Ok(plain.to_owned())
    );
    assert_eq!(
        opened(&profile, &ring, &mut request, document("refund").as_bytes()),
        Err(AleReason::NotAuthentic)
    );
    for (body, reason) in [
        ("{}", AleReason::MissingIv),
        (r#"{"resource":{"nonce":"fdasflkja484"}}"#, AleReason::MissingMessage),
        ("[", AleReason::BadEnvelope),
        (r#"{"resource":{"ciphertext":"AAAA"}}"#, AleReason::MissingIv),
        (r#"{"resource":{"ciphertext":1,"nonce":"fdasflkja484"}}"#, AleReason::BadEnvelope),
        (
            r#"{"resource":{"ciphertext":"AAAA","nonce":"fdasflkja484","nonce":"fdasflkja484"}}"#,
            AleReason::BadIv,
        ),
    ] {
        assert_eq!(opened(&profile, &ring, &mut request, body.as_bytes()), Err(reason), "{body}");
    }
}

#[test]
fn reply_is_sealed_under_the_key_of_its_request_and_opens_for_its_sender_alone() {
    let draft = Draft { seal_replies: true, bodyless_methods: vec![Method::GET], ..preset("payon") };
    let profile = whole(Draft { aad: Aad::Context, ..draft });
    let ring = ring(&[("k", "AES-256-GCM", PAYON_KEY)]);
    let (key, mut rng) = (ring.key("k").unwrap(), rand::rng());
    let mut request = head("POST", "/orders?table=4", &[]);
    let sealed = seal_whole(&profile, &mut request, b"soup", key, at(NOW), &mut rng).unwrap();
    let mut moved = Parts::clone(&request);
    moved.uri = "/orders?table=5".parse().unwrap();
    assert_eq!(opened(&profile, &ring, &mut moved, &sealed.body), Err(AleReason::NotAuthentic));
    let answer = open_whole(&profile, &mut request, &sealed.body, &ring, at(NOW)).ok().unwrap();
    assert_eq!(&**answer.body, b"soup");
    assert!(answer.receipt.is_some() && answer.reply.seals());

    let mut headers = HeaderMap::new();
    let reply = answer.reply.seal(&Method::POST, StatusCode::OK, &mut headers, b"hot", at(NOW), &mut rng);
    let reply = Bytes::from(reply.unwrap().unwrap());
    let another =
        seal_whole(&profile, &mut head("POST", "/orders?table=4", &[]), b"", key, at(NOW), &mut rng);
    let open = |opening: WholeReplyOpening, body: &Bytes| {
        let opened = opening.open(&Method::POST, StatusCode::OK, &mut headers.clone(), body, at(NOW));
        opened.map(|opened| opened.unwrap().body.to_vec())
    };
    assert_eq!(open(another.unwrap().reply, &reply).err(), Some(ReplyFault::NotAuthentic));
    assert_eq!(open(sealed.reply, &reply).unwrap(), b"hot");
}

#[test]
fn request_without_a_body_names_its_key_where_messages_do() {
    let place = "header:x-key".parse().unwrap();
    let profile = whole(Draft {
        fingerprint: crate::profile::KeyNaming::At(place),
        bodyless_methods: vec![Method::GET],
        ..preset("payon")
    });
    let ring = ring(&[("k", "AES-256-GCM", PAYON_KEY)]);
    let mut request = head("GET", "/menu", &[]);
    let key = ring.key("k").unwrap();
    let sealed = seal_whole(&profile, &mut request, b"", key, at(NOW), &mut rand::rng()).unwrap();
    assert!(sealed.body.is_empty() && request.headers.len() == 1);
    assert_eq!(opened(&profile, &ring, &mut request, b""), Ok(String::new()));
    assert!(request.headers.is_empty());
    assert_eq!(
        opened(&profile, &ring, &mut head("GET", "/menu", &[]), b""),
        Err(AleReason::MissingFingerprint)
    );
    let mut stranger = head("GET", "/menu", &[("x-key", "other")]);
    let fault = open_whole(&profile, &mut stranger, b"", &ring, at(NOW)).err().unwrap();
    assert!(fault.refusal.is_of_unknown_key());
    assert_eq!(
        opened(&profile, &ring, &mut head("POST", "/", &[("x-key", "k")]), b""),
        Err(AleReason::MissingIv)
    );
}

#[test]
fn uses_stand_on_the_account_of_the_key_that_opened_or_did_not() {
    let store = KeyStore::new(ring(&[("k", "AES-256-GCM", PAYON_KEY)]), at(0));
    let profile = whole(preset("payon"));
    let count = || store.snapshot().key("k").unwrap().usage().unwrap().opened();
    let mut head = head("POST", "/", PAYON_HEADERS);
    assert!(opened(&profile, &store.snapshot(), &mut head.clone(), b"00").is_err());
    assert_eq!((count().count, count().failures), (0, 1));
    assert!(opened(&profile, &store.snapshot(), &mut head, PAYON_BODY).is_ok());
    assert_eq!((count().count, count().failures), (1, 1));
}

#[test]
fn place_of_a_fault_is_told_shortly_and_nothing_of_a_value() {
    let long = "x".repeat(500);
    let fault = WholeFault::unable(AleReason::EmptyValue, format!("query:\n{long}"));
    let text = fault.to_string();
    assert!(text.starts_with(r"errorCode 2: empty_value at query:\nxxx") && text.len() < 140, "{text}");
    assert_eq!(WholeFault::from(Refusal::replayed()).to_string(), "errorCode 2: replayed");
}
