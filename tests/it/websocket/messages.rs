//! Messages both ways: kinds, lengths, fragments, and what crosses without an envelope.

use super::*;
use crate::support::eventually;

/// Text of so many bytes that is no ASCII only.
fn long_text(length: usize) -> String {
    let mut text = "é€🍞x".repeat(length / 10 + 1);
    while !text.is_char_boundary(length) {
        text.insert(0, 'x');
    }
    text.truncate(length);
    text
}

#[test]
fn messages_of_every_kind_and_length_pass_both_ways_under_every_mode() {
    for algorithm in ["AES-256-GCM", "AES-128-CTR", "AES-256-CFB", "AES-192-CFB8"] {
        let stage = Stage::set(algorithm);
        let (mut client, mut application) = stage.open();
        let longest = if algorithm == "AES-256-GCM" { 4 << 20 } else { 100_000 };
        for length in [0, 1, 16, 125, 126, 1000, 16_383, 16_384, 65_535, 65_536, longest] {
            let text = long_text(length);
            client.text(&sealed(&stage.key, text.as_bytes()));
            assert!(application.next() == Event::Message(Message::Text(text.clone().into())), "{length}");
            application.text(&text);
            client.gets_sealed(&stage.key, &Message::Text(text.into()));
            let bytes: Vec<u8> = (0..length).map(|index| (index as u8).wrapping_mul(97) | 0x80).collect();
            client.send(Frame::new(Opcode::Binary, sealed(&stage.key, &bytes)));
            assert!(application.next() == Event::Message(Message::Binary(bytes.clone())), "{length}");
            application.send(Frame::new(Opcode::Binary, bytes.clone()));
            client.gets_sealed(&stage.key, &Message::Binary(bytes));
        }
    }
}

#[test]
fn each_message_has_an_iv_of_its_own_that_is_as_long_as_the_handshake_s() {
    let stage = Stage::set("AES-256-GCM");
    let mut client = stage.sidecar.connect();
    client.send(handshake(&stage.key.envelope(&[7; 12])).as_bytes());
    let (mut application, _) = stage.agree("");
    client.read_head().unwrap();
    let mut client = Peer { wire: client, masks: true, partial: None };
    let mut ivs = std::collections::BTreeSet::from([vec![7; 12]]);
    for number in 0..100 {
        application.text(&number.to_string());
        let Event::Message(Message::Text(envelope)) = client.next() else { panic!("no text") };
        let (iv, _, _) = members(&envelope);
        assert_eq!(iv.len(), 12);
        assert!(ivs.insert(iv), "an IV came twice");
        assert_eq!(open(&stage.key, &envelope), number.to_string().as_bytes());
    }
}

#[test]
fn fragments_are_put_together_on_both_legs_with_control_frames_between() {
    let stage = Stage::set("AES-256-GCM");
    let (mut client, mut application) = stage.open();
    let envelope = sealed(&stage.key, "Größe".as_bytes());
    let (first, rest) = envelope.split_at(10);
    let (second, third) = rest.split_at(50);
    client.send(Frame::new(Opcode::Text, first).unfinished());
    client.send(Frame::new(Opcode::Ping, "between"));
    assert_eq!(client.next(), Event::Pong(b"between".to_vec()));
    client.send(Frame::new(Opcode::Continuation, second).unfinished());
    client.send(Frame::new(Opcode::Pong, ""));
    client.send(Frame::new(Opcode::Continuation, third));
    application.gets_text("Größe");
    // A character is cut in two.
    application.send(Frame::new(Opcode::Text, &"Größe".as_bytes()[..3]).unfinished());
    application.send(Frame::new(Opcode::Ping, ""));
    assert_eq!(application.next(), Event::Pong(Vec::new()));
    application.send(Frame::new(Opcode::Continuation, "").unfinished());
    application.send(Frame::new(Opcode::Continuation, &"Größe".as_bytes()[3..]));
    client.gets_sealed(&stage.key, &text("Größe"));
}

#[test]
fn messages_that_come_byte_by_byte_or_all_at_once_stay_in_order() {
    let stage = Stage::set("AES-256-GCM");
    let (mut client, mut application) = stage.open();
    let slow = client.bytes(Frame::new(Opcode::Text, sealed(&stage.key, b"slow")));
    for byte in slow.chunks(1) {
        client.wire.send(byte);
    }
    application.gets_text("slow");
    let burst: Vec<u8> = (0..1000)
        .flat_map(|number: u32| {
            client.bytes(Frame::new(Opcode::Text, sealed(&stage.key, number.to_string().as_bytes())))
        })
        .collect();
    client.wire.send(&burst);
    for number in 0..1000 {
        application.gets_text(&number.to_string());
    }
    let burst: Vec<u8> =
        (0..1000).flat_map(|number: u32| Frame::new(Opcode::Text, number.to_string()).bytes()).collect();
    application.wire.send(&burst);
    for number in 0..1000 {
        client.gets_sealed(&stage.key, &text(&number.to_string()));
    }
}

#[test]
fn what_a_client_sends_with_its_handshake_is_not_lost() {
    let stage = Stage::set("AES-256-GCM");
    let mut client = stage.sidecar.connect();
    let mut bytes = handshake(&stage.key.envelope(&stage.key.fresh_iv())).into_bytes();
    bytes.extend(Frame::new(Opcode::Text, sealed(&stage.key, b"eager")).masked().bytes());
    client.send(&bytes);
    let (mut application, _) = stage.agree("");
    application.gets_text("eager");
    application.text("ok");
    client.read_head().unwrap();
    let mut client = Peer { wire: client, masks: true, partial: None };
    client.gets_sealed(&stage.key, &text("ok"));
}

#[test]
fn what_an_application_sends_with_its_answer_is_not_lost() {
    let stage = Stage::set("AES-256-GCM");
    let mut client = stage.sidecar.connect();
    client.send(handshake(&stage.key.envelope(&stage.key.fresh_iv())).as_bytes());
    let (mut wire, head) = stage.take();
    let accept = accept_of(field(&head, "sec-websocket-key").unwrap());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    wire.send(&[answer.as_bytes(), &Frame::new(Opcode::Text, "eager").bytes()].concat());
    client.read_head().unwrap();
    let mut client = Peer { wire: client, masks: true, partial: None };
    client.gets_sealed(&stage.key, &text("eager"));
}

#[test]
fn sealed_text_that_is_not_utf_8_is_1007_under_gcm_and_passes_as_binary_without_a_tag() {
    let stage = Stage::set("AES-256-GCM");
    let (mut client, mut application) = stage.open();
    client.text(&sealed(&stage.key, b"not \xff UTF-8"));
    client.gets_close(Some((1007, "")));
    application.gets_close(Some((1001, "")));
    assert_eq!(stage.metric("messages_refused_total", "reason=\"not_utf8\""), 1.0);
    for algorithm in ["AES-256-CTR", "AES-128-CFB", "AES-128-CFB8"] {
        let stage = Stage::set(algorithm);
        let (mut client, mut application) = stage.open();
        client.text(&sealed(&stage.key, b"not \xff UTF-8"));
        assert_eq!(application.next(), Event::Message(Message::Binary(b"not \xff UTF-8".to_vec())));
        client.text(&sealed(&stage.key, b"it goes on"));
        application.gets_text("it goes on");
    }
}

#[test]
fn plain_text_that_is_not_utf_8_closes_with_1007() {
    let stage = Stage::set("AES-256-CTR");
    let (mut client, mut application) = stage.open();
    application.send(Frame::new(Opcode::Text, b"\xff"));
    application.gets_close(Some((1007, "")));
    client.gets_close(Some((1001, "")));
}

#[test]
fn literal_texts_cross_in_clear_in_their_direction_only() {
    let stage = Stage::with("AES-256-GCM", |builder| {
        builder.proxy("[proxy.websocket]\nplaintext_messages = [\"isAlive?\", \"ja?\"]")
    });
    let (mut client, mut application) = stage.open();
    application.text("isAlive?");
    client.gets_text("isAlive?");
    application.text("ja?");
    client.gets_text("ja?");
    // Neither a part of it, nor more, nor the same as binary.
    for other in ["isAlive", "isAlive? ", "isalive?"] {
        application.text(other);
        client.gets_sealed(&stage.key, &text(other));
    }
    application.send(Frame::new(Opcode::Binary, "isAlive?"));
    client.gets_sealed(&stage.key, &Message::Binary(b"isAlive?".to_vec()));
    client.text("isAlive?");
    client.gets_close(Some((1008, "errorCode 1")));
    application.gets_close(Some((1001, "")));
}

#[test]
fn literal_texts_to_the_server_cross_in_clear_and_come_sealed_from_it() {
    for direction in ["to_server", "both"] {
        let stage = Stage::with("AES-256-GCM", |builder| {
            builder.proxy(&format!(
                "[proxy.websocket]\nplaintext_messages = [\"isAlive?\"]\nplaintext_direction = \"{direction}\""
            ))
        });
        let (mut client, mut application) = stage.open();
        client.text("isAlive?");
        application.gets_text("isAlive?");
        client.text(&sealed(&stage.key, b"isAlive?"));
        application.gets_text("isAlive?");
        application.text("isAlive?");
        match direction {
            "both" => client.gets_text("isAlive?"),
            _ => client.gets_sealed(&stage.key, &text("isAlive?")),
        }
    }
}

#[test]
fn messages_and_their_bytes_are_counted_by_direction_and_logged_once() {
    let stage = Stage::set("AES-256-GCM");
    let (mut client, mut application) = stage.open();
    client.text(&sealed(&stage.key, b"four"));
    application.gets_text("four");
    assert_eq!((stage.metric("sessions", ""), stage.metric("sessions_opened_total", "")), (1.0, 1.0));
    application.text("ninebytes");
    application.send(Frame::new(Opcode::Binary, ""));
    client.gets_sealed(&stage.key, &text("ninebytes"));
    client.gets_sealed(&stage.key, &Message::Binary(Vec::new()));
    let counted = |name: &str, direction: &str| stage.metric(name, &format!("direction=\"{direction}\""));
    assert_eq!(counted("messages_total", "to_server"), 1.0);
    assert_eq!(counted("message_bytes_total", "to_server"), 4.0);
    assert_eq!(counted("messages_total", "to_client"), 2.0);
    assert_eq!(counted("message_bytes_total", "to_client"), 9.0);
    client.send(Frame::close(1000, "secret word"));
    application.gets_close(Some((1000, "secret word")));
    application.send(Frame::close(1000, ""));
    client.gets_close(Some((1000, "")));
    let line = stage.session_line();
    eventually("the session is no longer open", || stage.metric("sessions", "") == 0.0);
    let expected = [
        ("proxy", "\"kitchen\""),
        ("peer", "\"127.0.0.1\""),
        ("path", "\"/orders\""),
        ("key", "\"fp-AES-256-GCM-0\""),
        ("by", "\"client\""),
        ("code", "1000"),
        ("to_server_messages", "1"),
        ("to_server_bytes", "4"),
        ("to_client_messages", "2"),
        ("to_client_bytes", "9"),
    ];
    for (field, value) in expected {
        assert_eq!(line[field].to_string(), value, "{field} in {line}");
    }
    assert!(line.get("reason").is_none() && line["ms"].as_f64().unwrap() > 0.0, "{line}");
    let log = stage.sidecar.log();
    for secret in ["secret word", "four", "ninebytes"] {
        assert!(!log.contains(secret), "{log}");
    }
}
