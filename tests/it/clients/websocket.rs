//! WebSocket: each client speaks the envelope of P7, text and binary, in both directions.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::{
    AleServer, Event, Frame, Message, Opcode, Outcome, Program, Sidecar, TestKey, WebSocketOrigin, run,
};

const NODE: Program = Program {
    needs: "Node 18 or newer with the package `ws` (`node`)",
    program: "node",
    file: "examples/clients/websocket-node.mjs",
    probe: &["-e", "require('ws').WebSocket ?? process.exit(1)"],
};
const PYTHON: Program = Program {
    needs: "Python 3 with the packages `cryptography` and `websockets` (`python3`)",
    program: "python3",
    file: "examples/clients/websocket-python.py",
    probe: &["-c", "import cryptography.hazmat.primitives.ciphers.aead, websockets.asyncio.client"],
};
const JAVA: Program = Program {
    needs: "a JDK, 17 or newer (`java`)",
    program: "java",
    file: "examples/clients/AleWebSocket.java",
    probe: &["--describe-module", "jdk.compiler"],
};

/// Where lengths of frames change their form, and beyond what one read takes.
const LENGTHS: [usize; 8] = [1, 125, 126, 4_096, 65_535, 65_536, 1 << 20, 4 << 20];

/// An empty message, and of every length a text and a binary one.
pub(super) fn messages() -> Vec<Message> {
    let of_length = |length| {
        let bytes = (0..length).map(|at| (at * 7 + at / 251) as u8).collect();
        [Message::Text(text(length)), Message::Binary(bytes)]
    };
    [Message::Text(Vec::new())].into_iter().chain(LENGTHS.into_iter().flat_map(of_length)).collect()
}

/// Messages as lines of the clients: text as it stands, binary in base64.
pub(super) fn lines(messages: &[Message]) -> Vec<u8> {
    let line = |message: &Message| match message {
        Message::Text(text) => [text, &b"\n"[..]].concat(),
        Message::Binary(bytes) => format!("base64:{}\n", BASE64_STANDARD.encode(bytes)).into_bytes(),
    };
    messages.iter().flat_map(line).collect()
}

/// Text of exactly `length` bytes, in characters of one to four.
fn text(length: usize) -> Vec<u8> {
    let dishes = "Käsespätzle 🍜, ohne Zwiebeln – ";
    let mut text = dishes.repeat(length / dishes.len() + 1);
    let end = (0..=length).rev().find(|&end| text.is_char_boundary(end)).unwrap();
    text.truncate(end);
    text.extend(std::iter::repeat_n('x', length - end));
    text.into_bytes()
}

pub(super) fn session(output: Vec<u8>) -> Outcome {
    Outcome { exit_status: Some(0), output, said: "101".to_owned() }
}

/// Compares without printing megabytes.
pub(super) fn assert_same(outcome: &Outcome, expected: &Outcome) {
    assert_eq!((outcome.exit_status, &outcome.said), (expected.exit_status, &expected.said));
    let differs = outcome.output.iter().zip(&expected.output).position(|(ours, theirs)| ours != theirs);
    assert_eq!((differs, outcome.output.len()), (None, expected.output.len()));
}

fn messages_of_every_length_come_back_from_an_independent_server(client: &Program) {
    for algorithm in ["AES-256-GCM", "AES-128-CTR"] {
        let key = TestKey::new(algorithm);
        let Some(server) = AleServer::start(&key) else { return };
        let url = format!("ws://{}/tables/7?seat=3", server.address());
        let lines = lines(&messages());
        assert_same(&run(&mut client.sealing(&url, &key), &lines), &session(lines));
    }
}

/// What an application got.
pub(super) type Kept = Arc<Mutex<Vec<Message>>>;

/// A plain application that keeps what it gets and sends it back, text as text, binary as binary.
pub(super) fn application() -> (WebSocketOrigin, Kept) {
    let received = Kept::default();
    let kept = Arc::clone(&received);
    let application = WebSocketOrigin::holding(move |_, connection| {
        let mut partial = None;
        while let Ok(event) = connection.read_event(&mut partial) {
            match event {
                Event::Message(message) => {
                    kept.lock().unwrap().push(message.clone());
                    connection.send_frame(&message.frame());
                }
                Event::Close(payload) => connection.send_frame(&Frame::new(Opcode::Close, payload)),
                Event::Ping(payload) => connection.send_frame(&Frame::new(Opcode::Pong, payload)),
                Event::Pong(_) => {}
            }
        }
    });
    (application, received)
}

fn messages_of_every_length_pass_the_sidecar_in_both_directions(client: &Program) {
    for algorithm in ["AES-256-GCM", "AES-128-CTR"] {
        let key = TestKey::new(algorithm);
        let (application, received) = application();
        let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
        let url = format!("ws://{}/tables/7?seat=3", sidecar.address());
        let (messages, lines) = (messages(), lines(&messages()));
        assert_same(&run(&mut client.sealing(&url, &key), &lines), &session(lines));
        assert!(*received.lock().unwrap() == messages, "{algorithm}: the application got other messages");
    }
}

fn what_the_application_says_by_itself_opens(client: &Program) {
    let application = WebSocketOrigin::holding(|_, connection| {
        messages().iter().for_each(|message| connection.send_frame(&message.frame()));
        while connection.read_frame().is_ok() {}
    });
    let key = TestKey::new("AES-256-GCM");
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    let (url, count) = (format!("ws://{}/", sidecar.address()), messages().len().to_string());
    assert_same(&run(client.sealing(&url, &key).arg(count), b""), &session(lines(&messages())));
}

/// P2, P7: the sidecar doesn't know the key, and refuses the handshake in clear.
fn handshake_under_an_unknown_fingerprint_is_refused_in_clear(client: &Program) {
    let key = TestKey::new("AES-256-GCM");
    let sidecar = Sidecar::inbound().keys(&[&key]).start();
    let stranger = TestKey { fingerprint: "stranger".to_owned(), ..key };
    let outcome = run(&mut client.sealing(&format!("ws://{}/", sidecar.address()), &stranger), b"order\n");
    let refusal = "400\n{\"errorCode\":2,\"message\":\"Unable to decrypt payload\"}";
    assert_eq!(outcome, Outcome::nothing(3, refusal));
}

/// P7: the fingerprint is known and the key is not; nothing of it reaches the application.
fn message_that_does_not_open_ends_the_session(client: &Program) {
    let key = TestKey::new("AES-256-GCM");
    let (application, received) = application();
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(application.address()).start();
    let forger = TestKey { secret: vec![7; 32], ..key };
    let outcome = run(&mut client.sealing(&format!("ws://{}/", sidecar.address()), &forger), b"order\n");
    assert_eq!(outcome, Outcome::nothing(3, "101\n1008 errorCode 2"));
    assert_eq!(*received.lock().unwrap(), []);
}

/// P9: an application that echoes what nobody opened plays the client's own message back to it.
fn message_of_its_own_is_taken_for_forged(client: &Program) {
    let application = WebSocketOrigin::echo();
    let key = TestKey::new("AES-256-GCM");
    let outcome = run(&mut client.sealing(&format!("ws://{}/", application.address()), &key), b"order\n");
    assert_eq!(outcome, Outcome::nothing(4, "101\nforged: a message bears the IV of one of our own"));
}

/// P7: whoever answers without the key is found out.
fn message_that_is_not_sealed_is_taken_for_forged(client: &Program) {
    let application = WebSocketOrigin::holding(|_, connection| {
        connection.send_frame(&Frame::new(Opcode::Text, "{\"dish\":\"soup\"}"));
        while connection.read_frame().is_ok() {}
    });
    let key = TestKey::new("AES-256-GCM");
    let outcome = run(client.sealing(&format!("ws://{}/", application.address()), &key).arg("1"), b"");
    assert_eq!(outcome, Outcome::nothing(4, "101\nforged: a message is not sealed"));
}

/// Every situation with this client, each as a test of its own.
macro_rules! situations_with {
    ($name:ident, $client:expr) => {
        mod $name {
            use super::*;

            situations_with!(
                $client,
                [
                    messages_of_every_length_come_back_from_an_independent_server,
                    messages_of_every_length_pass_the_sidecar_in_both_directions,
                    what_the_application_says_by_itself_opens,
                    handshake_under_an_unknown_fingerprint_is_refused_in_clear,
                    message_that_does_not_open_ends_the_session,
                    message_of_its_own_is_taken_for_forged,
                    message_that_is_not_sealed_is_taken_for_forged,
                ]
            );
        }
    };
    ($client:expr, [$($situation:ident,)*]) => {$(
        #[test]
        fn $situation() {
            if $client.is_here() {
                super::$situation(&$client);
            }
        }
    )*};
}

situations_with!(node, NODE);
situations_with!(python, PYTHON);
situations_with!(java, JAVA);
