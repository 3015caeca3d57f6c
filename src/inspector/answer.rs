//! Replies, each with the headers that keep other pages out.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use serde::Serialize;
use tokio::sync::mpsc;

use super::guard::Refused;
use super::page;
use crate::page::{CONTENT_TYPE as PAGE, Nonce, guard};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const EVENTS: &str = "text/event-stream";

pub(super) type Reply = Response<ReplyBody>;

/// A body that is there, or events that are to come.
pub(super) enum ReplyBody {
    Whole(Option<Bytes>),
    Events(mpsc::Receiver<Bytes>),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take()),
            Self::Events(events) => events.poll_recv(context),
        };
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

/// What was asked for cannot be had, and why, in words for a person.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    error: String,
}

impl Fault {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    pub(super) fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(super) fn conflict(error: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not found")
    }

    pub(super) fn no_exchange() -> Self {
        Self::new(StatusCode::NOT_FOUND, "this exchange is not kept any more")
    }

    pub(super) fn reply(&self) -> Reply {
        #[derive(Serialize)]
        struct Told<'t> {
            error: &'t str,
        }
        json(self.status, &Told { error: &self.error })
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::new(StatusCode::FORBIDDEN, refused.to_string())
    }
}

pub(super) fn json(status: StatusCode, report: &impl Serialize) -> Reply {
    // Texts, numbers and objects of these always have a JSON form.
    reply(status, JSON, serde_json::to_vec(report).unwrap_or_default())
}

pub(super) fn text(text: String) -> Reply {
    reply(StatusCode::OK, TEXT, text.into_bytes())
}

pub(super) fn empty() -> Reply {
    let mut reply = reply(StatusCode::NO_CONTENT, TEXT, Vec::new());
    reply.headers_mut().remove(CONTENT_TYPE);
    reply
}

pub(super) fn events(events: mpsc::Receiver<Bytes>) -> Reply {
    settled(StatusCode::OK, EVENTS, ReplyBody::Events(events), &nonce())
}

pub(super) fn not_allowed(allowed: &'static str) -> Reply {
    let mut reply = Fault::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed").reply();
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

/// The page, whose own scripts and styles bear the nonce of this answer.
pub(super) fn document() -> Reply {
    let nonce = nonce();
    let page = page::page(&nonce);
    settled(StatusCode::OK, PAGE, ReplyBody::Whole(Some(page.into())), &nonce)
}

fn reply(status: StatusCode, kind: &'static str, content: Vec<u8>) -> Reply {
    let content = (!content.is_empty()).then(|| Bytes::from(content));
    settled(status, kind, ReplyBody::Whole(content), &nonce())
}

fn settled(status: StatusCode, kind: &'static str, body: ReplyBody, nonce: &Nonce) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    guard(headers, nonce);
    reply
}

fn nonce() -> Nonce {
    Nonce::of(rand::random())
}
