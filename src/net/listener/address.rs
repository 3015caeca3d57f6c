//! Where a listener stands, and who comes to it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

/// Where connections are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address and a port of TCP.
    Inet(SocketAddr),
    /// The path of a Unix socket.
    Unix(Arc<Path>),
    /// A socket that whoever starts the process has bound, by the name that it gives it (`FileDescriptorName=` of systemd).
    Inherited(Arc<str>),
}

impl ListenAddress {
    /// The address, if it is one of TCP.
    pub fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(_) | Self::Inherited(_) => None,
        }
    }

    /// Whether only this machine can reach it, as far as the address tells.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Inet(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
            Self::Inherited(_) => false,
        }
    }

    /// As a client has it, under TLS or not: `http://127.0.0.1:8080`, `unix:/run/alewife.sock`.
    pub fn url(&self, tls: bool) -> String {
        let scheme = if tls { "https" } else { "http" };
        match self {
            Self::Inet(address) => format!("{scheme}://{address}"),
            Self::Unix(_) | Self::Inherited(_) if tls => format!("{self} (TLS)"),
            Self::Unix(_) | Self::Inherited(_) => self.to_string(),
        }
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

/// As the configuration has it: `127.0.0.1:8080`, `unix:/run/alewife.sock` or `fd:kitchen`.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Inherited(name) => write!(f, "fd:{name}"),
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An address of TCP: the socket's, or what a proxy in front said of it.
    Inet(SocketAddr),
    /// A process of this machine, over a Unix socket.
    Unix,
}

impl Peer {
    /// As what it counts for networks and budgets: a process of this machine as 127.0.0.1, an address of IPv4 that is written
    /// as one of IPv6 as what it is.
    pub fn ip(&self) -> IpAddr {
        match self {
            Self::Inet(address) => address.ip().to_canonical(),
            Self::Unix => Ipv4Addr::LOCALHOST.into(),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_shown_as_it_is_written_and_as_clients_have_it() {
        let inet = ListenAddress::from(SocketAddr::from(([127, 0, 0, 1], 8080)));
        let unix = ListenAddress::Unix(Path::new("/run/a.sock").into());
        let inherited = ListenAddress::Inherited("kitchen".into());
        for (address, shown, plain, tls) in [
            (&inet, "127.0.0.1:8080", "http://127.0.0.1:8080", "https://127.0.0.1:8080"),
            (&unix, "unix:/run/a.sock", "unix:/run/a.sock", "unix:/run/a.sock (TLS)"),
            (&inherited, "fd:kitchen", "fd:kitchen", "fd:kitchen (TLS)"),
        ] {
            assert_eq!(
                (&*address.to_string(), &*address.url(false), &*address.url(true)),
                (shown, plain, tls)
            );
        }
    }

    #[test]
    fn peer_counts_as_what_it_is_whichever_way_its_address_is_written() {
        let mapped = Peer::Inet("[::ffff:192.0.2.7]:1".parse().unwrap());
        assert_eq!(mapped.ip(), "192.0.2.7".parse::<IpAddr>().unwrap());
        assert_eq!(Peer::Unix.ip(), "127.0.0.1".parse::<IpAddr>().unwrap());
    }
}
