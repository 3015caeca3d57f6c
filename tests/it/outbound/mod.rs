//! The outbound path as bytes: a plain application in front, a peer of the tests' own behind.

mod belief;
mod clients;
mod errors;
mod held;
mod keys;
mod requests;
mod streams;

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

/// The reply is this error of the sidecar's own, and nothing of the peer's.
#[track_caller]
fn assert_error(reply: &Reply, status: u16, code: u16, message: &str) {
    let body = format!("{{\"errorCode\":{code},\"message\":\"{message}\"}}");
    assert_own(reply, status, &body);
}

/// The reply is this one of the sidecar's own, and nothing of the peer's.
#[track_caller]
fn assert_own(reply: &Reply, status: u16, body: &str) {
    assert_eq!((reply.status, reply.text()), (status, body), "{reply:?}");
    assert!(reply.is_whole());
    let mut names: Vec<_> = reply.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.retain(|name| !["connection", "retry-after"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["content-length", "content-type", "x-request-id"], "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
}

/// How many exchanges ended so.
fn outcome(sidecar: &Sidecar, outcome: &str) -> f64 {
    sidecar.metric(&format!("alewife_requests_total{{proxy=\"kitchen\",outcome=\"{outcome}\"}}"))
}

/// How many replies were refused for this reason.
fn refused(sidecar: &Sidecar, reason: &str) -> f64 {
    sidecar.metric(&format!("alewife_replies_refused_total{{proxy=\"kitchen\",reason=\"{reason}\"}}"))
}
