//! Messages of an exchange whose context is authenticated (P12) open in that exchange, and nowhere else.

use std::sync::Arc;

use bytes::BytesMut;
use http::header::HeaderMap;
use http::request::Parts;
use http::{Request, StatusCode};
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::ale::{self, OpenedReply, OpenedRequest, Refusal, ReplyFault, SealedReply};
use crate::crypto::SecretKey;
use crate::keys::{Key, KeyRing, RingPolicy, Validity};
use crate::metrics::AleReason;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn context(method: &str, target: &str) -> Context {
    Context::of(&head(method, target))
}

fn head(method: &str, target: &str) -> Parts {
    Request::builder().method(method).uri(target).body(()).unwrap().into_parts().0
}

#[test]
fn context_is_five_lines_of_which_each_tells_messages_apart() {
    let orders = context("POST", "http://kitchen/orders?table=4");
    let iv = Iv::from_slice(&[0xab; 12]).unwrap();
    let text = |way| String::from_utf8(orders.aad(way)).unwrap();
    assert_eq!(text(Way::Request), "ale-context-1\nrequest\nPOST\n/orders?table=4\n\n");
    let reply = "ale-context-1\nreply\nPOST\n/orders?table=4\nabababababababababababab\n";
    assert_eq!(text(Way::Reply(Some(&iv))), reply);
    assert!(text(Way::ToServer(&iv)).starts_with("ale-context-1\nto-server\n"));
    assert!(text(Way::ToClient(&iv)).starts_with("ale-context-1\nto-client\n"));
    assert_ne!(context("GET", "/a").aad(Way::Request), context("GET", "/b").aad(Way::Request));
    assert_ne!(context("GET", "/a").aad(Way::Request), context("PUT", "/a").aad(Way::Request));
}

fn profile() -> Arc<StreamProfile> {
    Arc::new(StreamProfile { aad: StreamAad::Context, ..StreamProfile::ale() })
}

fn ring() -> KeyRing {
    let secret = SecretKey::new("AES-256-GCM".parse().unwrap(), &[7; 32]).unwrap();
    let key = Key::new("k".parse().unwrap(), secret, Validity::default());
    KeyRing::new(vec![key], None, RingPolicy::default(), NOW).ok().unwrap()
}

/// A sealed request: its head, its body, and the way into the reply.
fn sealed(method: &str, target: &str) -> (Parts, BytesMut, ale::ReplyOpening) {
    let (ring, mut head, mut body) = (ring(), head(method, target), BytesMut::new());
    let key = ring.key("k").unwrap();
    let sealing = ale::seal_request(&profile(), &mut head, true, key, NOW, &mut rand::rng());
    let mut sealer = sealing.body.unwrap();
    sealer.update(b"soup", &mut body).unwrap();
    sealer.finish(&mut body);
    (head, body, sealing.reply)
}

fn opened(profile: &Arc<StreamProfile>, head: &mut Parts, body: &[u8]) -> Result<ale::ReplySealing, Refusal> {
    let OpenedRequest { body: mut opening, reply } = ale::open_request(profile, head, &ring(), NOW)?;
    opening.update(body, &mut BytesMut::new())?;
    opening.finish().map(|_| reply)
}

#[test]
fn request_opens_at_its_own_method_and_target_alone() {
    let (head, body, _) = sealed("POST", "/orders?table=4");
    let at = |method: &str, target: &str| {
        let mut moved = head.clone();
        (moved.method, moved.uri) = (method.parse().unwrap(), target.parse().unwrap());
        opened(&profile(), &mut moved, &body).map(|_| ()).map_err(|refusal| refusal.reason)
    };
    assert_eq!(at("POST", "/orders?table=4"), Ok(()));
    assert_eq!(at("POST", "http://kitchen/orders?table=4"), Ok(()), "the authority may change on the way");
    for (method, target) in
        [("PUT", "/orders?table=4"), ("POST", "/orders?table=5"), ("POST", "/orders"), ("POST", "/")]
    {
        assert_eq!(at(method, target), Err(AleReason::NotAuthentic), "{method} {target}");
    }
    let without = Arc::new(StreamProfile::ale());
    assert!(opened(&without, &mut head.clone(), &body).is_err());
}

#[test]
fn reply_opens_for_its_own_request_alone_and_no_request_is_a_reply() {
    let (mut head, body, own) = sealed("POST", "/orders");
    let (_, _, other) = sealed("POST", "/orders");
    let reply = opened(&profile(), &mut head, &body).ok().unwrap();
    let (mut headers, mut sealed_reply) = (HeaderMap::new(), BytesMut::new());
    match reply.seal(&Method::POST, StatusCode::OK, &mut headers, NOW, &mut rand::rng()) {
        SealedReply::Sealed(sealer) => sealer.finish(&mut sealed_reply),
        SealedReply::Plain | SealedReply::Bodyless => panic!("it has a body"),
    }
    let open = |opening: ale::ReplyOpening, headers: &HeaderMap, body: &[u8]| {
        let opened = opening.open(&Method::POST, StatusCode::OK, &mut headers.clone(), NOW)?;
        let OpenedReply::Sealed(mut opening) = opened else { panic!("it is sealed") };
        opening.update(body, &mut BytesMut::new())?;
        opening.finish().map(|_| ())
    };
    assert_eq!(open(other, &headers, &sealed_reply), Err(ReplyFault::NotAuthentic));
    assert_eq!(open(own, &headers, &sealed_reply), Ok(()));
    // Another request that was recorded under the key, played back as a reply.
    let (recorded, recorded_body, _) = sealed("POST", "/orders");
    let (_, _, opening) = sealed("POST", "/orders");
    assert_eq!(open(opening, &recorded.headers, &recorded_body), Err(ReplyFault::NotAuthentic));
}

#[test]
fn message_of_a_session_opens_on_the_other_side_of_that_session_alone() {
    let (ring, rng) = (ring(), &mut StdRng::seed_from_u64(7));
    let mut session = || {
        let (mut head, _, reply) = sealed("GET", "/orders");
        let server = ale::open_request(&profile(), &mut head, &ring, NOW).ok().unwrap().reply;
        (reply.into_session(rng), server.into_session(NOW, rng))
    };
    let ((mut client, mut server), (mut other_client, mut other_server)) = (session(), session());
    let message = |from: &mut ale::MessageSession| {
        let mut envelope = BytesMut::new();
        from.sealing(&ring, NOW).ok().unwrap().seal(b"soup", &mut envelope).unwrap();
        envelope
    };
    let opens = |by: &mut ale::MessageSession, envelope: &[u8]| by.open(envelope, &ring, NOW).is_ok();
    let (up, down) = (message(&mut client), message(&mut server));
    assert!(!opens(&mut other_server, &up) && !opens(&mut other_client, &down));
    assert!(!opens(&mut other_client, &up) && !opens(&mut other_server, &down));
    assert!(opens(&mut server, &up) && opens(&mut client, &down));
}
