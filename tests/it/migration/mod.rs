//! Clients moved over from plain messages to sealed ones, through the real binary.

mod carriers;
mod held;
mod http2;
mod sight;
mod time;
mod websocket;

use serde_json::Value;

use crate::support::{Connection, Origin, Reply, Sidecar, SidecarBuilder, TestKey};

const GCM: &str = "AES-256-GCM";
const LOOPBACK: &str = "from = [\"127.0.0.0/8\", \"::1/128\"]\nuntil = 2099-01-01\n";

/// The lines of a proxy whose clients on this machine may be plain.
fn lines(policy: &str) -> String {
    format!("policy = \"{policy}\"\n{LOOPBACK}")
}

fn sidecar(policy: &str, key: &TestKey, origin: &Origin) -> SidecarBuilder {
    Sidecar::inbound().keys(&[key]).upstream(origin.address()).proxy(&lines(policy))
}

/// A request of somebody who knows nothing of encryption.
fn plain(method: &str, target: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!("{method} {target} HTTP/1.1\r\nhost: kitchen.test\r\n{headers}{length}\r\n{body}").into_bytes()
}

fn ask(sidecar: &Sidecar, request: &[u8]) -> Reply {
    Connection::to(sidecar.address()).exchange(request)
}

fn error_code(reply: &Reply) -> u64 {
    let error: Value = serde_json::from_slice(&reply.body).unwrap();
    error["errorCode"].as_u64().unwrap()
}

/// What `/status` says of the only route that moves clients over.
fn migration(sidecar: &Sidecar) -> Value {
    let status = sidecar.status();
    let routes = status["migration"].as_array().unwrap();
    assert_eq!(routes.len(), 1, "{status}");
    routes[0].clone()
}

/// What it says of one of its networks.
fn network(sidecar: &Sidecar, name: &str) -> Value {
    let migration = migration(sidecar);
    let mut networks = migration["networks"].as_array().unwrap().iter();
    networks.find(|network| network["network"] == name).unwrap_or_else(|| panic!("{migration}")).clone()
}

/// How many requests of this machine came sealed, plain, and refused.
fn counted(sidecar: &Sidecar) -> [u64; 3] {
    let network = network(sidecar, "127.0.0.0/24");
    ["sealed", "plain", "refused"].map(|verdict| network[verdict].as_u64().unwrap())
}
