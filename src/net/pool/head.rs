//! The head of a request as HTTP/2 has it, and back again for a connection that speaks HTTP/1.1.

use http::header::{CONNECTION, HOST, HeaderValue, TE, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Request, Uri, Version};

/// How requests name the upstream under HTTP/2.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    /// For requests whose `host` names nothing that may stand in `:authority`.
    pub(super) authority: Authority,
}

/// What a head loses on its way to HTTP/2.
#[derive(Debug)]
pub(super) struct Http1Form {
    uri: Uri,
    version: Version,
    host: Option<HeaderValue>,
    connection: Option<HeaderValue>,
    transfer_encoding: Option<HeaderValue>,
}

impl Origin {
    /// RFC 9113 §8.2.2 and §8.3.1: `:scheme` and `:authority` (from `host`) join the target, and fields that speak of a
    /// connection of HTTP/1.1 go.
    pub(super) fn to_http2<B>(&self, request: &mut Request<B>) -> Http1Form {
        let headers = request.headers_mut();
        let host = headers.remove(HOST);
        let connection = headers.remove(CONNECTION);
        let transfer_encoding = headers.remove(TRANSFER_ENCODING);
        keep_trailers_alone(headers);
        let authority = host.as_ref().and_then(|host| Authority::try_from(host.as_bytes()).ok());
        let target = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(authority.unwrap_or_else(|| self.authority.clone()))
            .path_and_query(target)
            .build()
            .unwrap_or_else(|_| request.uri().clone());
        let uri = std::mem::replace(request.uri_mut(), uri);
        let version = std::mem::replace(request.version_mut(), Version::HTTP_2);
        Http1Form { uri, version, host, connection, transfer_encoding }
    }
}

impl Http1Form {
    /// The head as it was.
    pub(super) fn restore<B>(self, request: &mut Request<B>) {
        *request.uri_mut() = self.uri;
        *request.version_mut() = self.version;
        let fields =
            [(HOST, self.host), (CONNECTION, self.connection), (TRANSFER_ENCODING, self.transfer_encoding)];
        for (name, value) in fields {
            if let Some(value) = value {
                request.headers_mut().insert(name, value);
            }
        }
    }
}

/// RFC 9113 §8.2.2: of `te` only `trailers` may stay.
fn keep_trailers_alone(headers: &mut HeaderMap) {
    let trailers = HeaderValue::from_static("trailers");
    if headers.get(TE).is_some_and(|value| value != trailers) {
        headers.remove(TE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin { scheme: Scheme::HTTPS, authority: Authority::from_static("kitchen.test:8443") }
    }

    fn request(target: &str, fields: &[(&'static str, &'static str)]) -> Request<()> {
        let request = Request::builder().method("POST").uri(target);
        fields.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(()).unwrap()
    }

    fn fields(request: &Request<()>) -> Vec<(&str, &[u8])> {
        let fields = request.headers().iter();
        let mut fields: Vec<_> = fields.map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        fields.sort_unstable();
        fields
    }

    #[test]
    fn host_becomes_the_authority_and_fields_of_the_connection_go() {
        let mut request = request(
            "/orders?table=7",
            &[
                ("host", "Orders.test:81"),
                ("x-a", "1"),
                ("te", "trailers"),
                ("connection", "te"),
                ("transfer-encoding", "chunked"),
            ],
        );
        origin().to_http2(&mut request);
        assert_eq!(request.uri(), "https://Orders.test:81/orders?table=7");
        assert_eq!(request.version(), Version::HTTP_2);
        assert_eq!(fields(&request), [("te", &b"trailers"[..]), ("x-a", b"1")]);
    }

    #[test]
    fn a_head_comes_back_as_it_was() {
        for (target, host) in [("/orders?table=7", "orders.test"), ("*", "orders.test"), ("/", "")] {
            let all = [("x-a", "1"), ("te", "trailers"), ("host", host), ("connection", "te"), ("x-a", "2")];
            let original = request(target, &all);
            let mut turned = original.clone();
            let form = origin().to_http2(&mut turned);
            assert_ne!(turned.headers(), original.headers());
            form.restore(&mut turned);
            assert_eq!(turned.uri(), original.uri());
            assert_eq!(turned.version(), original.version());
            assert_eq!(turned.headers(), original.headers());
        }
    }

    #[test]
    fn a_host_that_is_no_authority_becomes_the_upstreams() {
        for fields in [&[("host", "")][..], &[("host", "a%41.test")], &[]] {
            let mut request = request("/", fields);
            origin().to_http2(&mut request);
            assert_eq!(request.uri(), "https://kitchen.test:8443/", "for {fields:?}");
        }
    }

    #[test]
    fn an_asterisk_stays_one() {
        let mut request = request("*", &[("host", "orders.test")]);
        origin().to_http2(&mut request);
        assert_eq!(request.uri().path_and_query().map(PathAndQuery::as_str), Some("*"));
        assert_eq!(request.uri().authority().map(Authority::as_str), Some("orders.test"));
    }

    #[test]
    fn a_te_that_lists_codings_goes() {
        let mut request = request("/", &[("host", "a"), ("te", "gzip, trailers")]);
        origin().to_http2(&mut request);
        assert_eq!(fields(&request), []);
    }
}
