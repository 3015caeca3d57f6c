//! WebSockets of clients that are plain still.

use super::{GCM, counted, error_code, migration};
use crate::support::{
    Connection, Event, Frame, Message, Opcode, Sidecar, SidecarBuilder, TestKey, WebSocketOrigin, eventually,
};

fn handshake(headers: &str) -> Vec<u8> {
    format!(
        "GET /feed HTTP/1.1\r\nhost: kitchen.test\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
    .into_bytes()
}

/// A session whose handshake bears these headers, each with its CRLF.
pub(super) fn open(sidecar: &Sidecar, headers: &str) -> Connection {
    let mut connection = sidecar.connect();
    connection.send(&handshake(headers));
    let head = connection.read_head().unwrap();
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    connection
}

fn stage(policy: &str, key: &TestKey, application: &WebSocketOrigin) -> SidecarBuilder {
    Sidecar::inbound().keys(&[key]).upstream(application.address()).proxy(&super::lines(policy))
}

fn says(session: &mut Connection, text: &str) -> Event {
    session.send_frame(&Frame::new(Opcode::Text, text).masked());
    session.read_event(&mut None).unwrap()
}

fn text(text: &str) -> Event {
    Event::Message(Message::Text(text.into()))
}

#[test]
fn plain_handshake_makes_a_plain_session_and_a_sealed_one_a_sealed_session() {
    let (key, application) = (TestKey::new(GCM), WebSocketOrigin::echo());
    let sidecar = stage("permit", &key, &application).start();
    let mut session = open(&sidecar, "");
    assert_eq!(says(&mut session, "alive?"), text("alive?"));
    assert_eq!(says(&mut session, r#"{"iv":"a","message":"b"}"#), text(r#"{"iv":"a","message":"b"}"#));
    let state = migration(&sidecar);
    assert_eq!((&state["plain_under_way"], state["reason"].as_str()), (&1.into(), Some("1 plain under way")));
    assert_eq!(state["safe_to_require"], false);
    session.send_frame(&Frame::close(1000, "").masked());
    eventually("the session is over", || migration(&sidecar)["plain_under_way"] == 0);
    let mut sealed = open(&sidecar, &key.envelope(&key.fresh_iv()));
    let Event::Message(Message::Text(envelope)) = says(&mut sealed, &envelope(&key, "soup")) else {
        panic!("an envelope")
    };
    assert!(String::from_utf8(envelope).unwrap().contains("\"fingerprint\""));
    assert_eq!(counted(&sidecar), [1, 1, 0]);
    for lone in ["sec-iv: a\r\n", "x-ale-fingerprint: a\r\n"] {
        assert_eq!(error_code(&sidecar.connect().exchange(&handshake(lone))), 1, "{lone}");
    }
}

fn envelope(key: &TestKey, plain: &str) -> String {
    use alewife::crypto::encoding::base64_encode;
    let iv = key.fresh_iv();
    let message = base64_encode(&key.seal_with(&iv, plain.as_bytes()));
    format!(r#"{{"iv":"{}","fingerprint":"{}","message":"{message}"}}"#, base64_encode(&iv), key.fingerprint)
}

#[test]
fn envelope_in_a_plain_session_reaches_nobody() {
    let (key, application) = (TestKey::new(GCM), WebSocketOrigin::echo());
    let sidecar = stage("permit", &key, &application).start();
    let mut session = open(&sidecar, "");
    let closed = says(&mut session, &envelope(&key, "soup"));
    assert_eq!(closed, Event::Close([&1008_u16.to_be_bytes()[..], b"errorCode 1"].concat()));
    let reply = "[proxy.websocket]\non_bad_message = \"reply\"\n";
    let sidecar = stage("shadow", &key, &application).proxy(reply).start();
    let mut session = open(&sidecar, "");
    let lone = "{ \"\\u0069v\": 1, \"fingerprint\": [], \"fingerprint\": 2 }";
    assert_eq!(says(&mut session, lone), text(r#"{"errorCode":1,"message":"Incorrect security headers"}"#));
    assert_eq!(says(&mut session, "alive?"), text("alive?"));
}

#[test]
fn page_that_may_not_connect_may_not_do_it_plain() {
    let (key, application) = (TestKey::new(GCM), WebSocketOrigin::echo());
    let sidecar = stage("shadow", &key, &application).proxy("origins = [\"https://pos.test\"]\n").start();
    let evil = handshake("origin: https://evil.test\r\n");
    assert_eq!(error_code(&sidecar.connect().exchange(&evil)), 112);
    let mut session = open(&sidecar, "origin: https://pos.test\r\n");
    assert_eq!(says(&mut session, "alive?"), text("alive?"));
}

#[test]
fn held_profile_has_plain_sessions_under_shadow_only_which_require_would_refuse() {
    let (key, application) = (TestKey::new(GCM), WebSocketOrigin::echo());
    let held = "[profile.held]\nencoding = \"base64\"\n";
    let with = |policy| stage(policy, &key, &application).proxy("profile = \"held\"\n").tables(held).start();
    assert_eq!(error_code(&with("permit").connect().exchange(&handshake(""))), 115);
    let shadow = with("shadow");
    assert_eq!(says(&mut open(&shadow, ""), "alive?"), text("alive?"));
    let would = super::network(&shadow, "127.0.0.0/24")["would_refuse"].clone();
    assert_eq!(would, serde_json::json!([{ "code": 115, "reason": "no_websocket", "count": 1 }]));
    assert_eq!(error_code(&shadow.connect().exchange(&handshake("sec-iv: a\r\n"))), 115);
}
