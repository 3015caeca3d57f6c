//! What each path answers.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use jiff::Timestamp;

use super::{AdminState, Readiness, Status, local};
use crate::metrics;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const METRICS: HeaderValue = HeaderValue::from_static(metrics::CONTENT_TYPE);

type Reply = Response<Full<Bytes>>;

/// The reply to one request. Its body is not read: where there is one, the connection ends with the reply.
pub(super) fn answer(request: &Request<impl Body>, peer: IpAddr, state: &AdminState) -> Reply {
    let mut reply = match Page::at(request.uri().path()) {
        None => text(StatusCode::NOT_FOUND, "not found\n"),
        Some(_) if !reads(request.method()) => method_not_allowed(),
        Some(Page::Live) => text(StatusCode::OK, "ok\n"),
        Some(Page::Ready) if is_verbose(request.uri().query()) => {
            each_condition(&state.readiness, Timestamp::now())
        }
        Some(Page::Ready) => ready(&state.readiness, Timestamp::now()),
        Some(Page::Status) => match local::check(request, peer) {
            Ok(()) => status(&state.status),
            Err(refusal) => text(StatusCode::FORBIDDEN, format!("{refusal}\n")),
        },
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
    Status,
}

impl Page {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/livez" => Some(Self::Live),
            "/metrics" => Some(Self::Metrics),
            "/readyz" => Some(Self::Ready),
            "/status" => Some(Self::Status),
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

/// Kubernetes' own word for it, `?verbose`, with or without a value.
fn is_verbose(query: Option<&str>) -> bool {
    let mut parameters = query.unwrap_or_default().split('&');
    parameters.any(|parameter| parameter.split('=').next() == Some("verbose"))
}

/// Each condition on a line of its own, as Kubernetes writes them.
fn each_condition(readiness: &Readiness, now: Timestamp) -> Reply {
    let (mut status, mut lines) = (StatusCode::OK, String::new());
    for (name, holds) in readiness.conditions(now) {
        lines += &match holds {
            Ok(None) => format!("[+]{name} ok\n"),
            Ok(Some(told)) => format!("[+]{name} ok, {told}\n"),
            Err(reason) => {
                status = StatusCode::SERVICE_UNAVAILABLE;
                format!("[-]{name} {reason}\n")
            }
        };
    }
    text(status, lines)
}

fn status(status: &Status) -> Reply {
    // Texts, numbers and objects of these always have a JSON form.
    let mut report = serde_json::to_vec(&status.report()).unwrap_or_default();
    report.push(b'\n');
    body(StatusCode::OK, JSON, report)
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
