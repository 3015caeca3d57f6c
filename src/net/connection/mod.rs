//! One connection of a client: HTTP/1 or HTTP/2 on the same socket, with a deadline for every wait.
//!
//! hyper's own timers are left off: its header time-out also cuts idle keep-alive connections, it does not run
//! before the version is known, and it never covers bodies. Here one timer follows the [`Activity`] of the
//! connection and is set anew only when it fires or something earlier comes up.

mod activity;
mod sniff;
mod stream;

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::TcpStream;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use activity::Due;
pub use activity::{Activity, ArrivingBody, ConnectionLimits};
use sniff::Sniffed;
pub use stream::ClientStream;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Largest request head, in bytes; beyond it hyper answers 431.
const MAX_HEAD: usize = 64 * 1024;
/// hyper's buffer per connection: bounds what one body piece can be.
const MAX_BUFFER: usize = 128 * 1024;

/// How a connection ended.
#[derive(Debug)]
pub enum ConnectionEnd {
    /// Between two requests, by either side.
    Closed,
    /// hyper gave it up: bytes that are no HTTP, a peer that went away.
    Failed(hyper::Error),
    /// A deadline passed.
    TimedOut(&'static str),
}

/// Serves one accepted connection to its end.
pub async fn serve_connection<S, B>(
    stream: TcpStream,
    activity: Arc<Activity>,
    service: S,
    stop: CancellationToken,
) -> ConnectionEnd
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let Ok(mut stream) = tokio::net::TcpStream::from_std(stream) else { return ConnectionEnd::Closed };
    let sniffed = match sniff::sniff(&mut stream, &activity, &stop).await {
        Ok(sniffed) => sniffed,
        Err(end) => return end,
    };
    let is_h2 = matches!(sniffed, Sniffed::Http2(_));
    activity.version_known(is_h2);
    let prefix = sniffed.into_prefix();
    let io = TokioIo::new(ClientStream::new(stream, prefix, Arc::clone(&activity)));
    if is_h2 {
        let connection = http2_builder().serve_connection(io, service);
        drive(pin!(connection), &activity, &stop).await
    } else {
        let connection = http1_builder().serve_connection(io, service);
        drive(pin!(connection), &activity, &stop).await
    }
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .auto_date_header(false)
        .preserve_header_case(true)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_BUFFER);
    builder
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_concurrent_streams(200)
        .max_header_list_size(MAX_HEAD as u32)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// What both versions' connections have in common.
trait Winding: Future<Output = hyper::Result<()>> {
    /// Finishes what is under way and takes nothing new.
    fn wind_down(self: Pin<&mut Self>);
}

impl<S, B> Winding for http1::Connection<TokioIo<ClientStream>, S>
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

async fn drive<C: Winding>(
    mut connection: Pin<&mut C>,
    activity: &Activity,
    stop: &CancellationToken,
) -> ConnectionEnd {
    let mut stopped = pin!(stop.cancelled());
    let mut timer = pin!(sleep_until(next_look(activity)));
    poll_fn(|cx| {
        if let Poll::Ready(result) = connection.as_mut().poll(cx) {
            return Poll::Ready(result.map_or_else(ConnectionEnd::Failed, |()| ConnectionEnd::Closed));
        }
        watch_stop(stopped.as_mut(), connection.as_mut(), activity, cx);
        watch_deadline(timer.as_mut(), connection.as_mut(), activity, cx)
    })
    .await
}

fn watch_stop<C: Winding>(
    stopped: Pin<&mut WaitForCancellationFuture<'_>>,
    connection: Pin<&mut C>,
    activity: &Activity,
    cx: &mut Context<'_>,
) {
    if activity.is_draining() || stopped.poll(cx).is_pending() {
        return;
    }
    activity.drain();
    if activity.is_http2() {
        // GOAWAY names the last stream that will be served, so nothing can get lost; HTTP/1 has no such
        // word, and its clients are told by `connection: close` on their next reply.
        connection.wind_down();
        cx.waker().wake_by_ref();
    }
}

fn watch_deadline<C: Winding>(
    mut timer: Pin<&mut Sleep>,
    mut connection: Pin<&mut C>,
    activity: &Activity,
    cx: &mut Context<'_>,
) -> Poll<ConnectionEnd> {
    loop {
        let due = activity.next_due();
        if let Some((at, _)) = due
            && Instant::from(at) < timer.deadline()
        {
            timer.as_mut().reset(at.into());
        }
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        match due {
            Some((at, what)) if at <= std::time::Instant::now() => match what {
                Due::Close(why) => return Poll::Ready(ConnectionEnd::TimedOut(why)),
                Due::WindDown => {
                    activity.wound_down();
                    connection.as_mut().wind_down();
                    if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                        let end = result.map_or_else(ConnectionEnd::Failed, |()| ConnectionEnd::Closed);
                        return Poll::Ready(end);
                    }
                }
            },
            _not_yet => timer.as_mut().reset(next_look(activity)),
        }
    }
}

/// When the deadlines are to be looked at again. The streams of HTTP/2 run in tasks of their own, so a wait may begin
/// unseen; looking again before any that begins now could be over misses none.
fn next_look(activity: &Activity) -> Instant {
    let limits = activity.limits();
    let unseen = Instant::now() + limits.body.min(limits.idle);
    activity.next_due().map_or(unseen, |(at, _)| unseen.min(at.into()))
}
