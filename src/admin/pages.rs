//! What each path answers.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use jiff::Timestamp;

use super::{AdminState, Readiness};
use crate::metrics;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METRICS: HeaderValue = HeaderValue::from_static(metrics::CONTENT_TYPE);

type Reply = Response<Full<Bytes>>;

/// The reply to one request. Its body is not read: where there is one, the connection ends with the reply.
pub(super) fn answer(request: &Request<impl Body>, state: &AdminState) -> Reply {
    let mut reply = match Page::at(request.uri().path()) {
        None => text(StatusCode::NOT_FOUND, "not found\n"),
        Some(_) if !reads(request.method()) => method_not_allowed(),
        Some(Page::Live) => text(StatusCode::OK, "ok\n"),
        Some(Page::Ready) => ready(&state.readiness, Timestamp::now()),
        Some(Page::Metrics) => body(StatusCode::OK, METRICS, state.metrics.encode(Timestamp::now())),
    };
    if !request.body().is_end_stream() {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

enum Page {
    Live,
    Metrics,
    Ready,
}

impl Page {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/livez" => Some(Self::Live),
            "/metrics" => Some(Self::Metrics),
            "/readyz" => Some(Self::Ready),
            _ => None,
        }
    }
}

fn reads(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn ready(readiness: &Readiness, now: Timestamp) -> Reply {
    let obstacles = readiness.obstacles(now);
    if obstacles.is_empty() {
        return text(StatusCode::OK, "ok\n");
    }
    let reasons: String = obstacles.iter().map(|reason| format!("{reason}\n")).collect();
    text(StatusCode::SERVICE_UNAVAILABLE, reasons)
}

fn method_not_allowed() -> Reply {
    let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    reply
}

fn text(status: StatusCode, content: impl Into<Bytes>) -> Reply {
    body(status, TEXT, content)
}

fn body(status: StatusCode, content_type: HeaderValue, content: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(content.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
