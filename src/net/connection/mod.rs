//! One connection of a client: HTTP/1 or HTTP/2 on the same socket, with a deadline for every wait.
//!
//! hyper's own timers are left off: its header time-out also cuts idle keep-alive connections, it does not run
//! before the version is known, and it never covers bodies. Here one timer follows the [`Activity`] of the
//! connection and is set anew only when it fires or something earlier comes up.

mod activity;
mod arrival;
mod proxy_head;
mod sniff;
mod socket;
mod stream;
mod upgrade;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body::Body;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio_util::sync::WaitForCancellationFuture;

pub use activity::{Activity, ArrivingBody, ConnectionLimits};
use activity::{Due, LOOK};
pub use arrival::{Arrived, Reception, receive};
pub use proxy_head::ProxyHeadFault;
pub use stream::ClientStream;
pub use upgrade::{Upgrade, UpgradedStream};

use super::{LazyTimer, Stop};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// hyper's buffer per connection: bounds what one body piece can be, and a head.
const MAX_BUFFER: usize = 128 * 1024;
/// As many fields hyper parses without taking memory for each head.
const FIELDS_FOR_FREE: usize = 100;

/// How a connection ended.
#[derive(Debug)]
pub enum ConnectionEnd {
    /// Between two requests, by either side; or HTTP ended with an [`Upgrade`].
    Closed,
    /// hyper gave it up: bytes that are no HTTP, a peer that went away.
    Failed(hyper::Error),
    /// A proxy in front that does not say whose connection it passes on.
    NoProxyHead(ProxyHeadFault),
    /// TLS was not agreed on.
    NoTls(io::Error),
    /// A deadline passed.
    TimedOut(&'static str),
}

impl From<ProxyHeadFault> for ConnectionEnd {
    fn from(fault: ProxyHeadFault) -> Self {
        Self::NoProxyHead(fault)
    }
}

/// Serves one connection of HTTP to its end.
pub async fn serve_connection<S, B>(
    arrived: Arrived,
    activity: Arc<Activity>,
    service: S,
    stop: Stop,
) -> ConnectionEnd
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let Arrived { socket, prefix, .. } = arrived;
    let limits = *activity.limits();
    let limits = &limits;
    let io = TokioIo::new(ClientStream::new(socket, prefix, Arc::clone(&activity)));
    if activity.is_http2() {
        let connection = http2_builder(limits).serve_connection(io, service);
        drive(pin!(connection), &activity, &stop).await
    } else {
        let connection = http1_builder(limits).serve_connection(io, service).with_upgrades();
        drive(pin!(connection), &activity, &stop).await
    }
}

fn http1_builder(limits: &ConnectionLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .auto_date_header(false)
        .preserve_header_case(true)
        .max_header_size(limits.head_bytes as usize)
        .max_buf_size(MAX_BUFFER);
    if limits.head_fields > FIELDS_FOR_FREE {
        builder.max_headers(limits.head_fields);
    }
    builder
}

fn http2_builder(limits: &ConnectionLimits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_concurrent_streams(100)
        .max_header_list_size(limits.head_bytes)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// What both versions' connections have in common.
trait Winding: Future<Output = hyper::Result<()>> {
    /// Finishes what is under way and takes nothing new.
    fn wind_down(self: Pin<&mut Self>);
}

impl<S, B> Winding for http1::UpgradeableConnection<TokioIo<ClientStream>, S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
{
    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S, B> Winding for http2::Connection<TokioIo<ClientStream>, S, TokioExecutor>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

async fn drive<C: Winding>(connection: Pin<&mut C>, activity: &Activity, stop: &Stop) -> ConnectionEnd {
    let look = Instant::now() + LOOK;
    let timer = LazyTimer::new(activity.next_due().map_or(look, |(at, _)| at.min(look)));
    let mut driver = Driver { connection, activity, timer, listening: false, stop };
    let mut heard = pin!(stop.heard());
    poll_fn(|cx| driver.poll(heard.as_mut(), cx)).await
}

/// Drives one connection, and watches its deadlines and the stop of the process beside it.
struct Driver<'a, C> {
    connection: Pin<&'a mut C>,
    activity: &'a Activity,
    timer: LazyTimer,
    /// Whether the task will be woken by a stop.
    listening: bool,
    stop: &'a Stop,
}

impl<C: Winding> Driver<'_, C> {
    fn poll(
        &mut self,
        mut heard: Pin<&mut WaitForCancellationFuture<'_>>,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionEnd> {
        loop {
            if let Poll::Ready(result) = self.connection.as_mut().poll(cx) {
                return Poll::Ready(result.map_or_else(ConnectionEnd::Failed, |()| ConnectionEnd::Closed));
            }
            if self.must_drain(heard.as_mut(), cx) {
                self.activity.drain();
                if self.activity.is_http2() {
                    // GOAWAY names the last stream that will be served, so nothing can get lost; HTTP/1 has no
                    // such word, and its clients are told by `connection: close` on their next reply.
                    self.connection.as_mut().wind_down();
                    continue;
                }
            }
            match ready!(self.poll_due(cx)) {
                Due::Close(why) => return Poll::Ready(ConnectionEnd::TimedOut(why)),
                Due::WindDown => {
                    self.activity.wound_down();
                    self.connection.as_mut().wind_down();
                }
            }
        }
    }

    /// Whether the stop has just been heard.
    fn must_drain(&mut self, heard: Pin<&mut WaitForCancellationFuture<'_>>, cx: &mut Context<'_>) -> bool {
        if self.activity.is_draining() {
            return false;
        }
        let first = !std::mem::replace(&mut self.listening, true);
        (first && heard.poll(cx).is_ready()) || self.stop.was_said()
    }

    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        let limits = self.activity.limits();
        // The streams of HTTP/2 run in tasks of their own, so a wait may begin unseen; looking again before any
        // that begins now could be over misses none. And places may become scarce at any time.
        let unseen = limits.body.min(limits.idle).min(LOOK);
        let Some((at, due)) = self.activity.next_due() else {
            self.timer.rest(unseen, cx);
            return Poll::Pending;
        };
        self.timer.poll_due(at, unseen, cx).map(|()| due)
    }
}
