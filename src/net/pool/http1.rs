//! HTTP/1.1 to the upstream: a connection bears one exchange at a time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use super::stream::UpstreamStream;

/// Unused connections kept per worker.
const MOST_IDLE: usize = 256;
/// hyper's buffer per connection: bounds what one piece of a reply can be.
const MAX_BUFFER: usize = 128 * 1024;

/// One connection: the way in, and the task that carries it.
pub(super) struct Wire<B> {
    sender: SendRequest<B>,
    task: AbortHandle,
}

impl<B> Wire<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Begins HTTP/1.1 on a fresh connection.
    pub(super) async fn begin(stream: UpstreamStream) -> Result<Self, hyper::Error> {
        let (sender, connection) = builder().handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, task: carry(connection) })
    }

    /// The same, and the connection may be handed over to another protocol (RFC 9110 §7.8).
    pub(super) async fn begin_with_upgrades(stream: UpstreamStream) -> Result<Self, hyper::Error> {
        let (sender, connection) = builder().handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, task: carry(connection.with_upgrades()) })
    }

    /// Sends, and waits for the head of the reply. A request of which nothing was written comes back in the error.
    pub(super) async fn try_send(
        &mut self,
        request: Request<B>,
    ) -> Result<Response<Incoming>, TrySendError<Request<B>>> {
        let waiting = Waiting(Some(&self.task));
        let result = self.sender.try_send_request(request).await;
        if result.is_ok() {
            waiting.end();
        }
        result
    }

    /// Sends, and waits for the head of the reply.
    pub(super) async fn send(&mut self, request: Request<B>) -> Result<Response<Incoming>, hyper::Error> {
        let waiting = Waiting(Some(&self.task));
        let result = self.sender.send_request(request).await;
        if result.is_ok() {
            waiting.end();
        }
        result
    }
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.preserve_header_case(true).max_buf_size(MAX_BUFFER);
    builder
}

fn carry(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> AbortHandle {
    let carrying = tokio::spawn(async move {
        if let Err(error) = connection.await {
            // Whoever waits for the reply is told as well; this is for a connection that nobody uses.
            tracing::debug!(%error, "a connection to the application broke");
        }
    });
    carrying.abort_handle()
}

/// Ends the connection if the wait for a reply is given up: hyper would go on writing the request to an application
/// that takes none of it, and hold on to the client's body meanwhile.
struct Waiting<'a>(Option<&'a AbortHandle>);

impl Waiting<'_> {
    /// The head of a reply is there.
    fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

/// The connections that no exchange uses, ordered by age.
pub(super) struct IdleWires<B>(Mutex<Vec<Idle<B>>>);

struct Idle<B> {
    wire: Wire<B>,
    since: Instant,
}

impl<B> Default for IdleWires<B> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<B> IdleWires<B> {
    /// The connection that was used last and is ready; drops what is closed or older than `longest`.
    pub(super) fn take(&self, longest: Duration) -> Option<Wire<B>> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = Instant::now().checked_sub(longest);
        // The newest has the best chance to be open still.
        let mut kept = idle.len();
        while kept > 0 {
            kept -= 1;
            let candidate = &idle[kept];
            if candidate.wire.sender.is_closed() {
                idle.remove(kept);
            } else if oldest.is_some_and(|oldest| candidate.since < oldest) {
                idle.drain(..=kept);
                return None;
            } else if candidate.wire.sender.is_ready() {
                return Some(idle.remove(kept).wire);
            }
        }
        None
    }

    /// Keeps a connection whose exchange has ended. Says whether it could be kept.
    pub(super) fn keep(&self, wire: Wire<B>) -> bool {
        if wire.sender.is_closed() {
            return false;
        }
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= MOST_IDLE {
            idle.remove(0);
        }
        idle.push(Idle { wire, since: Instant::now() });
        true
    }

    /// Drops what is closed or older than `longest`. Says whether anything is left.
    pub(super) fn sweep(&self, longest: Duration) -> bool {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        idle.retain(|kept| !kept.wire.sender.is_closed() && now.duration_since(kept.since) < longest);
        !idle.is_empty()
    }
}
