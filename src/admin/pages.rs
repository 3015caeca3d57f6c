//! What each path answers.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::oneshot;

use super::local::{self, NotLocal};
use super::order::{NotTaken, Orders, Reload, Why};
use super::{AdminState, Readiness, overview};
use crate::metrics::{self, ReloadOutcome};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const METRICS: HeaderValue = HeaderValue::from_static(metrics::CONTENT_TYPE);

pub(super) type Reply = Response<Full<Bytes>>;

/// Which pages a listener has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All.
    All,
    /// Those for whoever probes and counts.
    Probes,
}

/// The reply to one request. Its body is not read: where there is one, the connection ends with the reply.
pub(super) async fn answer(
    request: &Request<impl Body>,
    peer: IpAddr,
    scope: Scope,
    state: &AdminState,
) -> Reply {
    let page = Page::at(request.uri().path()).filter(|page| scope == Scope::All || page.is_for_probes());
    let mut reply = match page {
        None => text(StatusCode::NOT_FOUND, "not found\n"),
        Some(page) if !page.takes(request.method()) => method_not_allowed(page),
        Some(page) => match page.check(request, peer) {
            Err(refusal) => text(StatusCode::FORBIDDEN, format!("{refusal}\n")),
            Ok(()) => page.show(request, peer, state).await,
        },
    };
    if !request.body().is_end_stream() {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

#[derive(Clone, Copy)]
enum Page {
    Live,
    Metrics,
    /// `/status` for people.
    Overview,
    Ready,
    Reload,
    Shutdown,
    Started,
    Status,
}

impl Page {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::Overview),
            "/livez" => Some(Self::Live),
            "/metrics" => Some(Self::Metrics),
            "/readyz" => Some(Self::Ready),
            "/reload" => Some(Self::Reload),
            "/shutdown" => Some(Self::Shutdown),
            "/startupz" => Some(Self::Started),
            "/status" => Some(Self::Status),
            _ => None,
        }
    }

    /// Whether it may be seen over a network.
    fn is_for_probes(self) -> bool {
        matches!(self, Self::Live | Self::Metrics | Self::Ready | Self::Started)
    }

    /// Whether it has something done.
    fn is_order(self) -> bool {
        matches!(self, Self::Reload | Self::Shutdown)
    }

    fn takes(self, method: &Method) -> bool {
        if self.is_order() { method == Method::POST } else { reads(method) }
    }

    fn check(self, request: &Request<impl Body>, peer: IpAddr) -> Result<(), NotLocal> {
        if !self.is_for_probes() {
            local::check(request, peer)?;
        }
        if self.is_order() { local::check_no_browser(request) } else { Ok(()) }
    }

    async fn show(self, request: &Request<impl Body>, peer: IpAddr, state: &AdminState) -> Reply {
        match self {
            Self::Live => text(StatusCode::OK, "ok\n"),
            Self::Overview => overview::answer(),
            Self::Metrics => body(StatusCode::OK, METRICS, state.metrics.encode(Timestamp::now())),
            Self::Ready if is_verbose(request.uri().query()) => {
                let is_local = local::check(request, peer).is_ok();
                each_condition(state, is_local).await
            }
            Self::Ready => ready(&state.readiness, Timestamp::now()),
            Self::Reload => reload(&state.orders).await,
            Self::Shutdown => {
                state.orders.stop();
                text(StatusCode::ACCEPTED, "stopping\n")
            }
            Self::Started => match state.readiness.has_started(Timestamp::now()) {
                true => text(StatusCode::OK, "ok\n"),
                false => ready(&state.readiness, Timestamp::now()),
            },
            Self::Status => json(StatusCode::OK, &state.status.report()),
        }
    }
}

/// Waits until the configuration was looked at.
async fn reload(orders: &Orders) -> Reply {
    let (told, report) = oneshot::channel();
    if let Err(refused) = orders.try_reload(Reload { why: Why::Admin, told: Some(told) }) {
        return not_taken(refused);
    }
    let Ok(report) = report.await else { return not_taken(NotTaken::Stopping) };
    let status = match report.outcome {
        ReloadOutcome::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        ReloadOutcome::Swapped | ReloadOutcome::Unchanged => StatusCode::OK,
    };
    json(status, &report)
}

fn not_taken(refused: NotTaken) -> Reply {
    text(StatusCode::SERVICE_UNAVAILABLE, format!("{refused}\n"))
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

/// Each condition on a line of its own, as Kubernetes writes them. The applications come last and change nothing.
async fn each_condition(state: &AdminState, is_local: bool) -> Reply {
    let findings = state.applications.findings().await;
    let (mut status, mut lines) = (StatusCode::OK, String::new());
    for (name, holds) in state.readiness.conditions(Timestamp::now()) {
        lines += &match holds {
            Ok(None) => format!("[+]{name} ok\n"),
            Ok(Some(told)) => format!("[+]{name} ok, {told}\n"),
            Err(reason) => {
                status = StatusCode::SERVICE_UNAVAILABLE;
                format!("[-]{name} {reason}\n")
            }
        };
    }
    lines.extend(findings.iter().map(|finding| finding.line(is_local)));
    text(status, lines)
}

fn json(status: StatusCode, report: &impl Serialize) -> Reply {
    // Texts, numbers and objects of these always have a JSON form.
    let mut report = serde_json::to_vec(report).unwrap_or_default();
    report.push(b'\n');
    body(status, JSON, report)
}

fn method_not_allowed(page: Page) -> Reply {
    let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    let allowed = if page.is_order() { "POST" } else { "GET, HEAD" };
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

fn text(status: StatusCode, content: impl Into<Bytes>) -> Reply {
    body(status, TEXT, content)
}

pub(super) fn body(status: StatusCode, content_type: HeaderValue, content: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(content.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
