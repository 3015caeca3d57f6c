//! Requests told apart by host, path and method, through the real binary.

mod bypass;
mod choice;
mod explain;
mod outbound;

use crate::support::{Connection, Origin, Reply, Sidecar, SidecarBuilder, TestKey};

const GCM: &str = "AES-256-GCM";
const NO_ROUTE: &str = "{\"errorCode\":114,\"message\":\"No route\"}";

fn key(number: u32) -> TestKey {
    TestKey::numbered(GCM, number)
}

/// An inbound sidecar with the first key, and these routes.
fn routed(origin: &Origin, routes: &str) -> SidecarBuilder {
    Sidecar::inbound().keys(&[&key(1)]).upstream(origin.address()).proxy(routes)
}

/// A plain request without a body, to this host.
fn plain(method: &str, target: &str, host: &str, headers: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n").into_bytes()
}

/// A sealed order to a host of the test's own.
fn order(key: &TestKey, target: &str, host: &str) -> Vec<u8> {
    let request = key.request("POST", target, "", b"soup");
    let at = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(request[..at].to_vec()).unwrap();
    [head.replace("host: kitchen.test", &format!("host: {host}")).as_bytes(), &request[at..]].concat()
}

/// Whether the reply is the sealed echo of an order.
fn is_echoed(reply: &Reply, key: &TestKey) -> bool {
    reply.status == 200 && reply.open(key).as_deref() == Some(b"soup")
}

fn ask(sidecar: &Sidecar, request: &[u8]) -> Reply {
    Connection::to(sidecar.address()).exchange(request)
}

fn error_code(reply: &Reply) -> u64 {
    let error: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    error["errorCode"].as_u64().unwrap()
}
