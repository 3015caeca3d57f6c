//! The outbound path as bytes: a plain application in front, a peer of the tests' own behind.

mod requests;

use crate::support::{Peer, Reply, Sidecar, SidecarBuilder, TestKey};

const GCM: &str = "AES-256-GCM";
const CTR: &str = "AES-256-CTR";

/// A sidecar that seals for `peer`.
fn towards(peer: &Peer, key: &TestKey) -> SidecarBuilder {
    Sidecar::outbound().keys(&[key]).upstream(peer.address())
}

/// A plain request, byte for byte, with `content-length`; `headers` end in CRLF each.
fn plain(method: &str, target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: kitchen.local\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A plain request without a body.
fn bodyless(method: &str, target: &str, headers: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nhost: kitchen.local\r\n{headers}\r\n").into_bytes()
}

/// The reply is this error of the sidecar's own.
#[track_caller]
fn assert_error(reply: &Reply, status: u16, code: u16, message: &str) {
    let body = format!("{{\"errorCode\":{code},\"message\":\"{message}\"}}");
    assert_eq!((reply.status, reply.text()), (status, body.as_str()), "{reply:?}");
    assert!(reply.is_whole());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!((reply.header("sec-iv"), reply.header("sec-fingerprint")), (None, None));
}
