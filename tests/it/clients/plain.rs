//! WebSocket clients that know nothing of encryption, through outbound proxies.

use super::websocket::{application, assert_same, lines, messages, session};
use crate::support::{AleServer, Bridge, Program, Sidecar, TestKey, run};

const NODE: Program = Program {
    needs: "Node 18 or newer with the package `ws` (`node`)",
    program: "node",
    file: "tests/peers/plain.mjs",
    probe: &["-e", "require('ws').WebSocket ?? process.exit(1)"],
};
const PYTHON: Program = Program {
    needs: "Python 3 with the package `websockets` (`python3`)",
    program: "python3",
    file: "tests/peers/plain.py",
    probe: &["-c", "import websockets.asyncio.client"],
};
const JAVA: Program = Program {
    needs: "a JDK, 17 or newer (`java`)",
    program: "java",
    file: "tests/peers/Plain.java",
    probe: &["--describe-module", "jdk.compiler"],
};

fn messages_of_every_length_pass_the_bridge_in_both_directions(client: &Program) {
    for algorithm in ["AES-256-GCM", "AES-128-CTR"] {
        let (application, received) = application();
        let bridge = Bridge::before(application.address()).keys(&[&TestKey::new(algorithm)]).start();
        let url = format!("ws://{}/tables/7?seat=3", bridge.address());
        let (messages, lines) = (messages(), lines(&messages()));
        assert_same(&run(&mut client.command(&url), &lines), &session(lines));
        assert!(*received.lock().unwrap() == messages, "{algorithm}: the application got other messages");
    }
}

/// The far end is nobody's sidecar: it implements ALE itself, and shares no code with Alewife.
fn messages_of_every_length_come_back_from_an_independent_server(client: &Program) {
    for algorithm in ["AES-256-GCM", "AES-128-CTR"] {
        let key = TestKey::new(algorithm);
        let Some(server) = AleServer::start(&key) else { return };
        let sidecar = Sidecar::outbound().keys(&[&key]).upstream(server.address()).start();
        let (url, lines) = (format!("ws://{}/", sidecar.address()), lines(&messages()));
        assert_same(&run(&mut client.command(&url), &lines), &session(lines));
    }
}

#[test]
fn orders_come_back_from_an_independent_server_under_every_algorithm() {
    for algorithm in alewife::crypto::Algorithm::ALL {
        let key = TestKey::new(&algorithm.to_string());
        let Some(server) = AleServer::start(&key) else { return };
        let sidecar = Sidecar::outbound().keys(&[&key]).upstream(server.address()).start();
        let mut connection = sidecar.connect();
        for length in [0, 1, 15, 16, 17, 100_000] {
            let order = vec![b'x'; length];
            let head = format!("POST /orders HTTP/1.1\r\nhost: kitchen\r\ncontent-length: {length}\r\n\r\n");
            let reply = connection.exchange(&[head.as_bytes(), &order].concat());
            assert_eq!((reply.status, reply.body == order), (200, true), "{algorithm}, {length} bytes");
            assert_eq!((reply.header("sec-iv"), reply.header("sec-fingerprint")), (None, None));
        }
        let reply = connection.exchange(b"GET /orders/1?a=b HTTP/1.1\r\nhost: kitchen\r\n\r\n");
        assert_eq!((reply.status, reply.text()), (200, "GET /orders/1?a=b"), "{algorithm}");
    }
}

/// Every situation with this client, each as a test of its own.
macro_rules! situations_with {
    ($name:ident, $client:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn messages_of_every_length_pass_the_bridge_in_both_directions() {
                if $client.is_here() {
                    super::messages_of_every_length_pass_the_bridge_in_both_directions(&$client);
                }
            }

            #[test]
            fn messages_of_every_length_come_back_from_an_independent_server() {
                if $client.is_here() {
                    super::messages_of_every_length_come_back_from_an_independent_server(&$client);
                }
            }
        }
    };
}

situations_with!(node, NODE);
situations_with!(python, PYTHON);
situations_with!(java, JAVA);
