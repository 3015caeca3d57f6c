//! What each path answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::answer::{self, Fault, Reply, json};
use super::report::{self, LimitsReport, ListReport, SummaryReport};
use super::state::Serving;
use super::{act, copy, detail, doctor, events, faults, keys};

/// Bytes of a request's body.
const LONGEST: usize = 32 * 1024 * 1024;

/// How long a body may take.
const BODY_LIMIT: Duration = Duration::from_secs(30);

/// What a path is for.
enum Page {
    Itself,
    About,
    Events,
    Exchanges,
    Exchange(u64),
    Copy(u64),
    Doctor(u64),
    Repeat(u64),
    Send,
    Faults,
    Keys,
    Rotate,
}

impl Page {
    /// `below` is what follows the token.
    fn at(below: &str) -> Option<Self> {
        let steps: Vec<_> = below.split('/').collect();
        let id = |text: &str| text.parse().ok();
        Some(match steps[..] {
            [""] => Self::Itself,
            ["api", "about"] => Self::About,
            ["api", "events"] => Self::Events,
            ["api", "exchanges"] => Self::Exchanges,
            ["api", "exchanges", number] => Self::Exchange(id(number)?),
            ["api", "exchanges", number, "copy"] => Self::Copy(id(number)?),
            ["api", "exchanges", number, "doctor"] => Self::Doctor(id(number)?),
            ["api", "exchanges", number, "repeat"] => Self::Repeat(id(number)?),
            ["api", "send"] => Self::Send,
            ["api", "faults"] => Self::Faults,
            ["api", "keys"] => Self::Keys,
            ["api", "keys", "rotate"] => Self::Rotate,
            _ => return None,
        })
    }

    fn allowed(&self) -> &'static str {
        match self {
            Self::Itself | Self::About | Self::Events | Self::Exchange(_) | Self::Copy(_) | Self::Keys => {
                "GET"
            }
            Self::Doctor(_) | Self::Repeat(_) | Self::Send | Self::Rotate => "POST",
            Self::Exchanges => "GET, DELETE",
            Self::Faults => "GET, POST, DELETE",
        }
    }

    /// Whether it does something to what runs, and not only to what is shown.
    fn acts(&self, method: &Method) -> bool {
        match self {
            // What the doctor says may have plaintext in it.
            Self::Doctor(_) | Self::Repeat(_) | Self::Send | Self::Rotate => true,
            Self::Faults => method != Method::GET,
            _ => false,
        }
    }
}

/// The reply to one request.
pub(super) async fn answer<B>(request: Request<B>, serving: &Arc<Serving>) -> Reply
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let is_bodyless = request.body().is_end_stream();
    let mut is_read = false;
    let mut reply = match page(request, serving, &mut is_read).await {
        Ok(reply) => reply,
        Err(fault) => fault.reply(),
    };
    if !is_bodyless && !is_read {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

async fn page<B>(request: Request<B>, serving: &Arc<Serving>, is_read: &mut bool) -> Result<Reply, Fault>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let below = serving.guard.below(request.uri().path()).ok_or_else(Fault::not_found)?;
    serving.guard.check(&request)?;
    let page = Page::at(below).ok_or_else(Fault::not_found)?;
    let method = request.method().clone();
    if !page.allowed().split(", ").any(|allowed| allowed == method.as_str()) {
        return Ok(answer::not_allowed(page.allowed()));
    }
    if page.acts(&method) && !serving.state.can_act {
        return Err(Fault::new(
            StatusCode::FORBIDDEN,
            "here the inspector only shows; `alewife dev` acts as well",
        ));
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    match page {
        Page::Itself => Ok(answer::document()),
        Page::About => Ok(about(serving)),
        Page::Events => Ok(answer::events(events::follow(serving, serving.stop.clone()))),
        Page::Exchanges if method == Method::GET => Ok(list(serving)),
        Page::Exchanges => {
            serving.capture().clear();
            Ok(answer::empty())
        }
        Page::Exchange(id) => exchange(serving, id).await,
        Page::Copy(id) => {
            let showing = Arc::clone(serving);
            let line = spawn_blocking(move || copy::line(&showing, id, &query)).await;
            line.unwrap_or_else(|_| Err(Fault::no_exchange())).map(answer::text)
        }
        Page::Doctor(id) => doctor::report(serving, id).await,
        Page::Repeat(id) => {
            let Repeat { exactly } = read(request, is_read).await?;
            begun(act::repeat(serving, id, exactly).await?)
        }
        Page::Send => begun(act::send(serving, read(request, is_read).await?).await?),
        Page::Faults if method == Method::GET => Ok(faults::list(serving)),
        Page::Faults if method == Method::POST => faults::plan(serving, &read(request, is_read).await?),
        Page::Faults => {
            faults::clear(serving);
            Ok(answer::empty())
        }
        Page::Keys => Ok(keys::list(serving)),
        Page::Rotate => keys::rotate(serving).await,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    #[serde(default)]
    exactly: bool,
}

fn begun(id: u64) -> Result<Reply, Fault> {
    #[derive(Serialize)]
    struct Begun {
        id: u64,
    }
    Ok(json(StatusCode::OK, &Begun { id }))
}

fn list(serving: &Serving) -> Reply {
    let (exchanges, left_out) = serving.capture().list();
    let shown: Vec<_> = exchanges.into_iter().map(|summary| serving.state.mask.summary(summary)).collect();
    let exchanges = shown.iter().map(SummaryReport::of).collect();
    json(StatusCode::OK, &ListReport { exchanges, left_out, limits: serving.capture().limits().into() })
}

/// Bodies of any size are looked through and written, while others are served.
async fn exchange(serving: &Arc<Serving>, id: u64) -> Result<Reply, Fault> {
    let showing = Arc::clone(serving);
    let written = move || {
        let captured = showing.shown(id)?;
        let wire = showing.proxy(&captured.summary.proxy).and_then(|proxy| proxy.wire);
        Some(json(StatusCode::OK, &detail::report(&captured, wire.as_ref())))
    };
    spawn_blocking(written).await.ok().flatten().ok_or_else(Fault::no_exchange)
}

fn about(serving: &Serving) -> Reply {
    #[derive(Serialize)]
    struct Proxy<'p> {
        name: &'p str,
        mode: &'static str,
        address: &'p str,
        upstream: &'p str,
        profile: &'p str,
    }
    #[derive(Serialize)]
    struct About<'a> {
        version: &'a str,
        proxies: Vec<Proxy<'a>>,
        limits: LimitsReport,
        can_act: bool,
    }
    let running = (serving.state.about)();
    let proxies = running.proxies.iter().map(|proxy| Proxy {
        name: &proxy.name,
        mode: report::direction(proxy.mode),
        address: &proxy.address,
        upstream: &proxy.upstream,
        profile: &proxy.profile,
    });
    let about = About {
        version: &running.version,
        proxies: proxies.collect(),
        limits: serving.capture().limits().into(),
        can_act: serving.state.can_act,
    };
    json(StatusCode::OK, &about)
}

/// The body of a request, as JSON.
async fn read<B, T: DeserializeOwned>(request: Request<B>, is_read: &mut bool) -> Result<T, Fault>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = Limited::new(request.into_body(), LONGEST);
    let body = match timeout(BODY_LIMIT, body.collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 32 MiB"));
        }
        Ok(Err(_)) => return Err(Fault::bad("the body broke off")),
        Err(_) => return Err(Fault::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    };
    *is_read = true;
    let body = if body.is_empty() { &b"{}"[..] } else { &body };
    serde_json::from_slice(body).map_err(|error| Fault::bad(format!("the body is not as expected: {error}")))
}
