//! Sessions of pings, which the sidecar holds by itself.

use alewife::proxy::PING_PATH;

use super::{KEY, Peer, Stage, handshake_to, sealed, text};
use crate::support::{Event, Frame, Message, Opcode, TestKey, accept_of, field};

/// The application of the stage must not hear of it, so nobody plays it here.
fn open(stage: &Stage, key: &TestKey) -> (Peer, String) {
    let mut wire = stage.sidecar.connect();
    wire.send(handshake_to(PING_PATH, &key.envelope(&key.fresh_iv())).as_bytes());
    let head: String = wire.read_head().unwrap().into_iter().map(char::from).collect();
    (Peer { wire, masks: true, partial: None }, head)
}

fn agreed(stage: &Stage) -> Peer {
    let (peer, head) = open(stage, &stage.key);
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert_eq!(field(&head, "sec-websocket-accept"), Some(&*accept_of(KEY)));
    peer
}

fn assert_application_is_alone(stage: &Stage) {
    stage.application.set_nonblocking(true).unwrap();
    let asked = stage.application.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(asked, Err(std::io::ErrorKind::WouldBlock));
}

#[test]
fn messages_come_back_sealed_as_what_they_were() {
    for algorithm in ["AES-256-GCM", "AES-128-CTR"] {
        let stage = Stage::set(algorithm);
        let mut client = agreed(&stage);
        for message in [text("soup"), Message::Binary(vec![0xff, 0]), text("")] {
            let (opcode, plain) = match &message {
                Message::Text(plain) => (Opcode::Text, plain),
                Message::Binary(plain) => (Opcode::Binary, plain),
            };
            client.send(Frame::new(opcode, sealed(&stage.key, plain)));
            client.gets_sealed(&stage.key, &message);
        }
        client.send(Frame::new(Opcode::Ping, "?"));
        assert_eq!(client.next(), Event::Pong(b"?".to_vec()));
        client.send(Frame::close(1000, "done"));
        client.gets_close(Some((1000, "done")));
        client.gets_end();
        assert_application_is_alone(&stage);
    }
}

/// Whoever knows no key could otherwise change bits of a recorded message and learn from the kind of what comes back
/// whether the plaintext is still UTF-8, until it is known.
#[test]
fn text_without_a_tag_comes_back_as_a_text_whatever_it_opens_to() {
    for algorithm in ["AES-128-CTR", "AES-256-CFB"] {
        let stage = Stage::set(algorithm);
        let mut client = agreed(&stage);
        for plain in [&b"soup"[..], b"so\xf5p", b"\xff", b"", b"soup"] {
            client.send(Frame::new(Opcode::Text, sealed(&stage.key, plain)));
            client.gets_sealed(&stage.key, &Message::Text(plain.to_vec()));
            client.send(Frame::new(Opcode::Binary, sealed(&stage.key, plain)));
            client.gets_sealed(&stage.key, &Message::Binary(plain.to_vec()));
        }
    }
}

#[test]
fn text_that_may_cross_in_clear_is_sealed_like_any_other_when_it_comes_back() {
    let stage = Stage::with("AES-128-CTR", |builder| {
        builder
            .proxy("[proxy.websocket]\nplaintext_messages = [\"isAlive?\"]\nplaintext_direction = \"both\"")
    });
    let mut client = agreed(&stage);
    client.text(&sealed(&stage.key, b"isAlive?"));
    client.gets_sealed(&stage.key, &text("isAlive?"));
    client.text("isAlive?");
    client.gets_close(Some((1008, "errorCode 1")));
}

#[test]
fn what_is_not_sealed_is_refused_as_in_any_session() {
    let stage = Stage::set("AES-256-GCM");
    let mut client = agreed(&stage);
    client.text("soup");
    client.gets_close(Some((1008, "errorCode 1")));
    client.gets_end();
    let (_, head) = open(&stage, &TestKey::numbered("AES-256-GCM", 1));
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
    assert_application_is_alone(&stage);
}

#[test]
fn too_long_a_message_ends_the_session() {
    let stage = Stage::set("AES-256-GCM");
    let mut client = agreed(&stage);
    let longest = vec![b'x'; 16 * 1024];
    client.send(Frame::new(Opcode::Text, sealed(&stage.key, &longest)));
    client.gets_sealed(&stage.key, &Message::Text(longest));
    client.send(Frame::new(Opcode::Text, sealed(&stage.key, &[b'x'; 32 * 1024])));
    client.gets_close(Some((1009, "")));
}

#[test]
fn stop_ends_a_session_of_pings_as_any_other() {
    let mut stage = Stage::set("AES-256-GCM");
    let mut client = agreed(&stage);
    stage.sidecar.signal("TERM");
    client.gets_close(Some((1001, "")));
    client.send(Frame::close(1001, ""));
    client.gets_end();
    assert!(stage.sidecar.wait().success());
}

#[test]
fn where_pings_are_not_answered_the_handshake_is_the_applications() {
    let stage = Stage::with("AES-256-GCM", |builder| builder.proxy("answer_ping = false"));
    let mut client = stage.sidecar.connect();
    let envelope = stage.key.envelope(&stage.key.fresh_iv());
    client.send(handshake_to(PING_PATH, &envelope).as_bytes());
    let (_application, head) = stage.agree("");
    assert!(head.starts_with(&format!("GET {PING_PATH} HTTP/1.1\r\n")), "{head}");
}
