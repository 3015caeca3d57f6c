//! `alewife send ws://…`: lines out, messages in.

mod endings;
mod server;

use std::io::Write;

use alewife::websocket::{Close, Event, Kind};

use self::server::{Peer, Server};
use super::{Ended, KeyFile, alewife, assert_no_secret, first_bytes, run};
use crate::support::TestKey;

fn gcm() -> TestKey {
    TestKey::new("AES-256-GCM")
}

fn url(server: &Server) -> String {
    format!("ws://{}/orders?a=b", server.address)
}

/// Plays `scene` to a client that is given `args` and these lines.
fn played(key: &TestKey, args: &[&str], lines: &[u8], scene: impl FnOnce(Peer) + Send + 'static) -> Ended {
    let (file, server) = (KeyFile::of(&[key]), Server::of(key, scene));
    let ended = run([&["send", "--keys", &file.path()], args, &[&url(&server)]].concat(), lines);
    server.end();
    ended
}

/// Says something to a client without lines, then waits for its Close and answers it.
fn told(key: &TestKey, args: &[&str], scene: impl FnOnce(&mut Peer) + Send + 'static) -> Ended {
    played(key, args, b"", |peer| {
        let mut peer = peer.upgrade("");
        scene(&mut peer);
        peer.expect_close(1000);
        peer.close(Close::new(1000, ""));
    })
}

/// Plays `scene` to a client whose input stays open: the server must end it.
fn kept_open(key: &TestKey, scene: impl FnOnce(&mut Peer) + Send + 'static) -> Ended {
    let file = KeyFile::of(&[key]);
    let server = Server::of(key, |peer| {
        let mut peer = peer.upgrade("");
        scene(&mut peer);
        assert_eq!(peer.event(), None);
    });
    let mut child = alewife(["send", "--keys", &file.path(), &url(&server)]).spawn().unwrap();
    let stdin = child.stdin.take();
    let ended = Ended::of(child);
    drop(stdin);
    server.end();
    ended
}

fn assert_ended(ended: &Ended, status: i32, stdout: &[u8], stderr: &str) {
    assert_eq!(
        ended.stdout.escape_ascii().to_string(),
        stdout.escape_ascii().to_string(),
        "{}",
        ended.stderr
    );
    assert_eq!((ended.status, ended.stderr.as_str()), (status, stderr));
}

#[test]
fn lines_go_out_sealed_and_messages_come_in_opened_in_every_mode() {
    for algorithm in ["AES-256-GCM", "AES-192-CFB", "AES-128-CFB8", "AES-256-CTR"] {
        let ended = played(&TestKey::new(algorithm), &[], "two soups\r\n\nRagoût".as_bytes(), |peer| {
            let mut peer = peer.upgrade("");
            for line in ["two soups", "", "Ragoût"] {
                assert_eq!(peer.hear().as_deref(), Some(line));
                peer.say(&format!("<{line}>"));
            }
            assert_eq!(peer.hear(), None);
            peer.say("last");
            peer.close(Close::new(1000, ""));
            assert_eq!(peer.event(), None);
        });
        assert_ended(&ended, 0, "<two soups>\n<>\n<Ragoût>\nlast\n".as_bytes(), "");
    }
}

#[test]
fn handshake_is_sealed_and_bears_what_is_given() {
    let args =
        ["-H", "sec-websocket-protocol: orders.v1", "-H", "authorization: Bearer x", "-H", "user-agent:"];
    let key = gcm();
    let fingerprint = key.fingerprint.clone();
    let ended = played(&key, &args, b"", move |peer| {
        assert!(peer.head.starts_with("GET /orders?a=b HTTP/1.1\r\n"), "{}", peer.head);
        assert_eq!(peer.header("sec-fingerprint"), fingerprint);
        assert_eq!(peer.header("sec-iv").len(), 24);
        assert_eq!((peer.header("connection"), peer.header("upgrade")), ("Upgrade", "websocket"));
        assert_eq!(peer.header("sec-websocket-version"), "13");
        assert_eq!(peer.header("host"), peer.stream.local_addr().unwrap().to_string());
        assert_eq!(peer.header("authorization"), "Bearer x");
        for absent in ["user-agent", "content-length", "transfer-encoding", "sec-websocket-extensions"] {
            assert!(!peer.head.contains(&format!("\r\n{absent}:")), "{}", peer.head);
        }
        let mut peer = peer.upgrade("sec-websocket-protocol: orders.v1\r\n");
        peer.expect_close(1000);
        peer.close(None);
    });
    assert_ended(&ended, 0, b"", "");
}

#[test]
fn messages_are_printed_while_lines_are_still_to_come() {
    let key = gcm();
    let file = KeyFile::of(&[&key]);
    let server = Server::of(&key, |peer| {
        let mut peer = peer.upgrade("");
        peer.say("first");
        assert_eq!(peer.hear().as_deref(), Some("second"));
        peer.say("third");
        peer.expect_close(1000);
        peer.close(Close::new(1000, ""));
    });
    let mut child = alewife(["send", "--keys", &file.path(), &url(&server)]).spawn().unwrap();
    assert_eq!(first_bytes(&mut child, 6), b"first\n");
    child.stdin.as_mut().unwrap().write_all(b"second\n").unwrap();
    assert_eq!(first_bytes(&mut child, 6), b"third\n");
    // Closes standard input.
    assert_ended(&Ended::of(child), 0, b"", "");
    server.end();
}

#[test]
fn long_messages_go_through_in_both_directions_at_once() {
    let line = "soup ".repeat(300_000);
    let lines = format!("{line}\n{line}\n");
    let expected = lines.clone();
    let ended = played(&gcm(), &[], lines.as_bytes(), move |peer| {
        let mut peer = peer.upgrade("");
        // Neither side reads before the other has written much more than a socket holds.
        peer.say(&line);
        peer.say(&line);
        assert_eq!([peer.hear().unwrap(), peer.hear().unwrap()], [&line[..]; 2]);
        peer.expect_close(1000);
        peer.close(Close::new(1000, ""));
    });
    assert_ended(&ended, 0, expected.as_bytes(), "");
}

#[test]
fn pings_are_answered_with_their_own_payload_even_within_a_message() {
    let ended = kept_open(&gcm(), |peer| {
        let envelope = peer.envelope(b"soup");
        let (first, second) = envelope.split_at(20);
        peer.write(&[&[0x01, 20], first.as_bytes()].concat());
        peer.ping(b"alive?");
        let Some(Event::Pong(payload)) = peer.event() else { panic!("no pong") };
        assert_eq!(payload, "alive?");
        peer.write(&[&[0x80, second.len() as u8], second.as_bytes()].concat());
        peer.close(Close::new(1000, ""));
        peer.expect_close(1000);
    });
    assert_ended(&ended, 0, b"soup\n", "");
}

#[test]
fn binary_messages_are_hex_or_as_they_are() {
    let shown = |args: &[&str]| {
        told(&gcm(), args, |peer| {
            peer.send(Kind::Binary, &peer.envelope(b"\x00\xff\n"));
            peer.say("soup");
            peer.send(Kind::Binary, &peer.envelope(b"ok"));
        })
    };
    assert_ended(&shown(&[]), 0, b"00ff0a\nsoup\n6f6b\n", "");
    assert_ended(&shown(&["--binary", "hex"]), 0, b"00ff0a\nsoup\n6f6b\n", "");
    assert_ended(&shown(&["--binary", "raw"]), 0, b"\x00\xff\nsoup\nok", "");
}

#[test]
fn text_that_is_not_utf_8_is_refused_under_a_tag_and_binary_without() {
    let shown = |algorithm| {
        told(&TestKey::new(algorithm), &[], |peer| peer.send(Kind::Text, &peer.envelope(b"\xff")))
    };
    let refused = "alewife send: a message is not shown, it does not open: it is a text, and yet not UTF-8\n\
                   alewife send: (61) 1 of the messages did not open\n";
    assert_ended(&shown("AES-256-GCM"), 61, b"", refused);
    assert_ended(&shown("AES-256-CTR"), 0, b"ff\n", "");
}

#[test]
fn messages_that_do_not_open_are_told_and_counted_and_never_shown() {
    let stranger = TestKey::numbered("AES-256-GCM", 1);
    let scene = move |peer: &mut Peer| {
        peer.send(Kind::Text, "isAlive?");
        let forged = peer.envelope(b"soup").replace("\"message\":\"", "\"message\":\"AAAA");
        peer.send(Kind::Text, &forged);
        let iv = stranger.fresh_iv();
        let sealed = alewife::crypto::encoding::base64_encode(&stranger.seal_with(&iv, b"soup"));
        let iv = alewife::crypto::encoding::base64_encode(&iv);
        let other =
            format!(r#"{{"iv":"{iv}","fingerprint":"{}","message":"{sealed}"}}"#, stranger.fingerprint);
        peer.send(Kind::Text, &other);
        let handshake = format!("\"iv\":\"{}\"", peer.header("sec-iv"));
        let envelope: serde_json::Value = serde_json::from_str(&peer.envelope(b"soup")).unwrap();
        let own = format!("\"iv\":{}", envelope["iv"]);
        peer.send(Kind::Text, &envelope.to_string().replace(&own, &handshake));
        peer.say("soup");
    };
    let reasons = ["1: bad_envelope", "2: not_authentic", "2: unknown_fingerprint", "2: reflected"];
    let lines = reasons.map(|reason| {
        format!("alewife send: a message is not shown, it does not open: errorCode {reason}\n")
    });
    let stderr = lines.concat() + "alewife send: (61) 4 of the messages did not open\n";
    assert_ended(&told(&gcm(), &[], scene.clone()), 61, b"soup\n", &stderr);
    assert_ended(&told(&gcm(), &["-s"], scene), 61, b"soup\n", "");
}

#[test]
fn message_that_is_sent_back_is_refused() {
    let ended = played(&gcm(), &[], b"soup\n", |peer| {
        let mut peer = peer.upgrade("");
        let Some(Event::Message(message)) = peer.event() else { panic!("no message") };
        peer.send(Kind::Text, std::str::from_utf8(&message.payload).unwrap());
        peer.expect_close(1000);
        peer.close(Close::new(1000, ""));
    });
    let stderr = "alewife send: a message is not shown, it does not open: errorCode 2: reflected\n\
                  alewife send: (61) 1 of the messages did not open\n";
    assert_ended(&ended, 61, b"", stderr);
}

#[test]
fn error_in_clear_is_told_and_is_no_failure() {
    let scene =
        |peer: &mut Peer| peer.send(Kind::Text, "{\"errorCode\":2,\"message\":\"Unable\\u001b[31m\"}");
    let stderr = "alewife send: an error in clear, which anybody on the way could have written: \
                  errorCode 2: Unable\u{fffd}[31m\n";
    assert_ended(&told(&gcm(), &[], scene), 0, b"", stderr);
    assert_ended(&told(&gcm(), &["-s"], scene), 0, b"", "");
}

#[test]
fn key_that_is_named_seals_though_another_leads() {
    let (first, second) = (gcm(), TestKey::new("AES-128-CTR"));
    let file =
        KeyFile::with(&format!("primary = \"{}\"\n{}{}", first.fingerprint, first.entry(), second.entry()));
    let server = Server::of(&second, |peer| {
        let mut peer = peer.upgrade("");
        assert_eq!(peer.hear().as_deref(), Some("soup"));
        assert_eq!(peer.hear(), None);
        peer.close(Close::new(1000, ""));
    });
    let args = ["send", "--keys", &file.path(), "--fingerprint", &second.fingerprint, &url(&server)];
    assert_ended(&run(args, b"soup\n"), 0, b"", "");
    server.end();
}

#[test]
fn replies_go_to_the_file_that_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("messages");
    let ended = told(&gcm(), &["-o", file.to_str().unwrap()], |peer| peer.say("soup"));
    assert_ended(&ended, 0, b"", "");
    assert_eq!(std::fs::read(&file).unwrap(), b"soup\n");
}

#[test]
fn verbose_shows_the_sealed_side_and_no_key() {
    let key = gcm();
    let ended = played(&key, &["-v"], b"soup\n", |peer| {
        let mut peer = peer.upgrade("");
        peer.hear();
        peer.say("done");
        peer.expect_close(1000);
        peer.close(Close::new(1000, ""));
    });
    assert_eq!((ended.status, ended.text()), (0, "done\n"));
    let shown = &ended.stderr;
    let notes: Vec<&str> = shown.lines().filter_map(|line| line.strip_prefix("* ")).collect();
    assert_eq!(notes[0], "the plain request, which stays here:");
    let sealed = format!("a text, sealed under {}:", key.fingerprint);
    for note in [&sealed[..], "a text as it came:", "a close with 1000 goes out", "a close with 1000 came"] {
        assert_eq!(notes.iter().filter(|shown| **shown == note).count(), 1, "{note}: {shown}");
    }
    assert_eq!(shown.matches("> {\"iv\":\"").count(), 1, "{shown}");
    assert_eq!(shown.matches("\"iv\":\"").count(), 2, "{shown}");
    assert_no_secret(shown.as_bytes(), &key);
}

#[test]
fn offline_prints_the_handshake_and_connects_to_nobody() {
    let file = KeyFile::of(&[&gcm()]);
    let ended = run(["send", "--keys", &file.path(), "--offline", "ws://kitchen.test/orders"], b"");
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let count = |line: &str| ended.text().lines().filter(|shown| shown.starts_with(line)).count();
    assert_eq!((count("> upgrade: websocket"), count("> sec-iv: "), count("> sec-fingerprint: ")), (2, 1, 1));
}
