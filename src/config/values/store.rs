//! Where a replay store is.

use http::uri::Uri;

use crate::document::{Refusal, Value};
use crate::net::TlsSettings;
use crate::proxy::StoreAddress;

impl Value for StoreAddress {
    const EXPECTED: &'static str = "a URL such as \"redis://127.0.0.1:6379\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        // What stands before an @ may be a password.
        let shown = text.rsplit_once('@').map_or(text, |(_, behind)| behind);
        address(text).map_err(|fault| Refusal::new(format!("{shown:?} {fault}"), fault.remedy()))
    }
}

fn address(text: &str) -> Result<StoreAddress, StoreUrlFault> {
    if text.contains('@') {
        return Err(StoreUrlFault::Credentials);
    }
    // `Uri` drops a fragment without a word.
    let uri: Uri = if text.contains('#') { None } else { text.parse().ok() }.ok_or(StoreUrlFault::NotAUrl)?;
    let secured = match uri.scheme_str() {
        Some("redis") => false,
        Some("rediss") => true,
        _ => return Err(StoreUrlFault::NotAUrl),
    };
    let authority = uri.authority().ok_or(StoreUrlFault::NotAUrl)?;
    let host = authority.host();
    let written_port = authority.as_str().strip_prefix(host).ok_or(StoreUrlFault::NotAUrl)?;
    let port = match written_port.strip_prefix(':') {
        None => 6379,
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(StoreUrlFault::Port)?,
    };
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || uri.query().is_some() {
        return Err(StoreUrlFault::NotAUrl);
    }
    let database = match uri.path().trim_start_matches('/') {
        "" => 0,
        digits
            if uri.path().len() == digits.len() + 1 && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            digits.parse().map_err(|_| StoreUrlFault::Database)?
        }
        _ => return Err(StoreUrlFault::Database),
    };
    let tls = if secured { Some(TlsSettings::for_host(host).ok_or(StoreUrlFault::Host)?) } else { None };
    Ok(StoreAddress { host: host.to_owned(), port, database, tls })
}

/// Why a text names no store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum StoreUrlFault {
    /// A user or a password.
    #[error("has a user or a password in front of it")]
    Credentials,
    /// A path that is no number.
    #[error("has no number of a database behind the host")]
    Database,
    /// TLS towards a host that cannot be verified.
    #[error("has a host that no certificate can be for")]
    Host,
    /// Anything else.
    #[error("is not a redis URL")]
    NotAUrl,
    /// A port that none is.
    #[error("has no port of 1 to 65535")]
    Port,
}

impl StoreUrlFault {
    fn remedy(self) -> &'static str {
        match self {
            Self::Credentials => "write them as replay_store_user and replay_store_password",
            Self::Database => "write \"redis://HOST:PORT/0\", or no path at all",
            Self::Host => "write a name of letters, digits, hyphens and dots, or an address",
            Self::NotAUrl | Self::Port => {
                "write \"redis://HOST:PORT\" or, under TLS, \"rediss://HOST:PORT\", with /DB for another database than 0"
            }
        }
    }
}
