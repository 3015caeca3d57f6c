//! What a peer answers to requests that were sealed under a profile whose messages are held.

use std::io::Write;

use super::{assert_error, request};
use crate::support::{Origin, Peer, Sidecar, SidecarBuilder, TestKey, reply_of};

const GCM: &str = "AES-256-GCM";

/// As `ale`, but held: the tag is shorter.
const SHORT: &str = "[profile.short]\ntag_length = 12\n";

fn outbound(key: &TestKey, peer: &Origin) -> SidecarBuilder {
    Sidecar::outbound().keys(&[key]).upstream(peer.address()).proxy("profile = \"short\"").tables(SHORT)
}

/// A reply under the key, with a tag as short as the profile has it.
fn sealed(key: &TestKey, status: &str, headers: &str, plain: &[u8]) -> Vec<u8> {
    let iv = key.fresh_iv();
    let body = key.seal_with(&iv, plain);
    reply_of(status, &format!("{headers}{}", key.envelope(&iv)), &body[..body.len() - 4])
}

#[test]
fn error_that_the_peer_did_not_seal_is_replaced_or_passed_as_plain_errors_says() {
    let key = TestKey::new(GCM);
    let clear = b"HTTP/1.1 422 No\r\ncontent-type: text/plain\r\nx-why: soup\r\ncontent-length: 18\r\n\r\n{\"errorCode\":2,\"a\"";
    let peer = Origin::fixed(clear);
    let order = request("POST", "/orders", "", "soup");
    let replacing = outbound(&key, &peer).start();
    let reply = replacing.connect().exchange(&order);
    assert_eq!((reply.status, reply.header("x-why")), (422, None));
    assert!(reply.text().starts_with("{\"errorCode\":111,"), "{reply:?}");
    let passing = outbound(&key, &peer).proxy("plain_errors = \"pass\"").start();
    let mut connection = passing.connect();
    let reply = connection.exchange(&order);
    assert_eq!((reply.status, reply.text()), (422, "{\"errorCode\":2,\"a\""));
    assert_eq!((reply.header("content-type"), reply.header("x-why")), (Some("text/plain"), Some("soup")));
    assert_eq!(connection.exchange(&order).status, 422);
}

#[test]
fn error_that_is_sealed_passes_opened_and_what_is_no_error_must_be_sealed() {
    let key = TestKey::new(GCM);
    let own = key.clone();
    let peer = Origin::answering(move |received, stream| match received.target() {
        "/sealed" => stream.write_all(&sealed(&own, "409 Conflict", "x-why: soup\r\n", b"sold out")),
        "/forged" => stream.write_all(&sealed(&TestKey::numbered(GCM, 7), "200 OK", "", b"sold out")),
        "/forged-error" => {
            stream.write_all(&sealed(&TestKey::numbered(GCM, 7), "409 Conflict", "", b"sold out"))
        }
        "/whole-tag" => stream.write_all(&crate::support::sealed_reply(&own, "200 OK", "", b"sold out")),
        _ => stream.write_all(&reply_of("200 OK", "", b"sold out")),
    });
    for errors in ["replace", "pass"] {
        let sidecar = outbound(&key, &peer).proxy(&format!("plain_errors = \"{errors}\"")).start();
        let mut connection = sidecar.connect();
        let reply = connection.exchange(&request("POST", "/sealed", "", "soup"));
        assert_eq!((reply.status, reply.text(), reply.header("x-why")), (409, "sold out", Some("soup")));
        for target in ["/forged", "/forged-error", "/whole-tag", "/plain"] {
            let reply = connection.exchange(&request("POST", target, "", "soup"));
            assert_error(&reply, 502, 108, "Reply not believed");
        }
    }
}

#[test]
fn event_stream_is_refused_at_its_head() {
    let key = TestKey::new(GCM);
    let own = key.clone();
    // Of its body nothing ever comes.
    let peer = Peer::answering(&key, move |_, stream| {
        let envelope = own.envelope(&own.fresh_iv());
        let head = "HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream\r\ntransfer-encoding: chunked\r\n";
        stream.write_all(format!("{head}{envelope}\r\n").as_bytes())
    });
    let sidecar = outbound(&key, &Origin::at(peer.address())).start();
    let reply = sidecar.connect().exchange(&request("POST", "/events", "", "soup"));
    assert_error(&reply, 502, 109, "Event stream cannot be held");
    let series = "alewife_replies_refused_total{proxy=\"kitchen\",reason=\"event_stream\"}";
    assert_eq!(sidecar.metric(series), 1.0);
}
