//! WebSocket: each client speaks the envelope of P7, text and binary, in both directions.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::{AleServer, Connection, Frame, Opcode, Outcome, Program, TestKey, WebSocketOrigin, run};

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

/// Lines of the clients: text messages as they stand, binary ones in base64.
pub(super) fn lines() -> Vec<u8> {
    let mut lines = b"\n".to_vec();
    for length in LENGTHS {
        lines.extend(text(length));
        lines.extend(b"\nbase64:");
        let bytes: Vec<u8> = (0..length).map(|at| (at * 7 + at / 251) as u8).collect();
        lines.extend(BASE64_STANDARD.encode(bytes).into_bytes());
        lines.push(b'\n');
    }
    lines
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

fn session(output: Vec<u8>) -> Outcome {
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
        assert_same(&run(&mut client.sealing(&url, &key), &lines()), &session(lines()));
    }
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
    let application = WebSocketOrigin::holding(|_, connection: &mut Connection| {
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
