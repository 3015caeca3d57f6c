//! What `alewife ping` asks: answered by an inbound proxy itself, in the application's place.

mod echo;

use bytes::{Bytes, BytesMut};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, Uri, response};
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) use echo::Echo;

use super::body::{ReplyBody, RequestBody, Upload, UploadEnd};
use super::exchange::Exchange;
use super::forward::Framing;
use super::respond::Failure;
use crate::ale::{ReplySealing, SealedReply};
use crate::crypto::encoding::base64_encode;
use crate::metrics::Outcome;

/// The path that is answered here instead of by the application.
pub const PING_PATH: &str = "/.well-known/alewife/ping";

/// A ping is small; what is larger is none.
pub(super) const LARGEST_ECHO: usize = 16 * 1024;

/// What an inbound proxy tells of itself and of the request that it opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PingReport {
    /// The version of the program.
    pub alewife: String,
    /// The proxy's name.
    pub proxy: String,
    /// The fingerprint of the key that opened the request.
    pub fingerprint: String,
    /// That key's algorithm.
    pub algorithm: String,
    /// How long the request's IV was.
    pub iv_bytes: usize,
    /// Whether replies are sealed.
    pub seals_replies: bool,
    /// The time here, by RFC 3339.
    pub time: String,
    /// The plaintext that came, in base64; only in a report that is sealed itself.
    pub echo: Option<String>,
}

/// Whether a request is meant for this room rather than for the application.
pub(super) fn is_asked_for(target: &Uri) -> bool {
    target.path() == PING_PATH
}

/// The answer to an opened ping, before it is sealed.
pub(super) struct PingAnswer {
    method: Method,
    status: StatusCode,
    headers: HeaderMap,
    text: Bytes,
    sealing: ReplySealing,
    now: Timestamp,
}

/// Answers a request that was opened, whose body may still be arriving.
pub(super) async fn answer(
    proxy: &str,
    method: Method,
    body: RequestBody,
    upload: Option<&Upload>,
    sealing: ReplySealing,
    now: Timestamp,
) -> Result<PingAnswer, Failure> {
    let plain = collect(body, upload).await?;
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if method != Method::POST {
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
        let (status, text) = (StatusCode::METHOD_NOT_ALLOWED, Bytes::new());
        return Ok(PingAnswer { method, status, headers, text, sealing, now });
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let text = report(proxy, &plain, &sealing, now).into();
    Ok(PingAnswer { method, status: StatusCode::OK, headers, text, sealing, now })
}

async fn collect(mut body: RequestBody, upload: Option<&Upload>) -> Result<BytesMut, Failure> {
    let mut plain = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_broken| match upload.map(Upload::end) {
            Some(UploadEnd::ClientTimedOut) => Failure::ClientTimedOut,
            _ => Failure::ClientBroke,
        })?;
        let Ok(piece) = frame.into_data() else { continue };
        if plain.len() + piece.len() > LARGEST_ECHO {
            return Err(Failure::TooLarge);
        }
        plain.extend_from_slice(&piece);
    }
    Ok(plain)
}

/// An echo in clear would open recorded messages for whoever sends them here, so there is one only where it is sealed.
fn report(proxy: &str, plain: &[u8], sealing: &ReplySealing, now: Timestamp) -> String {
    let seals_replies = sealing.seals();
    let report = PingReport {
        alewife: env!("CARGO_PKG_VERSION").to_owned(),
        proxy: proxy.to_owned(),
        fingerprint: sealing.key().fingerprint.as_str().to_owned(),
        algorithm: sealing.key().secret.algorithm().to_string(),
        iv_bytes: sealing.iv_length().bytes(),
        seals_replies,
        time: now.to_string(),
        echo: seals_replies.then(|| base64_encode(plain)),
    };
    // A struct of texts and numbers always has a JSON form.
    serde_json::to_string(&report).unwrap_or_default()
}

impl PingAnswer {
    /// P5: the answer as the client gets it.
    pub(super) fn finish(self, mut exchange: Exchange) -> Response<ReplyBody> {
        let Self { method, status, mut headers, text, sealing, now } = self;
        exchange.answered(status);
        exchange.reply_bytes(text.len() as u64);
        let body = match sealing.seal(&method, status, &mut headers, now, &mut rand::rng()) {
            SealedReply::Plain => text,
            SealedReply::Bodyless => Bytes::new(),
            SealedReply::Sealed(mut sealer) => {
                let mut sealed = BytesMut::with_capacity(text.len() + 16);
                // P8 is far off: the text is as short as its request.
                let _ = sealer.update(&text, &mut sealed);
                sealer.finish(&mut sealed);
                sealed.freeze()
            }
        };
        Framing::Length(body.len() as u64).write(&mut headers);
        let (mut head, ()): (response::Parts, ()) = Response::new(()).into_parts();
        (head.status, head.headers, head.version) = (status, headers, exchange.version());
        if body.is_empty() {
            // Nobody asks for the frames of a body that has none.
            exchange.end(Outcome::Answered);
        }
        Response::from_parts(head, ReplyBody::own(body, exchange))
    }
}
