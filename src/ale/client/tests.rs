use http::header::{CONTENT_ENCODING, HeaderValue};
use http::{HeaderName, Request};
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::ale::{self, SealedReply};
use crate::crypto::{Algorithm, SecretKey};
use crate::keys::{KeyRing, RingPolicy, Validity};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const IV: HeaderName = HeaderName::from_static("sec-iv");
const FINGERPRINT: HeaderName = HeaderName::from_static("sec-fingerprint");
const CODING: HeaderName = HeaderName::from_static("x-ale-content-encoding");

fn key(algorithm: Algorithm, fingerprint: &str) -> Key {
    let secret = SecretKey::new(algorithm, &[7; 32][..algorithm.key_size.bytes()]).unwrap();
    Key::new(fingerprint.parse().unwrap(), secret, Validity::default())
}

fn head(method: &str) -> Parts {
    let request = Request::builder().method(method).uri("/orders").header(CONTENT_ENCODING, "gzip");
    request.body(()).unwrap().into_parts().0
}

/// Both ends of one exchange, up to the reply's head.
struct Exchange {
    opening: ReplyOpening,
    headers: HeaderMap,
    request: HeaderMap,
    sealer: Option<Sealer>,
}

fn exchange(algorithm: Algorithm, method: &str) -> Exchange {
    let (profile, rng) = (Arc::new(StreamProfile::ale()), &mut StdRng::seed_from_u64(1));
    let ring = KeyRing::new(vec![key(algorithm, "k")], None, RingPolicy::default(), NOW);
    let mut head = head(method);
    let sealing = seal_request(&profile, &mut head, true, &Arc::new(key(algorithm, "k")), NOW, rng);
    let request = head.headers.clone();
    let opened = ale::open_request(&profile, &mut head, &ring.ok().unwrap(), NOW);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    let reply = opened.ok().unwrap().reply;
    let sealer = match reply.seal(&head.method, StatusCode::OK, &mut headers, NOW, rng) {
        SealedReply::Sealed(sealer) => Some(sealer),
        _ => None,
    };
    Exchange { opening: sealing.reply, headers, request, sealer }
}

fn set(exchange: &mut Exchange, name: HeaderName, value: &HeaderValue) {
    exchange.headers.insert(name, value.clone());
}

fn fault(exchange: Exchange) -> ReplyFault {
    let Exchange { opening, mut headers, .. } = exchange;
    opening.open(&Method::POST, StatusCode::OK, &mut headers, NOW).err().expect("a fault")
}

#[test]
fn what_a_client_seals_a_sidecar_opens_in_every_algorithm() {
    let ring_of = |algorithm| {
        let keys = vec![key(algorithm, "k")];
        KeyRing::new(keys, None, RingPolicy::default(), NOW).ok().unwrap()
    };
    for algorithm in Algorithm::ALL {
        let profile = Arc::new(StreamProfile::ale());
        let mut head = head("POST");
        head.headers.insert(IV, HeaderValue::from_static("stale"));
        let sealing =
            seal_request(&profile, &mut head, true, &Arc::new(key(algorithm, "k")), NOW, &mut rand::rng());
        assert_eq!(
            (head.headers.get(CONTENT_ENCODING), &head.headers[CODING]),
            (None, &"gzip".parse().unwrap())
        );
        let (mut sealed, mut sealer) = (BytesMut::new(), sealing.body.unwrap());
        sealer.update(b"two soups", &mut sealed).unwrap();
        sealer.finish(&mut sealed);
        let opened = ale::open_request(&profile, &mut head, &ring_of(algorithm), NOW).ok().unwrap();
        let (mut plain, mut body) = (BytesMut::new(), opened.body);
        body.update(&sealed, &mut plain).unwrap();
        body.finish().ok().unwrap();
        assert_eq!(plain, "two soups");
        assert_eq!(head.headers[CONTENT_ENCODING], "gzip");
    }
}

#[test]
fn request_without_a_body_bears_a_tag_unless_its_method_may_do_without() {
    let algorithm = "AES-128-GCM".parse().unwrap();
    for (method, sealed) in [("GET", false), ("DELETE", false), ("POST", true), ("PUT", true)] {
        let key = Arc::new(key(algorithm, "k"));
        let sealing = seal_request(
            &Arc::new(StreamProfile::ale()),
            &mut head(method),
            false,
            &key,
            NOW,
            &mut rand::rng(),
        );
        assert_eq!(sealing.body.is_some(), sealed, "{method}");
    }
}

#[test]
fn what_a_sidecar_seals_a_client_opens_in_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let Exchange { opening, mut headers, sealer, .. } = exchange(algorithm, "POST");
        let (mut sealed, mut sealer) = (BytesMut::new(), sealer.unwrap());
        sealer.update(b"receipt", &mut sealed).unwrap();
        sealer.finish(&mut sealed);
        let opened = opening.open(&Method::POST, StatusCode::OK, &mut headers, NOW).ok().unwrap();
        let OpenedReply::Sealed(mut body) = opened else { panic!("{algorithm}: not sealed") };
        assert_eq!(body.must_be_held(), algorithm.is_authenticated());
        let mut plain = BytesMut::new();
        body.update(&sealed, &mut plain).unwrap();
        let receipt = body.finish().ok().unwrap();
        assert_eq!(receipt.key.fingerprint.as_str(), "k");
        assert_eq!(receipt.mark.is_some(), algorithm.is_authenticated());
        assert_eq!(plain, "receipt");
        assert_eq!(headers.len(), 1, "{headers:?}");
        assert_eq!(headers[CONTENT_ENCODING], "br");
    }
}

#[test]
fn reply_with_a_wrong_tag_is_refused() {
    let Exchange { opening, mut headers, sealer, .. } = exchange("AES-256-GCM".parse().unwrap(), "POST");
    let mut sealed = BytesMut::new();
    sealer.unwrap().finish(&mut sealed);
    sealed[3] ^= 1;
    let opened = opening.open(&Method::POST, StatusCode::OK, &mut headers, NOW).ok().unwrap();
    let OpenedReply::Sealed(mut body) = opened else { panic!("not sealed") };
    body.update(&sealed, &mut BytesMut::new()).unwrap();
    assert_eq!(body.finish().err(), Some(ReplyFault::NotAuthentic));
}

#[test]
fn reply_whose_headers_are_not_the_exchanges_is_refused() {
    let gcm = "AES-256-GCM".parse().unwrap();
    let altered = |alter: fn(&mut Exchange)| {
        let mut exchange = exchange(gcm, "POST");
        alter(&mut exchange);
        fault(exchange)
    };
    assert_eq!(altered(|it| set(it, IV, &it.request[IV].clone())), ReplyFault::Reflected);
    let other_key = altered(|it| set(it, FINGERPRINT, &HeaderValue::from_static("other")));
    assert_eq!(other_key, ReplyFault::OtherKey);
    let no_iv = altered(|it| drop(it.headers.remove(IV)));
    assert_eq!(no_iv, ReplyFault::Headers(AleReason::MissingIv));
    let no_fingerprint = altered(|it| drop(it.headers.remove(FINGERPRINT)));
    assert_eq!(no_fingerprint, ReplyFault::Headers(AleReason::MissingFingerprint));
    let other_length = altered(|it| set(it, IV, &HeaderValue::from_static("AQAAAAAAAAAAAAAA")));
    assert_eq!(other_length, ReplyFault::Headers(AleReason::BadIv));
    let repeated =
        altered(|it| assert!(it.headers.append(IV, HeaderValue::from_static("AQAAAAAAAAAAAAAAAAAAAA=="))));
    assert_eq!(repeated, ReplyFault::Headers(AleReason::BadIv));
    let two_codings =
        altered(|it| assert!(!it.headers.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"))));
    assert_eq!(two_codings, ReplyFault::Headers(AleReason::ConflictingEncoding));
}

#[test]
fn reply_that_has_no_body_bears_no_envelope() {
    let gcm = "AES-256-GCM".parse().unwrap();
    let bodyless = [(Method::HEAD, 200), (Method::POST, 204), (Method::GET, 304)];
    for (method, status) in bodyless {
        let status = StatusCode::from_u16(status).unwrap();
        let marked = exchange(gcm, "POST");
        let refused = marked.opening.open(&method, status, &mut marked.headers.clone(), NOW);
        assert_eq!(refused.err(), Some(ReplyFault::EnvelopeWithoutBody));
        let mut headers = HeaderMap::new();
        headers.insert(CODING, HeaderValue::from_static("br"));
        let plain = exchange(gcm, "POST").opening.open(&method, status, &mut headers, NOW);
        assert!(matches!(plain, Ok(OpenedReply::Bodyless)));
        assert_eq!((headers.get(CODING), headers[CONTENT_ENCODING].as_bytes()), (None, &b"br"[..]));
    }
    let clear = exchange(gcm, "POST").opening.open(&Method::POST, StatusCode::OK, &mut HeaderMap::new(), NOW);
    assert!(matches!(clear, Ok(OpenedReply::Clear)));
}

#[test]
fn only_an_error_of_the_protocol_may_come_in_clear() {
    let body = br#"{"errorCode":2,"message":"Unable to decrypt payload"}"#;
    let read = |status, body: &[u8]| ClearError::read(StatusCode::from_u16(status).unwrap(), body);
    let error = ClearError { code: 2, message: "Unable to decrypt payload".to_owned() };
    assert_eq!(read(400, body), Ok(error.clone()));
    assert_eq!(read(503, body), Ok(error));
    assert_eq!(read(200, body), Err(ReplyFault::Unsealed));
    for forged in [&b""[..], b"{}", b"<html>", br#"{"errorCode":"2","message":""}"#, br#"{"errorCode":2}"#] {
        assert_eq!(read(400, forged), Err(ReplyFault::Unsealed));
    }
}

/// What a request of `text` under `iv` leaves behind once it has opened.
fn receipt_of(algorithm: Algorithm, iv: &str, text: &[u8]) -> ale::Receipt {
    let ring = KeyRing::new(vec![key(algorithm, "k")], None, RingPolicy::default(), Timestamp::UNIX_EPOCH);
    let mut head = head("POST");
    head.headers.insert(IV, iv.parse().unwrap());
    head.headers.insert(FINGERPRINT, HeaderValue::from_static("k"));
    let opened = ale::open_request(
        &Arc::new(StreamProfile::ale()),
        &mut head,
        &ring.ok().unwrap(),
        Timestamp::UNIX_EPOCH,
    );
    let mut body = opened.ok().unwrap().body;
    assert_eq!(body.unproven().is_some(), !algorithm.is_authenticated());
    let iv = crate::crypto::encoding::iv_from_base64(iv.as_bytes()).unwrap();
    let sealed = crate::crypto::seal(&key(algorithm, "k").secret, iv.as_bytes(), b"", text).unwrap();
    body.update(&sealed, &mut BytesMut::new()).unwrap();
    match body.finish() {
        Ok(ale::Opened::Body(receipt)) => receipt,
        Ok(ale::Opened::Bodyless) => panic!("no body"),
        Err(refusal) => panic!("{refusal}"),
    }
}

#[test]
fn receipt_names_key_and_iv_and_tells_messages_under_one_iv_apart_by_their_tags() {
    for iv in ["AQAAAAAAAAAAAAAA", "AQAAAAAAAAAAAAAAAAAAAA=="] {
        let receipt = |text| receipt_of("AES-256-GCM".parse().unwrap(), iv, text);
        let (soup, again, fish) = (receipt(b"soup"), receipt(b"soup"), receipt(b"fish"));
        assert!(soup.iv == fish.iv && soup.key.fingerprint.as_str() == "k");
        assert!(soup.mark.is_some() && soup.mark == again.mark && soup.mark != fish.mark);
    }
    for algorithm in ["AES-256-CTR", "AES-256-CFB", "AES-256-CFB8"] {
        let receipt = receipt_of(algorithm.parse().unwrap(), "AQAAAAAAAAAAAAAAAAAAAA==", b"soup");
        assert!(receipt.mark.is_none());
    }
}
