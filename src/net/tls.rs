//! TLS towards an upstream, and which version of HTTP is spoken there.

use std::path::PathBuf;

/// Whom to trust under TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The certificates of this PEM file.
    File(PathBuf),
    /// Those that browsers trust.
    WebPki,
}

/// The version of HTTP that is spoken to an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// What TLS agrees on (ALPN); without TLS, HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only; without TLS by prior knowledge.
    Http2,
}
