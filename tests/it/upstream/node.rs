//! An application in another language, with a TLS and an HTTP/2 of its own.

use std::io::{BufRead, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::https;
use crate::support::{Authority, TestKey, Window};

struct Node {
    child: Child,
    address: SocketAddr,
}

impl Node {
    /// `None`, and a line that says so, where there is no Node.
    fn start(authority: &Authority, protocol: &str) -> Option<Self> {
        if !is_here() {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = authority.issue(&["localhost"], Window::Now);
        let paths = [directory.path().join("certificate.pem"), directory.path().join("key.pem")];
        std::fs::write(&paths[0], certificate.pem()).unwrap();
        std::fs::write(&paths[1], key.serialize_pem()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/upstream/node_server.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .args(&paths)
            .arg(protocol)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let address = format!("127.0.0.1:{}", port.trim()).parse().unwrap();
        Some(Self { child, address })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_here() -> bool {
    let mut probe = Command::new("node");
    probe.args(["-e", "process.exit(Number(process.versions.node.split('.')[0]) >= 18 ? 0 : 1)"]);
    if probe
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
    {
        return true;
    }
    let absence = "an application in Node was not tested: Node 18 or newer (`node`) is missing";
    assert!(std::env::var_os("ALEWIFE_REQUIRE_CLIENTS").is_none_or(|value| value != "1"), "{absence}");
    // Not eprintln!, which the test harness keeps to itself when a test passes.
    let mut terminal = std::io::stderr();
    writeln!(terminal, "{absence}").unwrap();
    false
}

#[test]
fn an_application_in_node_answers_over_tls_in_both_versions_of_http() {
    let authority = Authority::new();
    for (protocol, version) in [("h2", "2.0"), ("http/1.1", "1.1")] {
        let Some(node) = Node::start(&authority, protocol) else { return };
        for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
            let key = TestKey::new(algorithm);
            let (sidecar, _directory) = https(&authority, &key, "localhost", node.address);
            let sidecar = sidecar.start();
            let mut client = sidecar.connect();
            for length in [1, 100_000, 4 * 1024 * 1024] {
                let order: Vec<u8> = (0..length).map(|index| (index / 3) as u8).collect();
                let request = key.request("POST", "/", "te: trailers\r\nconnection: te\r\n", &order);
                let mut sending = client.stream.try_clone().unwrap();
                let reply = thread::scope(|both| {
                    both.spawn(move || sending.write_all(&request).unwrap());
                    client.reply("POST")
                });
                assert!(reply.is_whole(), "{protocol} {algorithm} {length}");
                assert!(reply.open(&key).unwrap() == order, "{protocol} {algorithm} {length}");
                assert_eq!(reply.header("x-version"), Some(version));
                assert_eq!(reply.header("x-authority"), Some("kitchen.test"));
                assert_eq!(reply.trailers, [("x-sum".to_owned(), length.to_string())]);
            }
        }
    }
}
