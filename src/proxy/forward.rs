//! What a proxy changes in a head on its way through (RFC 9110 §7.6, RFC 9112 §3.2), and nothing else.

use http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri, Version};

use super::client::Forwarding;
use super::trace::Trace;
use super::{ForwardedPolicy, HostPolicy};
use crate::profile::Profile;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Fields that concern one connection only; those that `connection` lists come on top.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "http2-settings"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// P6: fields that would speak of the sealed bytes, or give away what the plaintext hashes to.
fn is_of_plain_bytes(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "accept-ranges"
            | "content-digest"
            | "content-md5"
            | "content-range"
            | "digest"
            | "if-range"
            | "range"
            | "repr-digest"
            | "want-content-digest"
            | "want-digest"
            | "want-repr-digest"
    )
}

/// Removes the fields that `condemned` names. Most heads have none, and one pass over the few names that are there
/// costs less than looking up each of those that are not.
fn remove_each(headers: &mut HeaderMap, condemned: fn(&HeaderName) -> bool) {
    if headers.keys().any(condemned) {
        let found: Vec<HeaderName> = headers.keys().filter(|name| condemned(name)).cloned().collect();
        for name in found {
            headers.remove(name);
        }
    }
}

/// How a message says where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `transfer-encoding: chunked`.
    Chunked,
    /// `content-length`, in bytes.
    Length(u64),
    /// Neither: no body under HTTP/1, ended by the stream under HTTP/2.
    Unstated,
}

impl Framing {
    /// Writes the framing into a head whose hop-by-hop fields are gone.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        match self {
            Self::Chunked => {
                headers.remove(header::CONTENT_LENGTH);
                headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            Self::Length(length) => {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            Self::Unstated => {
                headers.remove(header::CONTENT_LENGTH);
            }
        }
    }
}

/// Why a request that hyper took is refused all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FramingFault {
    #[error("a CONNECT request, or a target in authority form")]
    Authority,
    #[error("a content-length that is no number")]
    ContentLength,
    #[error("a WebSocket's handshake with a body, or without its one key")]
    Handshake,
    #[error("no host, two hosts, two that differ, or one that is no host")]
    Host,
    #[error("a target with bytes outside 0x21 to 0x7E, or an asterisk without OPTIONS")]
    Target,
    #[error("a transfer-encoding other than one plain chunked")]
    TransferEncoding,
}

/// Refuses what another parser could read differently; hyper lets these through.
pub(crate) fn check_framing(head: &Parts) -> Result<Framing, FramingFault> {
    check_target(head)?;
    check_host(head)?;
    framing(&head.headers)
}

/// RFC 9112 §3.2: one `host` in HTTP/1.1, beside a target in absolute form as well; its value a host.
fn check_host(head: &Parts) -> Result<(), FramingFault> {
    let authority = head.uri.authority();
    if authority.is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(FramingFault::Authority);
    }
    let needed = match head.version {
        Version::HTTP_2 => authority.is_none(),
        version => version >= Version::HTTP_11,
    };
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let clear = match (hosts.next(), hosts.next()) {
        (None, _) => !needed,
        (Some(host), None) => is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    };
    let clear = clear && authority.is_none_or(|authority| is_host(authority.as_str().as_bytes()));
    if clear { Ok(()) } else { Err(FramingFault::Host) }
}

/// RFC 3986 §3.2: a name or an address, perhaps empty, and perhaps a port. A comma would be allowed in a name,
/// but stands for two hosts that someone merged.
fn is_host(value: &[u8]) -> bool {
    let (name, port) = match value.iter().rposition(|&byte| byte == b':' || byte == b']') {
        Some(colon) if value[colon] == b':' => (&value[..colon], &value[colon + 1..]),
        _ => (value, &[][..]),
    };
    let address = name.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    let named = match address {
        Some(inner) => inner.iter().all(|&byte| byte.is_ascii_hexdigit() || b":.".contains(&byte)),
        None => name.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&byte)),
    };
    named && port.iter().all(u8::is_ascii_digit)
}

/// Refuses a reply whose body the client could not be given as it was meant.
pub(crate) fn check_reply(status: StatusCode, headers: &HeaderMap) -> Result<(), ReplyFault> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(ReplyFault::Switched);
    }
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let plain = encodings.next().is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if plain && encodings.next().is_none() { Ok(()) } else { Err(ReplyFault::TransferEncoding) }
}

/// Why a reply of the upstream is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplyFault {
    #[error(transparent)]
    Handshake(#[from] HandshakeFault),
    #[error("it switches to a protocol that nobody asked for")]
    Switched,
    #[error("a transfer-encoding other than one plain chunked")]
    TransferEncoding,
}

/// Why a 101 is not the answer to a WebSocket's handshake (RFC 6455 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HandshakeFault {
    #[error("it switches without proof that it has read the handshake")]
    Accept,
    #[error("it switches with an extension that nobody offered")]
    Extension,
    #[error("it switches to a subprotocol that nobody offered")]
    Protocol,
    #[error("it switches to something else than a WebSocket")]
    Upgrade,
}

fn check_target(head: &Parts) -> Result<(), FramingFault> {
    let uri = &head.uri;
    if head.method == Method::CONNECT || (uri.authority().is_some() && uri.scheme().is_none()) {
        return Err(FramingFault::Authority);
    }
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let asterisk = target == "*";
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) || (asterisk && head.method != Method::OPTIONS) {
        return Err(FramingFault::Target);
    }
    Ok(())
}

fn framing(headers: &HeaderMap) -> Result<Framing, FramingFault> {
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    match (encodings.next(), lengths.next()) {
        (None, None) => Ok(Framing::Unstated),
        (None, Some(length)) if lengths.next().is_none() => length
            .to_str()
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Framing::Length)
            .ok_or(FramingFault::ContentLength),
        (None, Some(_)) => Err(FramingFault::ContentLength),
        (Some(encoding), None)
            if encodings.next().is_none() && encoding.as_bytes().eq_ignore_ascii_case(b"chunked") =>
        {
            Ok(Framing::Chunked)
        }
        (Some(_), _) => Err(FramingFault::TransferEncoding),
    }
}

/// Takes the hop-by-hop fields out. Says whether the sender of the head takes trailers.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) -> bool {
    if !headers.keys().any(is_hop_by_hop) {
        return false;
    }
    let takes_trailers =
        elements(headers, &header::TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
    let listed: Vec<HeaderName> =
        elements(headers, &header::CONNECTION).filter_map(|name| HeaderName::from_bytes(name).ok()).collect();
    for name in listed {
        headers.remove(name);
    }
    remove_each(headers, is_hop_by_hop);
    takes_trailers
}

/// The members of a comma-separated list, over all lines of the field.
pub(crate) fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).into_iter();
    lines.flat_map(|value| value.as_bytes().split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
}

/// What a head is changed for.
pub(crate) struct Onto<'a> {
    pub(crate) forwarding: &'a Forwarding,
    /// By what name the exchange is known.
    pub(crate) trace: &'a Trace,
    pub(crate) takes_trailers: bool,
    pub(crate) host: HostPolicy,
    /// The upstream's own name, for requests that are to bear it, and for those of HTTP/1.0 that name none.
    pub(crate) upstream: &'a HeaderValue,
    /// Whether its message is sealed on either side, so that fields of the body cannot speak of it.
    pub(crate) is_sealed: bool,
}

/// Makes the client's head the one that the upstream gets, but for its body's framing; `path` stands in place of its path.
pub(crate) fn to_upstream(
    head: &mut Parts,
    onto: &Onto<'_>,
    path: Option<String>,
) -> Result<(), FramingFault> {
    set_host(head)?;
    set_forwarded(&mut head.headers, onto.forwarding);
    onto.trace.write(&mut head.headers);
    match (onto.host, head.headers.entry(header::HOST)) {
        (HostPolicy::Pass, Entry::Occupied(_)) => {}
        (HostPolicy::Pass | HostPolicy::Upstream, Entry::Vacant(host)) => {
            host.insert(onto.upstream.clone());
        }
        (HostPolicy::Upstream, Entry::Occupied(mut host)) => {
            host.insert(onto.upstream.clone());
        }
    }
    if onto.is_sealed {
        strip_sealed_body_fields(&mut head.headers);
    }
    if head.version == Version::HTTP_2 {
        join_cookies(&mut head.headers);
    }
    // `expect: 100-continue` is answered here.
    head.headers.remove(header::EXPECT);
    if onto.takes_trailers {
        head.headers.insert(header::TE, HeaderValue::from_static("trailers"));
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    let target = match path {
        None => head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")),
        Some(path) => {
            let target = match head.uri.query() {
                None => path,
                Some(query) => format!("{path}?{query}"),
            };
            PathAndQuery::try_from(target).map_err(|_too_long| FramingFault::Target)?
        }
    };
    head.uri = Uri::from(target);
    head.version = Version::HTTP_11;
    Ok(())
}

/// Asks for a reply that is not coded, since its plain bytes are what is sealed (P6).
pub(crate) fn ask_for_identity(headers: &mut HeaderMap) {
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

/// Takes out the fields that cannot speak of a body which is sealed here (P6).
pub(crate) fn strip_sealed_body_fields(headers: &mut HeaderMap) {
    remove_each(headers, is_of_plain_bytes);
}

/// Takes out the fields that only a sealed message bears.
pub(crate) fn strip_envelope(headers: &mut HeaderMap, profile: &Profile) {
    for name in profile.carriers() {
        headers.remove(name);
    }
}

/// Leaves in trailers only what may stand there and, of a message that is sealed on one side, does not speak of the
/// envelope or the bytes in it.
pub(crate) fn strip_trailers(trailers: &mut HeaderMap, profile: Option<&Profile>) {
    strip_hop_by_hop(trailers);
    if let Some(profile) = profile {
        strip_sealed_body_fields(trailers);
        strip_envelope(trailers, profile);
    }
    for name in [header::CONTENT_LENGTH, header::HOST, header::TRAILER] {
        trailers.remove(name);
    }
}

/// Whether a reply is a stream of events, which has no end that could be waited for.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_TYPE).iter().any(|value| {
        let media_type = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
        media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
    })
}

/// The host that the upstream is asked for, as [`to_upstream`] settles it, in a head whose framing is right.
pub(crate) fn host_of(head: &Parts) -> Option<&str> {
    if let Some(authority) = head.uri.authority() {
        return Some(authority.as_str());
    }
    let is_dropped =
        elements(&head.headers, &header::CONNECTION).any(|name| name.eq_ignore_ascii_case(b"host"));
    let host = head.headers.get(header::HOST).filter(|_| !is_dropped)?;
    host.to_str().ok()
}

/// RFC 9112 §3.2.2 and RFC 9113 §8.3.1: the target's authority wins over `host`. One of them must be there still
/// (`connection: host` takes it out).
fn set_host(head: &mut Parts) -> Result<(), FramingFault> {
    let Some(authority) = head.uri.authority() else {
        let optional = head.version < Version::HTTP_11;
        let present = head.headers.contains_key(header::HOST);
        return if present || optional { Ok(()) } else { Err(FramingFault::Host) };
    };
    let value = HeaderValue::from_str(authority.as_str()).map_err(|_not_ascii| FramingFault::Host)?;
    let differs = |host: &HeaderValue| !host.as_bytes().eq_ignore_ascii_case(value.as_bytes());
    if head.version == Version::HTTP_2 && head.headers.get(header::HOST).is_some_and(differs) {
        return Err(FramingFault::Host);
    }
    head.headers.insert(header::HOST, value);
    Ok(())
}

fn set_forwarded(headers: &mut HeaderMap, forwarding: &Forwarding) {
    if forwarding.policy == ForwardedPolicy::Off {
        return;
    }
    if forwarding.policy == ForwardedPolicy::Replace {
        remove_each(headers, |name| name.as_str().starts_with("x-forwarded-"));
    }
    if let Some(peer) = &forwarding.peer {
        headers.append(X_FORWARDED_FOR, peer.clone());
    }
    if let Entry::Vacant(proto) = headers.entry(X_FORWARDED_PROTO) {
        proto.insert(forwarding.scheme.clone());
    }
    if let Some(host) = headers.get(header::HOST).cloned()
        && let Entry::Vacant(forwarded) = headers.entry(X_FORWARDED_HOST)
    {
        forwarded.insert(host);
    }
}

/// RFC 9113 §8.2.3: HTTP/2 may split cookies over several fields, HTTP/1 may not.
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().count() < 2 {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}
