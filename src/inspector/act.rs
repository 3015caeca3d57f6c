//! Requests that are sent from the page: one that was captured once more, or one that was written there.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{Method, Request, Uri};
use jiff::Timestamp;
use serde::Deserialize;

use super::answer::Fault;
use super::state::{ProxyAbout, Serving};
use super::transfer;
use crate::ale;
use crate::capture::{Captured, Direction, Half, Kind, Side};
use crate::crypto::encoding;
use crate::profile::{Profile, StreamProfile, WholeProfile};

/// What a connection is asked, and not the application; and what is made anew.
const OF_THE_CONNECTION: [HeaderName; 10] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    X_REQUEST_ID,
];

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What was written on the page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    proxy: String,
    method: String,
    target: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// In base64.
    #[serde(default)]
    body: String,
}

/// Sends a captured request once more: the very bytes, or its plaintext sealed anew. Gives back the number of the
/// exchange that it became.
pub(super) async fn repeat(serving: &Arc<Serving>, id: u64, exactly: bool) -> Result<u64, Fault> {
    let captured = serving.capture().get(id).ok_or_else(Fault::no_exchange)?;
    let proxy = &proxy(serving, &captured.summary.proxy)?;
    if captured.summary.kind == Kind::WebSocket {
        return Err(Fault::conflict("a WebSocket cannot be repeated"));
    }
    if !captured.summary.done {
        return Err(Fault::conflict("this exchange is still under way"));
    }
    let head = captured.head(Half::Request, Side::Client).ok_or_else(Fault::no_exchange)?;
    let (mut parts, body) = (
        head_of(&captured.summary.method, &captured.summary.target, &head.fields)?,
        whole_body(&captured, Side::Client)?,
    );
    let body = if exactly || proxy.mode == Direction::Outbound {
        body
    } else if let Some(Profile::Whole(profile)) = &proxy.wire {
        // Opened anew rather than taken from what the application got: values may stand in the target and in headers.
        let plain = reopened(proxy, profile, &mut parts, &body)?;
        sealed(proxy, &mut parts, &plain, !plain.is_empty())?
    } else {
        // The application's encoding of what was sealed, which has another name while it is.
        let plain = captured.head(Half::Request, Side::Upstream);
        let plain = plain.ok_or_else(|| {
            Fault::conflict("its plaintext is not known, so it can only be repeated exactly")
        })?;
        let has_body = !body.is_empty();
        parts.headers.remove(StreamProfile::CONTENT_ENCODING);
        for (_, value) in plain.fields.iter().filter(|(name, _)| name == "content-encoding") {
            parts.headers.append(http::header::CONTENT_ENCODING, header_value(value)?);
        }
        sealed(proxy, &mut parts, &whole_body(&captured, Side::Upstream)?, has_body)?
    };
    begin(serving, proxy, parts, body, Some(id)).await
}

/// Sends what was written, sealed where the proxy expects it so.
pub(super) async fn send(serving: &Arc<Serving>, written: Written) -> Result<u64, Fault> {
    let proxy = &proxy(serving, &written.proxy)?;
    let mut parts = head_of(&written.method, &written.target, &written.headers)?;
    let body = encoding::base64_decode(written.body.as_bytes());
    let body = body.ok_or_else(|| Fault::bad("the body is not in base64"))?;
    let body = match proxy.mode {
        Direction::Inbound => sealed(proxy, &mut parts, &body, !body.is_empty())?,
        Direction::Outbound => body.into(),
    };
    begin(serving, proxy, parts, body, None).await
}

fn proxy(serving: &Serving, name: &str) -> Result<ProxyAbout, Fault> {
    serving.proxy(name).ok_or_else(|| Fault::conflict("no proxy has this name any more"))
}

/// The head of a request without what is the connection's.
fn head_of(method: &str, target: &str, fields: &[(String, String)]) -> Result<Parts, Fault> {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::from_bytes(method.as_bytes()).map_err(|_| Fault::bad("this is no method"))?;
    if parts.method == Method::CONNECT {
        return Err(Fault::bad("CONNECT asks for a tunnel, and no proxy here makes one"));
    }
    let target: Uri = target.parse().map_err(|_| Fault::bad("this is no target; spaces must be escaped"))?;
    if !target.path().starts_with('/') {
        return Err(Fault::bad("a target begins with /"));
    }
    parts.uri = target;
    parts.headers = headers_of(fields)?;
    Ok(parts)
}

/// The headers of a message without those that are the connection's.
pub(super) fn headers_of(fields: &[(String, String)]) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.trim().as_bytes())
            .map_err(|_| Fault::bad("a header has a name that is none"))?;
        let added = headers.try_append(name, header_value(value)?);
        added.map_err(|_| Fault::bad("there are too many headers"))?;
    }
    let named = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> =
        named.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    for name in OF_THE_CONNECTION.iter().chain(&named) {
        headers.remove(name);
    }
    Ok(headers)
}

fn header_value(value: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_bytes(value.trim().as_bytes())
        .map_err(|_| Fault::bad("a header has a value that cannot stand there"))
}

/// The body of the request on one side, if all of it was kept.
fn whole_body(captured: &Captured, side: Side) -> Result<Bytes, Fault> {
    let body = captured.body(Half::Request, side);
    if !body.is_whole() {
        return Err(Fault::conflict("its body was not kept whole, so it cannot be sent again"));
    }
    Ok(Bytes::copy_from_slice(&body.kept))
}

/// Opens a captured request of a profile that holds messages, with no key's use counted.
fn reopened(
    proxy: &ProxyAbout,
    profile: &Arc<WholeProfile>,
    parts: &mut Parts,
    body: &[u8],
) -> Result<ale::PlainBody, Fault> {
    let keys = proxy.keys.as_ref().ok_or_else(|| Fault::conflict("this proxy has no keys to open with"))?;
    ale::reopen_whole(profile, parts, body, &keys.snapshot(), Timestamp::now()).map_err(|fault| {
        Fault::conflict(format!("it does not open now, so it can only be repeated exactly: {fault}"))
    })
}

/// Seals a request as a client of the proxy would.
fn sealed(proxy: &ProxyAbout, parts: &mut Parts, plain: &[u8], has_body: bool) -> Result<Bytes, Fault> {
    let (Some(profile), Some(keys)) = (&proxy.wire, &proxy.keys) else {
        return Err(Fault::conflict("this proxy has no profile and no keys to seal with"));
    };
    let now = Timestamp::now();
    let ring = keys.snapshot();
    let profile = match profile {
        Profile::Stream(profile) => profile,
        Profile::Whole(profile) => {
            let key = ale::whole_sealing_key(profile, &ring, now);
            let key = key.ok_or_else(|| Fault::conflict("no key of this profile may seal now"))?;
            let sealed = ale::seal_whole(profile, parts, plain, &key, now, &mut rand::rng());
            let sealed = sealed.map_err(|fault| Fault::conflict(format!("it cannot be sealed: {fault}")))?;
            return Ok(sealed.body.into());
        }
    };
    let key = ring.sealing_key(now).ok_or_else(|| Fault::conflict("no key may seal now"))?;
    if !profile.takes(key.secret.algorithm()) {
        return Err(Fault::conflict("the key that seals has another algorithm than the profile"));
    }
    let sealing = ale::seal_request(profile, parts, has_body, key, now, &mut rand::rng());
    let Some(mut sealer) = sealing.body else { return Ok(Bytes::new()) };
    let mut body = BytesMut::with_capacity(plain.len() + 16);
    sealer.update(plain, &mut body).map_err(|_| Fault::conflict("the body is too long to be sealed"))?;
    sealer.finish(&mut body);
    Ok(body.freeze())
}

async fn begin(
    serving: &Arc<Serving>,
    proxy: &ProxyAbout,
    mut parts: Parts,
    body: Bytes,
    repeats: Option<u64>,
) -> Result<u64, Fault> {
    let Some(address) = proxy.reach else {
        return Err(Fault::conflict(
            "this proxy does not listen for plain HTTP over TCP, so nothing can be sent to it",
        ));
    };
    let address = transfer::reachable(address);
    if !parts.headers.contains_key(HOST) {
        parts.headers.insert(HOST, header_value(&address.to_string())?);
    }
    let request_id = encoding::hex_encode(&rand::random::<[u8; 16]>());
    parts.headers.insert(X_REQUEST_ID, header_value(&request_id)?);
    let expected = serving.capture().expect(request_id, repeats);
    let request = Request::from_parts(parts, body);
    transfer::send(address, request, expected, serving.stop.clone()).await
}
