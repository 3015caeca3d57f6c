//! Where the portal is, and where else an answer of its may lead.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::uri::{PathAndQuery, Scheme, Uri};

use crate::net::TlsSettings;

/// The URL of the portal's document: under `https`, or under `http` on this very machine.
///
/// Shows no query, since some portals take their token there.
#[derive(Clone, PartialEq, Eq)]
pub struct PortalUrl {
    pub(super) origin: Origin,
    pub(super) target: PathAndQuery,
}

/// Scheme, host and port, each compared as it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) tls: bool,
    /// In small letters, an IPv6 address without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl PortalUrl {
    /// The whole URL, query included. It may hold a token: bind something to it, and show it to nobody.
    pub fn reveal(&self) -> String {
        format!("{}{}", self.origin, self.target)
    }

    /// Whether it is `http`, on this very machine.
    pub fn is_plain(&self) -> bool {
        !self.origin.tls
    }

    /// TLS towards this portal under the roots that browsers trust; `None` under `http`.
    pub(super) fn tls(&self) -> Option<TlsSettings> {
        if self.origin.tls { TlsSettings::for_host(&self.origin.host) } else { None }
    }

    /// Where `location` leads from here (RFC 3986 §5.2), as long as that is the same scheme, host and port.
    pub(super) fn follow(&self, location: &str) -> Result<Self, Astray> {
        let written = location.split('#').next().unwrap_or_default();
        if !is_written_plainly(written) {
            return Err(Astray::Unreadable);
        }
        let whole = match written {
            _ if has_scheme(written) => written.to_owned(),
            _ if written.starts_with("//") => format!("{}:{written}", self.origin.scheme()),
            _ => format!("{}{}", self.origin, self.merged(written)),
        };
        let (origin, target) = split(&whole).map_err(|_| Astray::Unreadable)?;
        if origin != self.origin {
            return Err(Astray::Elsewhere(origin.to_string()));
        }
        Ok(Self { origin, target })
    }

    /// The path and query of a reference that has neither scheme nor host.
    fn merged(&self, reference: &str) -> String {
        let (path, query) = match reference.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (reference, None),
        };
        let base = self.target.path();
        let (path, query) = match path {
            "" => (base.to_owned(), query.or(self.target.query())),
            _ if path.starts_with('/') => (without_dots(path), query),
            _ => {
                let directory = base.rfind('/').map_or("/", |slash| &base[..=slash]);
                (without_dots(&format!("{directory}{path}")), query)
            }
        };
        query.map_or(path.clone(), |query| format!("{path}?{query}"))
    }
}

impl FromStr for PortalUrl {
    type Err = PortalUrlFault;

    fn from_str(text: &str) -> Result<Self, PortalUrlFault> {
        // `Uri` drops a fragment without a word.
        if text.contains('#') {
            return Err(PortalUrlFault::Fragment);
        }
        if !is_written_plainly(text) {
            return Err(PortalUrlFault::NotAUrl);
        }
        let (origin, target) = split(text)?;
        if !origin.tls && !origin.is_this_machine() {
            return Err(PortalUrlFault::InClear);
        }
        Ok(Self { origin, target })
    }
}

impl fmt::Display for PortalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.target.query().is_some() { "?…" } else { "" };
        write!(f, "{}{}{more}", self.origin, self.target.path())
    }
}

impl fmt::Debug for PortalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortalUrl({self})")
    }
}

impl Origin {
    /// What `host` bears (RFC 9110 §7.2): the port only if it is not the scheme's own.
    pub(super) fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }

    /// Where to connect. Under `http` the name `localhost` is not looked up, so that nobody's resolver can send the
    /// token elsewhere.
    pub(super) fn addresses_in_clear(&self) -> Vec<IpAddr> {
        if self.host == "localhost" {
            return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        }
        self.host.parse().into_iter().collect()
    }

    /// The name of localhost, or an address that never leaves this machine; not a name that leads to one.
    fn is_this_machine(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority())
    }
}

/// Why a redirect is not followed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Astray {
    /// To another scheme, host or port: this one.
    Elsewhere(String),
    /// To what is no place.
    Unreadable,
}

fn split(text: &str) -> Result<(Origin, PathAndQuery), PortalUrlFault> {
    let uri: Uri = text.parse().map_err(|_| PortalUrlFault::NotAUrl)?;
    let scheme = uri.scheme().ok_or(PortalUrlFault::NotAUrl)?;
    let tls = *scheme == Scheme::HTTPS;
    if !tls && *scheme != Scheme::HTTP {
        return Err(PortalUrlFault::NotAUrl);
    }
    let authority = uri.authority().ok_or(PortalUrlFault::NotAUrl)?;
    if authority.as_str().contains('@') {
        return Err(PortalUrlFault::Credentials);
    }
    let host = authority.host();
    let written_port = authority.as_str().strip_prefix(host).ok_or(PortalUrlFault::NotAUrl)?;
    let port = match written_port.strip_prefix(':') {
        None if tls => 443,
        None => 80,
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(PortalUrlFault::Port)?,
    };
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() {
        return Err(PortalUrlFault::NotAUrl);
    }
    if TlsSettings::for_host(host).is_none() {
        return Err(PortalUrlFault::Host);
    }
    let target = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    // Of `https://a.test?site=1` the target would begin with the question mark.
    let target = match target.as_str() {
        whole if whole.starts_with('/') => target,
        query => format!("/{query}").parse().map_err(|_| PortalUrlFault::NotAUrl)?,
    };
    Ok((Origin { tls, host: host.to_ascii_lowercase(), port }, target))
}

/// RFC 3986 §2: what else there is, is written with `%`.
fn is_written_plainly(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte))
}

/// RFC 3986 §4.2: a colon before the first slash is the end of a scheme.
fn has_scheme(reference: &str) -> bool {
    let first = reference.split(['/', '?']).next().unwrap_or_default();
    first.contains(':')
}

/// RFC 3986 §5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Why a text is no portal's URL. Quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortalUrlFault {
    /// A user's name or a password.
    #[error("has credentials in it")]
    Credentials,
    /// A part that is never sent.
    #[error("has a fragment (`#`)")]
    Fragment,
    /// A host that cannot be verified.
    #[error("has a host that no certificate can be for")]
    Host,
    /// Plain HTTP to another machine.
    #[error("is http to another machine, so that anybody on the way could read and change the keys")]
    InClear,
    /// Anything else.
    #[error("is not an https URL")]
    NotAUrl,
    /// A port that none is.
    #[error("has no port of 1 to 65535")]
    Port,
}

impl PortalUrlFault {
    /// What to do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Credentials => {
                "remove them, and send them as a header: headers = { authorization = { file = \"PATH\", prefix = \"Basic \" } }"
            }
            Self::Fragment => "remove it; keys_pointer says where in the document the keys are",
            Self::Host => "write a name of letters, digits, hyphens and dots, or an address",
            Self::InClear => "write https://; http:// is for localhost and loopback addresses alone",
            Self::NotAUrl | Self::Port => "write \"https://HOST/PATH\" or \"https://HOST:PORT/PATH\"",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PortalUrl {
        text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"))
    }

    #[test]
    fn url_keeps_its_path_and_query_and_shows_no_query() {
        for (text, whole, shown) in [
            (
                "https://Portal.test/sites/7?token=s3cret",
                "https://portal.test/sites/7?token=s3cret",
                "https://portal.test/sites/7?…",
            ),
            ("https://portal.test:443", "https://portal.test/", "https://portal.test/"),
            ("https://portal.test?site=1", "https://portal.test/?site=1", "https://portal.test/?…"),
            ("HTTPS://[2001:DB8::1]:8443/a", "https://[2001:db8::1]:8443/a", "https://[2001:db8::1]:8443/a"),
            ("https://192.0.2.1:80/", "https://192.0.2.1:80/", "https://192.0.2.1:80/"),
        ] {
            let url = url(text);
            assert_eq!(url.reveal(), whole);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("PortalUrl({shown})"));
            assert!(url.tls().is_some());
        }
    }

    #[test]
    fn http_is_for_this_machine_alone() {
        for text in ["http://127.0.0.1:8200/a", "http://127.9.9.9/", "http://[::1]/", "http://LocalHost:80/"]
        {
            let url = url(text);
            assert!(url.tls().is_none());
            assert!(!url.origin.addresses_in_clear().is_empty());
            assert!(url.origin.addresses_in_clear().iter().all(IpAddr::is_loopback));
        }
        for text in [
            "http://portal.test/",
            "http://192.0.2.1/",
            "http://localhost.portal.test/",
            "http://a.localhost/",
            "http://localhost./",
            "http://[::ffff:127.0.0.1]/",
            "http://[::]/",
            "http://0.0.0.0/",
        ] {
            assert_eq!(text.parse::<PortalUrl>(), Err(PortalUrlFault::InClear), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_portal_is_refused_for_what_it_is() {
        for (text, fault) in [
            ("", PortalUrlFault::NotAUrl),
            ("portal.test", PortalUrlFault::NotAUrl),
            ("/sites/7", PortalUrlFault::NotAUrl),
            ("ftp://portal.test/", PortalUrlFault::NotAUrl),
            ("https://", PortalUrlFault::NotAUrl),
            ("https:///sites", PortalUrlFault::NotAUrl),
            ("https://portal.test/a b", PortalUrlFault::NotAUrl),
            ("https://portal.test/ä", PortalUrlFault::NotAUrl),
            ("https://portal.test\\@evil.test/", PortalUrlFault::NotAUrl),
            ("https://user@portal.test/", PortalUrlFault::Credentials),
            ("https://user:word@portal.test/", PortalUrlFault::Credentials),
            ("https://portal.test/#keys", PortalUrlFault::Fragment),
            ("https://portal.test:0/", PortalUrlFault::Port),
            ("https://portal.test:65536/", PortalUrlFault::Port),
            ("https://portal.test:/", PortalUrlFault::Port),
            ("https://portal!.test/", PortalUrlFault::Host),
        ] {
            assert_eq!(text.parse::<PortalUrl>(), Err(fault), "{text}");
            assert!(!fault.remedy().is_empty());
        }
    }

    #[test]
    fn redirect_within_the_origin_is_followed_as_rfc_3986_resolves_it() {
        let base = url("https://a.test/b/c/d?q");
        for (location, path) in [
            ("g", "/b/c/g"),
            ("./g/", "/b/c/g/"),
            ("/g", "/g"),
            ("?y", "/b/c/d?y"),
            ("g?y#s", "/b/c/g?y"),
            ("", "/b/c/d?q"),
            (".", "/b/c/"),
            ("..", "/b/"),
            ("../g", "/b/g"),
            ("../../../g", "/g"),
            ("/./g/../h?a/../b", "/h?a/../b"),
            ("https://A.test:443/g", "/g"),
            ("//a.test/g", "/g"),
        ] {
            let there = base.follow(location).unwrap_or_else(|astray| panic!("{location}: {astray:?}"));
            assert_eq!(there.reveal(), format!("https://a.test{path}"), "{location}");
        }
    }

    #[test]
    fn redirect_to_another_scheme_host_or_port_is_not_followed() {
        let base = url("https://a.test/keys");
        for (location, elsewhere) in [
            ("https://b.test/keys", "https://b.test"),
            ("//b.test:8443/keys?token=s3cret", "https://b.test:8443"),
            ("http://a.test/keys", "http://a.test"),
            ("http://a.test:443/keys", "http://a.test:443"),
            ("https://a.test:444/keys", "https://a.test:444"),
            ("https://a.test./keys", "https://a.test."),
        ] {
            assert_eq!(base.follow(location), Err(Astray::Elsewhere(elsewhere.to_owned())), "{location}");
        }
        for location in
            ["https://user@a.test/", "ftp://a.test/", "/a b", "https://", "a:b", "/ä", "\\\\b.test"]
        {
            assert_eq!(base.follow(location), Err(Astray::Unreadable), "{location}");
        }
    }
}
