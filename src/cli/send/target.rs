//! The URL of a request.

use std::str::FromStr;

use http::Uri;
use http::uri::PathAndQuery;

use super::fault::SendFault;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) scheme: Scheme,
    /// A name or an address; IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// What `host` says: without the port where it is the usual one.
    pub(super) authority: String,
    /// As it was written.
    pub(super) path: PathAndQuery,
}

/// What is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// A request and its reply.
    Http,
    /// WebSocket: messages in both directions.
    Ws,
}

impl FromStr for Target {
    type Err = SendFault;

    /// As curl does, takes a text without a protocol as `http://`.
    fn from_str(text: &str) -> Result<Self, SendFault> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let no_url = SendFault::Url("expected http://HOST[:PORT][/PATH] or ws://HOST[:PORT][/PATH]");
        let uri: Uri = whole.parse().map_err(|_| no_url)?;
        // `Uri` writes only the schemes of HTTP in small letters.
        let scheme = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("http") => Scheme::Http,
            Some("ws") => Scheme::Ws,
            Some("https" | "wss") => return Err(SendFault::Tls),
            _ => return Err(SendFault::Protocol),
        };
        let written = uri.authority().map_or("", |authority| authority.as_str());
        if written.contains('@') {
            return Err(SendFault::Url("a user name cannot be sent; write the authorization header"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(SendFault::Url("no host"))?;
        let port = match (written.strip_prefix(host), uri.port_u16()) {
            (Some("" | ":"), _) => 80,
            (_, Some(port)) if port > 0 => port,
            _ => return Err(SendFault::Url("the port is not a number from 1 to 65535")),
        };
        let authority = if port == 80 { host.to_owned() } else { format!("{host}:{port}") };
        let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { scheme, host, port, authority, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let target: Target = "http://[::1]:8080/a%20b?c=d#e".parse().unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 8080));
        assert_eq!((target.authority.as_str(), target.path.as_str()), ("[::1]:8080", "/a%20b?c=d"));
        for bare in ["kitchen", "http://kitchen:80", "http://kitchen:/", "HTTP://kitchen?"] {
            let target: Target = bare.parse().unwrap();
            assert_eq!((target.authority.as_str(), target.port), ("kitchen", 80), "{bare}");
            assert_eq!(target.scheme, Scheme::Http, "{bare}");
        }
        let target: Target = "WS://kitchen/orders".parse().unwrap();
        assert_eq!((target.scheme, target.port, target.path.as_str()), (Scheme::Ws, 80, "/orders"));
    }

    #[test]
    fn what_is_no_url_of_ours_has_curls_number() {
        let number = |text: &str| text.parse::<Target>().unwrap_err().number();
        for text in
            ["", "http://", "http://:80/", "http://a b/", "http://k:99999/", "http://k:0/", "http://u@k/"]
        {
            assert_eq!(number(text), 3, "{text}");
        }
        for text in ["https://kitchen/", "wss://kitchen/", "ftp://kitchen/"] {
            assert_eq!(number(text), 1, "{text}");
        }
    }
}
