//! Where a listener stands, and where an upstream is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use http::uri::{Scheme, Uri};

use crate::document::{Refusal, Value};
use crate::net::{ListenAddress, TlsSettings, UpstreamAddress, UpstreamProtocol};
use crate::proxy::Upstream;

/// Where a listener stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Listen(pub(in crate::config) ListenAddress);

impl Value for Listen {
    const EXPECTED: &'static str = "an address such as \"127.0.0.1:8080\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self(ListenAddress::Unix(socket_path(text, path)?)));
        }
        if let Some(name) = text.strip_prefix("fd:") {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if !(1..=255).contains(&name.len()) || !name.bytes().all(allowed) {
                let remedy = "write \"fd:NAME\" with the FileDescriptorName= of the socket";
                return Err(Refusal::new(format!("{text:?} has no name of a socket"), remedy));
            }
            return Ok(Self(ListenAddress::Inherited(name.into())));
        }
        match Inet::from_text(text) {
            Ok(Inet(address)) => Ok(Self(address.into())),
            Err(Refusal { problem, .. }) => {
                let remedy = format!("{}, or \"unix:/PATH\" for a Unix socket", Inet::REMEDY);
                Err(Refusal::new(problem, remedy))
            }
        }
    }

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        Inet::from_integer(number).map(|Inet(address)| Self(address.into()))
    }
}

/// The path of a Unix socket, which stands in a place of its own rather than beside the configuration.
fn socket_path(text: &str, path: &str) -> Result<Arc<Path>, Refusal> {
    /// sun_path has 108 bytes, the last of which ends it (unix(7)).
    const LONGEST: usize = 107;
    if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        let remedy = "write \"unix:/PATH\", from the root";
        return Err(Refusal::new(format!("{text:?} has no absolute path of a socket"), remedy));
    }
    if path.len() > LONGEST {
        let remedy = format!("write a path of at most {LONGEST} bytes");
        return Err(Refusal::new(format!("{text:?} is longer than the path of a socket may be"), remedy));
    }
    Ok(Path::new(path).into())
}

/// An address and a port of TCP.
pub(in crate::config) struct Inet(pub(in crate::config) SocketAddr);

impl Inet {
    const REMEDY: &'static str = "write \"IP:PORT\", or a port alone for loopback";

    pub(in crate::config) fn from_text(text: &str) -> Result<Self, Refusal> {
        let refusal = || Refusal::new(format!("{text:?} is not an address"), Self::REMEDY);
        if let Ok(address) = text.parse() {
            return Ok(Self(address));
        }
        // `parse` would take a sign before the number.
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::loopback).map_err(|_| refusal());
        }
        Err(refusal())
    }

    pub(in crate::config) fn from_integer(number: i64) -> Result<Self, Refusal> {
        u16::try_from(number)
            .map(Self::loopback)
            .map_err(|_| Refusal::new(format!("{number} is not a port"), "write a port of 0 to 65535"))
    }

    fn loopback(port: u16) -> Self {
        Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }
}

/// Where the admin listener stands, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct AdminListen(pub(in crate::config) Option<SocketAddr>);

impl Value for AdminListen {
    const EXPECTED: &'static str = "an address such as \"127.0.0.1:9180\", or \"off\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if text == "off" {
            return Ok(Self(None));
        }
        Inet::from_text(text).map(|Inet(address)| Self(Some(address))).map_err(|refusal| {
            Refusal::new(refusal.problem, format!("{}, or \"off\" for no admin listener", Inet::REMEDY))
        })
    }

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        Inet::from_integer(number).map(|Inet(address)| Self(Some(address)))
    }
}

impl Value for Upstream {
    const EXPECTED: &'static str = "a URL such as \"http://127.0.0.1:3000\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        upstream(text)
    }
}

fn upstream(text: &str) -> Result<Upstream, Refusal> {
    if let Some(path) = text.strip_prefix("unix:") {
        let address = UpstreamAddress::Unix(socket_path(text, path)?);
        return Ok(Upstream { address, tls: None, protocol: UpstreamProtocol::default() });
    }
    http_upstream(text).map_err(|fault| Refusal::new(format!("{text:?} {fault}"), fault.remedy()))
}

fn http_upstream(text: &str) -> Result<Upstream, UpstreamFault> {
    // `Uri` drops a fragment without a word.
    if text.contains('#') {
        return Err(UpstreamFault::MoreThanHost);
    }
    let uri: Uri = text.parse().map_err(|_| UpstreamFault::NotAUrl)?;
    let scheme = uri.scheme().ok_or(UpstreamFault::NotAUrl)?;
    let https = *scheme == Scheme::HTTPS;
    if !https && *scheme != Scheme::HTTP {
        return Err(UpstreamFault::NotAUrl);
    }
    let authority = uri.authority().ok_or(UpstreamFault::NotAUrl)?;
    let more = uri.path() != "/" || uri.query().is_some() || authority.as_str().contains('@');
    if more {
        return Err(UpstreamFault::MoreThanHost);
    }
    let host = authority.host();
    let written_port = authority.as_str().strip_prefix(host).ok_or(UpstreamFault::NotAUrl)?;
    let port = match written_port.strip_prefix(':') {
        None if https => 443,
        None => 80,
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(UpstreamFault::Port)?,
    };
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() {
        return Err(UpstreamFault::NotAUrl);
    }
    let tls = if https { Some(TlsSettings::for_host(host).ok_or(UpstreamFault::Host)?) } else { None };
    let address = UpstreamAddress::Inet { host: host.to_owned(), port };
    Ok(Upstream { address, tls, protocol: UpstreamProtocol::default() })
}

/// Why a text names no upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum UpstreamFault {
    /// TLS towards a host that cannot be verified.
    #[error("has a host that no certificate can be for")]
    Host,
    /// A path, a query, a fragment or credentials.
    #[error("has more than a host and a port")]
    MoreThanHost,
    /// Anything else.
    #[error("is not an http URL")]
    NotAUrl,
    /// A port that none is.
    #[error("has no port of 1 to 65535")]
    Port,
}

impl UpstreamFault {
    fn remedy(self) -> &'static str {
        match self {
            Self::Host => "write a name of letters, digits, hyphens and dots, or an address",
            Self::MoreThanHost => "remove user, path, query and fragment; requests keep their own",
            Self::NotAUrl | Self::Port => {
                "write \"http://HOST:PORT\", \"https://HOST:PORT\" or \"unix:/PATH\""
            }
        }
    }
}
