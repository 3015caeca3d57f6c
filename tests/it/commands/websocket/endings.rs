//! How sessions end, and with which exit status.

use alewife::websocket::Close;

use super::super::{KeyFile, run};
use super::server::Peer;
use super::{assert_ended, gcm, kept_open, played};

#[test]
fn close_of_the_server_is_answered_with_its_code_and_ends_well_or_not() {
    let closed_by_the_server = |close: Option<Close>, answer| {
        kept_open(&gcm(), move |peer| {
            peer.close(close);
            peer.expect_close(answer);
        })
    };
    for (close, answer) in
        [(None, 1000), (Close::new(1000, "done"), 1000), (Close::new(1001, "restart"), 1001)]
    {
        assert_ended(&closed_by_the_server(close, answer), 0, b"", "");
    }
    let refused = closed_by_the_server(Close::new(1008, "errorCode 2\u{1b}[31m"), 1008);
    assert_ended(
        &refused,
        56,
        b"",
        "alewife send: (56) the session was closed with 1008 errorCode 2\u{fffd}[31m\n",
    );
    let bare = closed_by_the_server(Close::new(4000, ""), 4000);
    assert_ended(&bare, 56, b"", "alewife send: (56) the session was closed with 4000\n");
}

#[test]
fn connection_that_ends_without_a_close_is_18() {
    let ended = played(&gcm(), &[], b"", |peer| {
        let mut peer = peer.upgrade("");
        peer.say("soup");
        peer.expect_close(1000);
    });
    assert_ended(&ended, 18, b"soup\n", "alewife send: (18) the connection ended without a close\n");
}

#[test]
fn server_that_does_not_close_in_time_is_28() {
    let ended = played(&gcm(), &["-m", "0.3"], b"", |peer| {
        let mut peer = peer.upgrade("");
        peer.expect_close(1000);
        assert_eq!(peer.event(), None, "the client has gone");
    });
    assert_ended(&ended, 28, b"", "alewife send: (28) not done within 300ms\n");
}

#[test]
fn refused_handshake_is_22_and_its_reply_is_shown_opened() {
    let refused = |args: &[&str]| {
        let key = gcm();
        let sealing = key.clone();
        played(&key, args, b"", move |mut peer| {
            let iv = sealing.fresh_iv();
            let body = sealing.seal_with(&iv, b"not for you");
            let head = format!(
                "HTTP/1.1 403 Forbidden\r\n{}content-length: {}\r\n\r\n",
                sealing.envelope(&iv),
                body.len()
            );
            peer.write(&[head.as_bytes(), &body].concat());
        })
    };
    let handshake = "alewife send: (22) the handshake was refused with 403\n";
    assert_ended(&refused(&[]), 22, b"not for you", handshake);
    assert_ended(&refused(&["-f"]), 22, b"", "alewife send: (22) the requested URL returned error: 403\n");
    let body = r#"{"errorCode":1,"message":"Incorrect security headers"}"#;
    let ended = played(&gcm(), &[], b"", move |mut peer| {
        peer.write(
            format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes(),
        );
    });
    let clear = "alewife send: the reply is an error in clear, which anybody on the way could have written\n";
    let stderr = format!("{clear}alewife send: (22) the handshake was refused with 400\n");
    assert_ended(&ended, 22, body.as_bytes(), &stderr);
}

#[test]
fn answer_to_another_handshake_is_8() {
    let answered = |scene: fn(Peer)| played(&gcm(), &[], b"", scene);
    let fault =
        |what: &str| format!("alewife send: (8) the handshake was not answered as it must be: {what}\n");
    let wrong = answered(|mut peer| {
        let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        peer.write(format!("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n").as_bytes());
    });
    assert_ended(&wrong, 8, b"", &fault("sec-websocket-accept is not the answer to this handshake's key"));
    let extension = answered(|peer| drop(peer.upgrade("sec-websocket-extensions: permessage-deflate\r\n")));
    assert_ended(&extension, 8, b"", &fault("it names an extension that nobody asked for"));
}

#[test]
fn server_that_breaks_the_protocol_is_told_so_and_is_56() {
    let broken = |frame: &'static [u8], code, what: &str| {
        let ended = kept_open(&gcm(), move |peer| {
            peer.write(frame);
            peer.expect_close(code);
        });
        assert_ended(&ended, 56, b"", &format!("alewife send: (56) receiving failed: {what}\n"));
    };
    broken(&[0x81, 0x81, 0, 0, 0, 0, b'x'], 1002, "a server's frame that is masked");
    broken(&[0x81, 1, 0xff], 1007, "a text that is not UTF-8");
    broken(&[0x82, 127, 0, 0, 0, 0, 4, 0, 0, 1], 1009, "a message that is too long");
}

#[test]
fn line_that_is_not_utf_8_is_26_and_is_not_sent() {
    let ended = played(&gcm(), &[], b"soup\n\xff\nmore\n", |peer| {
        let mut peer = peer.upgrade("");
        assert_eq!(peer.hear().as_deref(), Some("soup"));
        peer.expect_close(1001);
    });
    assert_ended(&ended, 26, b"", "alewife send: (26) a line of standard input is not UTF-8\n");
}

#[test]
fn options_of_the_other_protocol_are_a_wrong_command_line() {
    let file = KeyFile::of(&[&gcm()]);
    let refused = |args: &[&str], url: &str, message: &str| {
        let ended = run([&["send", "--keys", &file.path()], args, &[url]].concat(), b"");
        assert_ended(&ended, 2, b"", &format!("alewife send: (2) {message}\n"));
    };
    let ws = "ws://127.0.0.1:9/";
    refused(&["-X", "POST"], ws, "--request is for http://");
    refused(&["-d", "x"], ws, "a body is for http://");
    refused(&["--json", "x"], ws, "a body is for http://");
    refused(&["-i"], ws, "--include is for http://");
    refused(&["--binary", "hex"], "http://127.0.0.1:9/", "--binary is for ws://");
    refused(&["-H", "Sec-WebSocket-Key: x"], ws, "sec-websocket-key is set by alewife");
    refused(&["-H", "connection: close"], ws, "connection is set by alewife");
}
