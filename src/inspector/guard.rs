//! Who may ask: whoever knows the path, and no page but the inspector's own.

use std::net::SocketAddr;

use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Method, Request};
use subtle::ConstantTimeEq;

/// What a request must bear.
pub(super) struct Guard {
    token: String,
    address: SocketAddr,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// A name that somebody made point here.
    #[error("the inspector answers to the names localhost, 127.0.0.1 and [::1] only, each with its own port")]
    Host,
    /// Another page.
    #[error("the inspector answers to its own page only, and to clients that are no browsers")]
    Origin,
    /// A form of another page can do this much.
    #[error("send it with content-type: application/json")]
    ContentType,
}

impl Guard {
    pub(super) fn new(token: String, address: SocketAddr) -> Self {
        Self { token, address }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/{}/", self.address, self.token)
    }

    /// What follows the token in the path; `None` where it is another, or none at all.
    pub(super) fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        let (token, below) = path.strip_prefix('/')?.split_once('/')?;
        bool::from(token.as_bytes().ct_eq(self.token.as_bytes())).then_some(below)
    }

    /// Whether this machine's own client asks, or the inspector's own page.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Refused> {
        let headers = request.headers();
        let host =
            single(headers, HOST.as_str()).and_then(|host| self.own_host(host)).ok_or(Refused::Host)?;
        // The target may name one as well.
        if request.uri().authority().is_some_and(|named| self.own_host(named.as_str()).is_none()) {
            return Err(Refused::Host);
        }
        let site = single(headers, "sec-fetch-site");
        let is_other_site = headers.contains_key("sec-fetch-site")
            && !site.is_some_and(|site| matches!(site, "same-origin" | "none"));
        let is_own = match (headers.contains_key(ORIGIN), single(headers, ORIGIN.as_str())) {
            (false, _) => false,
            (true, Some(origin)) if origin.eq_ignore_ascii_case(&format!("http://{host}")) => true,
            (true, _) => return Err(Refused::Origin),
        };
        if is_other_site {
            return Err(Refused::Origin);
        }
        let changes = request.method() == Method::POST || request.method() == Method::DELETE;
        if changes && !is_own && !is_json(headers) {
            return Err(Refused::ContentType);
        }
        Ok(())
    }

    /// The host as it was written, if it is one of this machine's with the right port.
    fn own_host<'h>(&self, host: &'h str) -> Option<&'h str> {
        let authority: Authority = host.parse().ok()?;
        let name = authority.host();
        let is_named = ["127.0.0.1", "[::1]"].contains(&name) || name.eq_ignore_ascii_case("localhost");
        let port = match authority.port() {
            Some(port) => port.as_str().parse().ok()?,
            None => 80,
        };
        (is_named && port == self.address.port() && !host.contains('@')).then_some(host)
    }
}

fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = single(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}
