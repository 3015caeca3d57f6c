//! Where an upstream is.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// What a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// A host and a port of TCP.
    Inet {
        /// A name or an address; IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// The path of a Unix socket.
    Unix(Arc<Path>),
}

impl UpstreamAddress {
    /// Whether no byte leaves this machine, as far as the address tells.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Inet { host, .. } => {
                host.eq_ignore_ascii_case("localhost")
                    || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            Self::Unix(_) => true,
        }
    }

    /// What stands in `host` for it: the port only where it is not the `usual` one, and for a Unix socket `localhost`.
    pub fn authority(&self, usual: u16) -> String {
        match self {
            Self::Inet { host, port } => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                if *port == usual { host } else { format!("{host}:{port}") }
            }
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// `HOST:PORT`, `[ADDRESS]:PORT` or `unix:PATH`.
impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Inet { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
