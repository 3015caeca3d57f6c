//! The outbound side: a plain client of this host, and a peer that speaks ALE (P7).

use super::*;
use crate::support::{WebSocketOrigin, eventually};

/// A sidecar whose client is plain and whose peer is sealed; the test plays both.
fn outbound(settings: impl FnOnce(SidecarBuilder) -> SidecarBuilder) -> Stage {
    Stage::of(Sidecar::outbound(), "AES-256-GCM", settings)
}

/// A session, with the handshake as the peer got it.
fn open_plain(stage: &Stage, headers: &str) -> (Peer, Peer, String) {
    let mut client = stage.sidecar.connect();
    client.send(handshake(headers).as_bytes());
    let (peer, head) = stage.agree("");
    let answer = client.read_head().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    (Peer { wire: client, masks: true, partial: None }, peer, head)
}

#[test]
fn plain_handshake_reaches_the_peer_with_the_envelope_and_without_a_body() {
    let stage = outbound(|builder| builder);
    let headers = "origin: https://pos.test\r\ncookie: a=1\r\nsec-websocket-protocol: kds.v1\r\nX-Site: 7\r\n\
                   sec-iv: forged\r\nsec-websocket-extensions: permessage-deflate\r\n";
    let mut client = stage.sidecar.connect();
    client.send(handshake_to("/orders?site=7", headers).as_bytes());
    let (_peer, head) = stage.agree("sec-websocket-protocol: kds.v1\r\nset-cookie: b=2\r\nsec-iv: AAAA\r\n");
    assert!(head.starts_with("GET /orders?site=7 HTTP/1.1\r\n"), "{head}");
    for (name, value) in [
        ("origin", "https://pos.test"),
        ("cookie", "a=1"),
        ("sec-websocket-protocol", "kds.v1"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
        ("x-site", "7"),
        ("sec-fingerprint", &stage.key.fingerprint),
    ] {
        assert_eq!(field(&head, name), Some(value), "{head}");
    }
    let iv = encoding::base64_decode(field(&head, "sec-iv").unwrap().as_bytes()).unwrap();
    assert_eq!(iv.len(), 16);
    for name in ["sec-websocket-extensions", "content-length", "transfer-encoding"] {
        assert_eq!(field(&head, name), None, "{head}");
    }
    let answer = String::from_utf8(client.read_head().unwrap()).unwrap();
    assert_eq!(field(&answer, "sec-websocket-accept"), Some(accept_of(KEY).as_str()));
    assert_eq!(field(&answer, "sec-websocket-protocol"), Some("kds.v1"));
    assert_eq!((field(&answer, "set-cookie"), field(&answer, "sec-iv")), (Some("b=2"), None));
}

#[test]
fn messages_are_sealed_towards_the_peer_and_opened_towards_the_client() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let stage = Stage::of(Sidecar::outbound(), algorithm, |builder| builder);
        let (mut client, mut peer, head) = open_plain(&stage, "");
        let handshake_iv = field(&head, "sec-iv").unwrap().to_owned();
        for length in [0, 1, 1000, 70_000] {
            let plain = "é".repeat(length);
            client.text(&plain);
            let Event::Message(Message::Text(envelope)) = peer.next() else { panic!("no text") };
            assert_eq!(open(&stage.key, &envelope), plain.as_bytes());
            assert!(!String::from_utf8(envelope).unwrap().contains(&handshake_iv));
            peer.text(&sealed(&stage.key, plain.as_bytes()));
            client.gets_text(&plain);
            client.send(Frame::new(Opcode::Binary, plain.clone()));
            peer.gets_sealed(&stage.key, &Message::Binary(plain.clone().into()));
            peer.send(Frame::new(Opcode::Binary, sealed(&stage.key, plain.as_bytes())));
            assert_eq!(client.next(), Event::Message(Message::Binary(plain.into())));
        }
    }
}

#[test]
fn closes_pass_and_pings_are_answered_on_each_leg() {
    let stage = outbound(|builder| builder);
    let (mut client, mut peer, _) = open_plain(&stage, "");
    for end in [&mut client, &mut peer] {
        end.send(Frame::new(Opcode::Ping, "there?"));
        assert_eq!(end.next(), Event::Pong(b"there?".to_vec()));
    }
    client.send(Frame::close(3001, "bye"));
    peer.gets_close(Some((3001, "bye")));
    peer.text(&sealed(&stage.key, b"last"));
    peer.send(Frame::close(3002, "ciao"));
    client.gets_text("last");
    client.gets_close(Some((3002, "ciao")));
    client.gets_end();
}

#[test]
fn what_the_peer_sends_that_does_not_open_is_1008_to_it_and_1001_to_the_client() {
    let stage = outbound(|builder| builder);
    let bad = [("plain", 1), (&*sealed(&TestKey::numbered("AES-256-GCM", 5), b"x"), 2)];
    for (message, code) in bad {
        let (mut client, mut peer, _) = open_plain(&stage, "");
        peer.text(message);
        peer.gets_close(Some((1008, &format!("errorCode {code}"))));
        client.gets_close(Some((1001, "")));
    }
    // Its own messages sent back do not open either, nor does the handshake's IV.
    let (mut client, mut peer, _) = open_plain(&stage, "");
    client.text("mine");
    let Event::Message(Message::Text(envelope)) = peer.next() else { panic!("no text") };
    peer.text(std::str::from_utf8(&envelope).unwrap());
    peer.gets_close(Some((1008, "errorCode 2")));
    let (_client, mut peer, head) = open_plain(&stage, "");
    let iv = encoding::base64_decode(field(&head, "sec-iv").unwrap().as_bytes()).unwrap();
    peer.text(&sealed_with(&stage.key, &iv, b"order"));
    peer.gets_close(Some((1008, "errorCode 2")));
}

#[test]
fn error_in_clear_ends_the_session_and_tells_the_client_which() {
    let stage = outbound(|builder| builder);
    let (mut client, mut peer, _) = open_plain(&stage, "");
    peer.text(r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#);
    client.gets_close(Some((1008, "errorCode 2")));
    peer.gets_close(Some((1001, "")));
    assert_eq!(stage.metric("messages_refused_total", "reason=\"peer_error\""), 1.0);
}

#[test]
fn error_in_clear_that_speaks_of_the_key_has_the_keys_read_anew() {
    let stage = outbound(|builder| {
        builder.keys_section("poll_interval = \"1h\"").proxy("[proxy.websocket]\non_bad_message = \"reply\"")
    });
    let (mut client, mut peer, _) = open_plain(&stage, "");
    let asked = || stage.sidecar.log().matches("the keys are read anew").count();
    peer.text(r#"{"errorCode":1,"message":"Incorrect security headers"}"#);
    peer.text(&sealed(&stage.key, b"after 1"));
    client.gets_text("after 1");
    assert_eq!(asked(), 0, "errorCode 1 says nothing of keys");
    for code in [2, 3, 2] {
        peer.text(&format!(r#"{{"errorCode":{code}}}"#));
    }
    eventually("the keys are read anew", || asked() == 1);
    peer.text(&sealed(&stage.key, b"after 2"));
    client.gets_text("after 2");
    assert_eq!(asked(), 1, "once within the cooldown");
}

#[test]
fn error_in_clear_is_dropped_and_not_answered_where_sessions_go_on() {
    let stage = outbound(|builder| builder.proxy("[proxy.websocket]\non_bad_message = \"reply\""));
    let (mut client, mut peer, _) = open_plain(&stage, "");
    peer.text(r#"{"errorCode":2}"#);
    peer.text("no envelope");
    peer.gets_text(r#"{"errorCode":1,"message":"Incorrect security headers"}"#);
    peer.text(&sealed(&stage.key, b"goes on"));
    client.gets_text("goes on");
}

#[test]
fn literal_texts_of_the_peer_cross_in_clear() {
    let stage = outbound(|builder| builder.proxy("[proxy.websocket]\nplaintext_messages = [\"isAlive?\"]"));
    let (mut client, mut peer, _) = open_plain(&stage, "");
    peer.text("isAlive?");
    client.gets_text("isAlive?");
    client.text("isAlive?");
    peer.gets_sealed(&stage.key, &text("isAlive?"));
}

#[test]
fn each_message_is_sealed_with_the_ring_s_key_of_its_time() {
    let stage = outbound(|builder| builder);
    let (mut client, mut peer, _) = open_plain(&stage, "");
    client.text("one");
    peer.gets_sealed(&stage.key, &text("one"));
    let next = TestKey::numbered("AES-256-GCM", 1);
    let before = stage.sidecar.metric("alewife_key_reloads_total{keyset=\"default\"}");
    std::fs::write(stage.sidecar.key_file(), stage.key.entry() + &next.entry()).unwrap();
    eventually("the keys are reloaded", || {
        stage.sidecar.metric("alewife_key_reloads_total{keyset=\"default\"}") > before
    });
    client.text("two");
    peer.gets_sealed(&next, &text("two"));
    peer.text(&sealed(&stage.key, b"under either"));
    client.gets_text("under either");
    client.text("three");
    peer.gets_sealed(&next, &text("three"));
}

#[test]
fn peer_s_refusal_of_the_handshake_is_any_reply() {
    let stage = outbound(|builder| builder);
    let refuse = |reply: &dyn Fn(&str) -> Vec<u8>| {
        let mut client = stage.sidecar.connect();
        client.send(handshake("").as_bytes());
        let (mut peer, head) = stage.take();
        peer.send(&reply(&head));
        client.reply("GET")
    };
    let sealed = refuse(&|_| {
        let iv = stage.key.fresh_iv();
        let body = stage.key.seal_with(&iv, b"no kitchen here");
        let head = format!(
            "HTTP/1.1 404 Not Found\r\n{}content-length: {}\r\n\r\n",
            stage.key.envelope(&iv),
            body.len()
        );
        [head.as_bytes(), &body].concat()
    });
    assert_eq!((sealed.status, sealed.text()), (404, "no kitchen here"));
    assert_eq!((sealed.header("sec-iv"), sealed.header("sec-fingerprint")), (None, None));
    let clear = refuse(&|_| {
        let body = r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#;
        format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    });
    assert_eq!(clear.status, 400);
    assert!(clear.text().starts_with(r#"{"errorCode":111,"#), "{clear:?}");
    let forged = refuse(&|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec());
    assert_eq!(forged.status, 502);
    assert!(forged.text().starts_with(r#"{"errorCode":108,"#), "{forged:?}");
    let no_answer = refuse(&|_| {
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n".to_vec()
    });
    assert_eq!(no_answer.status, 502);
    assert!(no_answer.text().starts_with(r#"{"errorCode":104,"#), "{no_answer:?}");
}

#[test]
fn client_without_a_sealing_key_is_refused_before_the_peer_is_asked() {
    let key = TestKey::new("AES-256-GCM");
    let spent = format!("{}valid_until = 2020-01-01T00:00:00Z\n", key.entry());
    let stage = outbound(|builder| builder.key_file(&spent));
    let reply = stage.sidecar.connect().exchange(handshake("").as_bytes());
    assert_eq!(reply.status, 503);
    assert!(reply.text().starts_with(r#"{"errorCode":106,"#), "{reply:?}");
}

#[test]
fn two_sidecars_carry_what_a_plain_client_and_a_plain_application_say() {
    let key = TestKey::new("AES-256-GCM");
    let application = WebSocketOrigin::echo();
    let inbound = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    let outbound = Sidecar::outbound().keys(&[&key]).upstream(inbound.address()).start();
    let mut wire = outbound.connect();
    wire.send(handshake("").as_bytes());
    assert!(wire.read_head().unwrap().starts_with(b"HTTP/1.1 101 "));
    let mut client = Peer { wire, masks: true, partial: None };
    for length in [0, 1, 1000, 100_000, 4 << 20] {
        let plain = "x".repeat(length);
        client.text(&plain);
        assert!(client.next() == Event::Message(text(&plain)), "{length}");
        client.send(Frame::new(Opcode::Binary, plain.clone()));
        assert!(client.next() == Event::Message(Message::Binary(plain.into())), "{length}");
    }
    client.send(Frame::close(4000, "all said"));
    client.gets_close(Some((4000, "all said")));
    client.gets_end();
}
