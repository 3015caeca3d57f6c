//! Origins as browsers serialise them.

use std::net::Ipv6Addr;

use crate::document::{Refusal, Value};

/// An origin in small letters, as `origin` bears it (RFC 6454 §6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Origin(pub(in crate::config) Box<str>);

impl Value for Origin {
    const EXPECTED: &'static str = "an origin such as \"https://pos.example\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        match examine(text) {
            Ok(()) => Ok(Self(text.to_ascii_lowercase().into())),
            Err(fault) => Err(Refusal::new(format!("{text:?} {fault}"), fault.remedy())),
        }
    }
}

fn examine(text: &str) -> Result<(), OriginFault> {
    if text.eq_ignore_ascii_case("null") {
        return Err(OriginFault::Null);
    }
    let (scheme, authority) = text.split_once("://").ok_or(OriginFault::NotAnOrigin)?;
    if authority.contains(['/', '?', '#', '@']) {
        return Err(OriginFault::MoreThanHost);
    }
    let (host, port) = split_port(authority)?;
    if !is_scheme(scheme) || !is_host(host) {
        return Err(OriginFault::NotAnOrigin);
    }
    let usual = match scheme.to_ascii_lowercase().as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    if port.is_some() && port == usual {
        return Err(OriginFault::UsualPort);
    }
    Ok(())
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), OriginFault> {
    let inside_brackets = authority.rfind(']').unwrap_or(0);
    let Some(colon) = authority[inside_brackets..].find(':').map(|at| at + inside_brackets) else {
        return Ok((authority, None));
    };
    let digits = &authority[colon + 1..];
    // `parse` would take a sign, and browsers write no leading zero.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    let port = digits.parse().ok().filter(|_| plain).ok_or(OriginFault::Port)?;
    Ok((&authority[..colon], Some(port)))
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// A name in ASCII, as which browsers send every name, or an address.
fn is_host(text: &str) -> bool {
    if let Some(inside) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return inside.parse::<Ipv6Addr>().is_ok();
    }
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// Why a text is no origin that a browser would send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum OriginFault {
    /// A path, a query, a fragment or credentials; a slash at the end is a path.
    #[error("has more than a scheme, a host and a port")]
    MoreThanHost,
    /// Anything else, a pattern included.
    #[error("is not an origin")]
    NotAnOrigin,
    /// What browsers send for every page without an origin of its own.
    #[error("is every page without an origin, local files and sandboxes of any site included")]
    Null,
    /// A port that none is.
    #[error("has no port of 1 to 65535")]
    Port,
    /// Browsers leave the scheme's own port out, so this would never match.
    #[error("has the scheme's own port, which browsers leave out")]
    UsualPort,
}

impl OriginFault {
    fn remedy(self) -> &'static str {
        match self {
            Self::MoreThanHost => "remove user, path, query and fragment, a slash at the end included",
            Self::Null => "serve the page from a host and write its origin",
            Self::NotAnOrigin | Self::Port => {
                "write \"https://HOST\" or \"https://HOST:PORT\", the host in ASCII; there are no patterns"
            }
            Self::UsualPort => "remove the port",
        }
    }
}
