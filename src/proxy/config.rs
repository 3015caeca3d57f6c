//! What one proxy needs to know; filled by `config/`.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::profile::Profile;

/// One `[[proxy]]`, checked.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Its name in logs and metrics; unique in the process.
    pub name: Arc<str>,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The application behind it.
    pub upstream: Upstream,
    /// What its messages look like.
    pub profile: Arc<Profile>,
    /// Headers that each request must bear besides the envelope's own; absence is errorCode 1.
    pub required_headers: Vec<HeaderName>,
    /// What happens to `x-forwarded-*`.
    pub forwarded: ForwardedPolicy,
    /// Largest plaintext body that is held under GCM, in bytes.
    pub max_body: u64,
    /// The deadlines of its connections.
    pub timeouts: Timeouts,
}

/// Where requests go: `http://HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The port, 80 unless written.
    pub port: u16,
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "http://[{host}]:{port}")
        } else {
            write!(f, "http://{host}:{port}")
        }
    }
}

/// What happens to `x-forwarded-for`, `-proto` and `-host`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedPolicy {
    /// The peer is added to `-for`; `-proto` and `-host` are set where they are absent.
    #[default]
    Append,
    /// They pass as they came.
    Off,
    /// What came is dropped and all three are set anew.
    Replace,
}

/// Each wait of a connection has its own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From accepting a connection to its first byte.
    pub first_byte: Duration,
    /// From the first byte of a request to the end of its head.
    pub headers: Duration,
    /// Between two pieces of a body that its sender owes or its receiver does not take.
    pub body: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
    /// For connecting to the application.
    pub connect: Duration,
    /// From the end of a request to the head of the application's reply.
    pub reply: Duration,
    /// How long an unused connection to the application is kept; below servers' usual 5 s.
    pub pool_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(10),
            headers: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            connect: Duration::from_secs(5),
            reply: Duration::from_secs(60),
            pool_idle: Duration::from_secs(4),
        }
    }
}
