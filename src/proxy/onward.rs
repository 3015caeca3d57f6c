//! The way on to the upstream, in both modes: heads made ready, requests sent, deadlines kept.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::header::{CONTENT_LENGTH, HeaderValue, TRAILER};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version, response};
use http_body::Body;
use hyper::body::Incoming;

use super::body::{Arriving, Change, Flow, RequestBody, Upload, UploadEnd};
use super::client::Client;
use super::exchange::Exchange;
use super::forward::{self, Framing, FramingFault, Onto};
use super::limits::Pace;
use super::respond::Failure;
use super::trace::Trace;
use super::{ProxyConfig, RouteConfig, Timeouts, Upstream};
use crate::capture::Side;
use crate::metrics::ProxyMetrics;
use crate::net::{LazyTimer, Lease, Pool, SendFault, SpareTimer, UpstreamTls};

/// What leads to the upstream of one route on one worker.
pub(crate) struct Onward {
    config: Arc<ProxyConfig>,
    route: RouteConfig,
    pool: Arc<Pool<RequestBody>>,
    /// The upstream's own name, as `host` has it.
    authority: HeaderValue,
}

/// The connections of one worker of a proxy: routes to the same upstream share them.
pub(crate) struct Pools {
    config: Arc<ProxyConfig>,
    metrics: ProxyMetrics,
    /// What the workers share of each upstream under TLS.
    tls: Vec<(Upstream, UpstreamTls)>,
    pools: Vec<(Upstream, Arc<Pool<RequestBody>>)>,
}

impl Pools {
    pub(crate) fn new(
        config: Arc<ProxyConfig>,
        metrics: ProxyMetrics,
        tls: Vec<(Upstream, UpstreamTls)>,
    ) -> Self {
        Self { config, metrics, tls, pools: Vec::new() }
    }

    fn of(&mut self, upstream: &Upstream) -> Arc<Pool<RequestBody>> {
        if let Some((_, pool)) = self.pools.iter().find(|(known, _)| known == upstream) {
            return Arc::clone(pool);
        }
        let tls = self.tls.iter().find(|(known, _)| known == upstream).map(|(_, tls)| tls.clone());
        let pool = Pool::new(&upstream.pool_settings(&self.config.timeouts, tls), self.metrics.clone());
        self.pools.push((upstream.clone(), Arc::clone(&pool)));
        pool
    }
}

/// The head of the upstream's reply, its body on the way, and the connection that it comes by.
pub(crate) type Sent = (Response<Incoming>, Lease<RequestBody>);

/// The same taken apart, what comes of the body being noted.
pub(crate) fn taken_apart(
    (response, lease): Sent,
    exchange: &Exchange,
) -> (response::Parts, Arriving, Lease<RequestBody>) {
    let (head, body) = response.into_parts();
    (head, Arriving::reply(body, exchange.tap().clone()), lease)
}

impl Onward {
    pub(crate) fn new(route: RouteConfig, pools: &mut Pools) -> Self {
        let (config, pool) = (Arc::clone(&pools.config), pools.of(&route.upstream));
        // RFC 9112 §3.2 asks for an empty value where there is no authority to name.
        let authority =
            HeaderValue::from_str(&route.upstream.authority()).unwrap_or(HeaderValue::from_static(""));
        Self { config, route, pool, authority }
    }

    /// Makes the client's head the one that the upstream gets, but for its framing.
    pub(crate) fn prepare(
        &self,
        head: &mut Parts,
        client: &Client,
        exchange: &Exchange,
        takes_trailers: bool,
    ) -> Result<(), FramingFault> {
        self.prepare_as(head, client, exchange.trace(), takes_trailers, self.route.keys().is_some())
    }

    /// The same for a message that is plain on both sides, and keeps what speaks of its body.
    pub(crate) fn prepare_plain(
        &self,
        head: &mut Parts,
        client: &Client,
        exchange: &Exchange,
        takes_trailers: bool,
    ) -> Result<(), FramingFault> {
        self.prepare_as(head, client, exchange.trace(), takes_trailers, false)
    }

    fn prepare_as(
        &self,
        head: &mut Parts,
        client: &Client,
        trace: &Trace,
        takes_trailers: bool,
        is_sealed: bool,
    ) -> Result<(), FramingFault> {
        let onto = Onto {
            forwarding: &client.forwarding,
            takes_trailers,
            host: self.config.host,
            upstream: &self.authority,
            is_sealed,
            trace,
        };
        let rewritten = self.route.rewritten(head.uri.path());
        forward::to_upstream(head, &onto, rewritten)
    }

    /// The client's body as it streams through `change`, which makes `length` bytes of it, if that is known. The exchange
    /// is told how far it comes.
    pub(crate) fn stream(
        &self,
        body: Arriving,
        change: Change,
        length: Option<u64>,
        client: &Client,
        exchange: &mut Exchange,
    ) -> RequestBody {
        let (body, upload) = RequestBody::streamed(
            Flow::new(body, change, length),
            self.config.timeouts.body,
            Pace::new(&self.config, &exchange.shared().limits),
            Arc::clone(exchange.shared()),
            client.activity.body_arrives(),
        );
        exchange.streams(upload);
        body
    }

    /// Sends `request` and waits for the head of the reply, which is judged here.
    pub(crate) async fn send(
        &self,
        mut request: Request<RequestBody>,
        client: &Client,
        exchange: &mut Exchange,
    ) -> Result<Sent, Failure> {
        tap_request(&mut request, exchange);
        let sent = self.in_time(self.pool.send(request), client, exchange).await?;
        exchange.tap().reply_head(Side::Upstream, &sent.0);
        forward::check_reply(sent.0.status(), sent.0.headers())?;
        Ok(sent)
    }

    /// Sends `request`, which asks for a WebSocket, on a connection of its own. What comes may be a 101, which is not
    /// judged here; any other reply is.
    pub(crate) async fn upgrade(
        &self,
        mut request: Request<RequestBody>,
        client: &Client,
        exchange: &mut Exchange,
    ) -> Result<Sent, Failure> {
        tap_request(&mut request, exchange);
        let sent = self.in_time(self.pool.upgrade(request), client, exchange).await?;
        exchange.tap().reply_head(Side::Upstream, &sent.0);
        if sent.0.status() != StatusCode::SWITCHING_PROTOCOLS {
            forward::check_reply(sent.0.status(), sent.0.headers())?;
        }
        Ok(sent)
    }

    async fn in_time<T>(
        &self,
        sending: impl Future<Output = Result<T, SendFault>>,
        client: &Client,
        exchange: &mut Exchange,
    ) -> Result<T, Failure> {
        exchange.goes_on();
        let upload = exchange.upload();
        let sent = tokio::select! {
            biased;
            sent = sending => sent.map_err(|fault| blame(fault, upload)),
            () = reply_overdue(&self.config.timeouts, upload, &client.timer) => Err(Failure::UpstreamTimedOut),
        };
        exchange.comes_back();
        sent
    }
}

/// Has the request noted as it goes on.
fn tap_request(request: &mut Request<RequestBody>, exchange: &Exchange) {
    let tap = exchange.tap();
    if tap.is_on() {
        tap.request_head(Side::Upstream, request);
        let body = std::mem::replace(request.body_mut(), RequestBody::Empty);
        *request.body_mut() = body.tapped(tap.clone());
    }
}

/// Whether `body` may have bytes. HTTP/2 may state a length of 0 and end the body later; the upstream's side asks for
/// none of it.
pub(crate) fn may_have_bytes(body: &Arriving) -> bool {
    !(body.is_end_stream() || body.size_hint().exact() == Some(0))
}

/// The framing of a body that streams on: HTTP/2 ends its bodies without stating a length.
pub(crate) fn framing_onward(framing: Framing, version: Version) -> Framing {
    match framing {
        Framing::Unstated if version == Version::HTTP_2 => Framing::Chunked,
        stated => stated,
    }
}

/// The length of a reply's body, if it states one; a reply to HEAD states that of the body it leaves out, 204 and 304
/// state none.
pub(crate) fn stated_length(head: &response::Parts, body: &Arriving, method: &Method) -> Option<u64> {
    if matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return None;
    }
    if *method == Method::HEAD {
        return head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    }
    if body.is_end_stream() {
        // HTTP/2 may end a reply with its head, and state no length.
        return Some(0);
    }
    if head.version == Version::HTTP_2 && head.headers.contains_key(TRAILER) {
        // It may state a length beside trailers; under HTTP/1 these need chunks.
        return None;
    }
    body.size_hint().exact()
}

/// A streamed upload that broke takes the upstream's connection along; the blame is the client's.
fn blame(fault: SendFault, upload: Option<&Upload>) -> Failure {
    match upload.map(Upload::end) {
        Some(UploadEnd::ClientBroke) => Failure::ClientBroke,
        Some(UploadEnd::ClientTimedOut) => Failure::ClientTimedOut,
        Some(UploadEnd::ClientTooSlow) => Failure::ClientTooSlow,
        Some(UploadEnd::TooLong) => Failure::TooLarge,
        Some(UploadEnd::NotYet | UploadEnd::Whole) | None => fault.into(),
    }
}

/// Ends when the upstream has had its time: for the head of its reply, or for taking more of the body.
async fn reply_overdue(timeouts: &Timeouts, upload: Option<&Upload>, spare: &SpareTimer) {
    let sent = Instant::now();
    let due = || match upload {
        None => sent + timeouts.reply,
        Some(upload) => upload
            .due(timeouts.body, timeouts.reply)
            .unwrap_or_else(|| Instant::now() + timeouts.body.min(timeouts.reply)),
    };
    // The body may end long before the upstream is due to ask for more of it, and its time to answer runs then.
    let look = timeouts.body.min(timeouts.reply);
    let mut timer = Lent { timer: Some(spare.take(due())), spare };
    poll_fn(|cx| timer.timer.as_mut().map_or(Poll::Pending, |timer| timer.poll_due(due(), look, cx))).await;
}

/// Goes back whichever way the wait ends.
struct Lent<'a> {
    timer: Option<LazyTimer>,
    spare: &'a SpareTimer,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.spare.give_back(timer);
        }
    }
}
