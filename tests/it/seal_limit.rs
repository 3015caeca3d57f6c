//! What becomes of a key that has sealed as many messages as one may.

use serde_json::json;

use crate::support::{
    Connection, Event, Frame, Message, Opcode, Origin, Peer, Sidecar, SidecarBuilder, TestKey,
    WebSocketOrigin, eventually,
};

const GCM: &str = "AES-256-GCM";
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const THREE_QUARTERS: &str = "a key has sealed three quarters of what it may: rotate";

fn limited(builder: SidecarBuilder, most: u64, on_limit: &str) -> SidecarBuilder {
    builder.keys_section(&format!("seal_limit = {most}\non_seal_limit = \"{on_limit}\""))
}

/// How often the log says so of `key`.
fn said(sidecar: &Sidecar, key: &TestKey, what: &str) -> usize {
    let of_key = format!("\"key\":\"{}\"", key.fingerprint);
    sidecar.log().lines().filter(|line| line.contains(what) && line.contains(&of_key)).count()
}

#[test]
fn outbound_requests_are_refused_once_no_key_may_seal_more() {
    let key = TestKey::new(GCM);
    let peer = Peer::echo(&key);
    let sidecar = limited(Sidecar::outbound(), 4, "refuse").keys(&[&key]).upstream(peer.address()).start();
    let mut client = sidecar.connect();
    assert_eq!(sidecar.admin_page("/readyz").0, 200);
    for _ in 0..4 {
        assert_eq!(client.exchange(GET).status, 200);
    }
    for _ in 0..3 {
        let refused = client.exchange(GET);
        assert_eq!((refused.status, refused.text().contains("\"errorCode\":106")), (503, true));
    }
    assert_eq!(peer.count(), 4);
    let sealed = sidecar.key_status(&key.fingerprint)["sealed"].clone();
    assert_eq!((&sealed["count"], &sealed["limit"]), (&json!(4), &json!(4)));
    let expected = (503, "no key that seals is valid\n".to_owned());
    assert_eq!(sidecar.admin_page("/readyz"), expected);
    let reached = "a key has sealed all that it may and seals nothing new";
    eventually("both marks are told", || said(&sidecar, &key, reached) > 0);
    assert_eq!((said(&sidecar, &key, THREE_QUARTERS), said(&sidecar, &key, reached)), (1, 1));
}

#[test]
fn another_valid_key_takes_over() {
    let (old, young) = (TestKey::numbered(GCM, 1), TestKey::numbered(GCM, 2));
    let origin =
        Origin::answering(|_, stream| std::io::Write::write_all(stream, b"HTTP/1.1 204 No Content\r\n\r\n"));
    let keys = format!("{}valid_after = 2024-01-01T00:00:00Z\n", old.entry())
        + &format!("{}valid_after = 2025-01-01T00:00:00Z\n", young.entry());
    let builder = limited(Sidecar::outbound(), 2, "refuse").key_file(&keys);
    let sidecar = builder.upstream(origin.address()).start();
    let mut client = sidecar.connect();
    for _ in 0..4 {
        assert_eq!(client.exchange(GET).status, 204);
    }
    assert_eq!(client.exchange(GET).status, 503);
    let used: Vec<_> = origin
        .received()
        .iter()
        .map(|request| request.header("sec-fingerprint").unwrap().to_owned())
        .collect();
    let (old, young) = (old.fingerprint, young.fingerprint);
    assert_eq!(used, [young.clone(), young, old.clone(), old]);
}

#[test]
fn key_goes_on_sealing_where_only_a_warning_is_wanted() {
    let key = TestKey::new(GCM);
    let peer = Peer::echo(&key);
    let sidecar = limited(Sidecar::outbound(), 4, "warn").keys(&[&key]).upstream(peer.address()).start();
    let mut client = sidecar.connect();
    for _ in 0..9 {
        assert_eq!(client.exchange(GET).status, 200);
    }
    let reached = "a key has sealed all that it may and goes on: rotate now";
    // Lines keep their order: what was said of the key stands before the last exchange.
    eventually("all is logged", || sidecar.log().matches("alewife::access").count() == 9);
    assert_eq!((said(&sidecar, &key, THREE_QUARTERS), said(&sidecar, &key, reached)), (1, 1));
}

#[test]
fn replies_and_an_answering_session_keep_their_key_whatever_it_has_sealed() {
    let (key, application) = (TestKey::new(GCM), Origin::echo());
    let builder = limited(Sidecar::inbound(), 1, "refuse").keys(&[&key]);
    let sidecar = builder.upstream(application.address()).start();
    let mut client = sidecar.connect();
    for _ in 0..3 {
        let reply = client.exchange(&key.request("POST", "/", "", b"soup"));
        assert_eq!(reply.open(&key).unwrap(), b"soup");
    }

    let application = WebSocketOrigin::echo();
    let near = Sidecar::outbound().keys(&[&key]);
    let far = limited(Sidecar::inbound(), 1, "refuse").keys(&[&key]).upstream(application.address()).start();
    let near = near.upstream(far.address()).start();
    let mut client = session(&near);
    for text in ["one", "two", "three"] {
        client.send_frame(&Frame::new(Opcode::Text, text).masked());
        assert_eq!(client.read_event(&mut None).unwrap(), Event::Message(Message::Text(text.into())));
    }
}

/// A plain client's session.
fn session(sidecar: &Sidecar) -> Connection {
    let mut client = sidecar.connect();
    let handshake = "GET /orders HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.send(handshake.as_bytes());
    assert!(client.read_head().unwrap().starts_with(b"HTTP/1.1 101 "));
    client
}

#[test]
fn leading_session_ends_with_1011_once_no_key_may_seal_more() {
    let (key, application) = (TestKey::new(GCM), WebSocketOrigin::echo());
    let far = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    // The handshake is the first, two messages follow.
    let near = limited(Sidecar::outbound(), 3, "refuse").keys(&[&key]).upstream(far.address()).start();
    let mut client = session(&near);
    for text in ["one", "two"] {
        client.send_frame(&Frame::new(Opcode::Text, text).masked());
        assert_eq!(client.read_event(&mut None).unwrap(), Event::Message(Message::Text(text.into())));
    }
    client.send_frame(&Frame::new(Opcode::Text, "three").masked());
    assert_eq!(client.read_event(&mut None).unwrap(), Event::Close(1011_u16.to_be_bytes().to_vec()));
}
