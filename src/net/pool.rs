//! Connections to the application, kept for a short while.
//!
//! hyper-util's client would do, but not with this promise: a request that was not yet written may be sent again
//! on a fresh connection, once, and never otherwise. Each worker has a pool of its own, so nothing is contended.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::metrics::ProxyMetrics;

/// Unused connections kept per worker.
const MOST_IDLE: usize = 256;
/// hyper's buffer per connection: bounds what one piece of a reply can be.
const MAX_BUFFER: usize = 128 * 1024;

/// Where a pool connects, and its patience.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// For connecting.
    pub connect: Duration,
    /// How long an unused connection is kept.
    pub idle: Duration,
}

/// The connections of one worker to one application.
pub struct Pool<B> {
    settings: PoolSettings,
    metrics: ProxyMetrics,
    idle: Mutex<Vec<Idle<B>>>,
    sweeping: AtomicBool,
}

struct Idle<B> {
    wire: Wire<B>,
    since: Instant,
}

/// One connection: the way in, and the task that carries it.
struct Wire<B> {
    sender: SendRequest<B>,
    task: AbortHandle,
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// An empty pool.
    pub fn new(settings: PoolSettings, metrics: ProxyMetrics) -> Arc<Self> {
        Arc::new(Self { settings, metrics, idle: Mutex::default(), sweeping: AtomicBool::new(false) })
    }

    /// Sends `request` on a kept connection or a fresh one, and waits for the head of the reply.
    ///
    /// The reply's body comes with the [`Lease`]; hand it back with [`Lease::give_back`] once the body has ended.
    pub async fn send(
        self: &Arc<Self>,
        mut request: Request<B>,
    ) -> Result<(Response<Incoming>, Lease<B>), SendFault> {
        if let Some(mut wire) = self.take_idle() {
            let waiting = Waiting::on(&wire.task);
            match wire.sender.try_send_request(request).await {
                Ok(response) => return Ok((response, self.lease(wire, waiting))),
                Err(mut fault) => match fault.take_message() {
                    // Not a byte of it was written: the application closed the kept connection meanwhile.
                    Some(unsent) => request = unsent,
                    None => return Err(SendFault::Broke(fault.into_error())),
                },
            }
            self.metrics.upstream_retried();
        }
        let mut wire = self.connect().await?;
        let waiting = Waiting::on(&wire.task);
        let response = wire.sender.send_request(request).await.map_err(SendFault::Broke)?;
        Ok((response, self.lease(wire, waiting)))
    }

    fn lease(self: &Arc<Self>, wire: Wire<B>, waiting: Waiting) -> Lease<B> {
        waiting.end();
        Lease { wire, pool: Arc::clone(self) }
    }

    /// The connection that was used last and is ready; drops what is closed or too old.
    fn take_idle(&self) -> Option<Wire<B>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = Instant::now().checked_sub(self.settings.idle);
        // Ordered by age, and the newest has the best chance to be open still.
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

    async fn connect(&self) -> Result<Wire<B>, SendFault> {
        let address = (self.settings.host.as_str(), self.settings.port);
        let stream = match timeout(self.settings.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(ConnectFault::Refused(error).into()),
            Err(_elapsed) => return Err(ConnectFault::TimedOut.into()),
        };
        stream.set_nodelay(true).map_err(ConnectFault::Refused)?;
        self.metrics.upstream_connection_opened();
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .max_buf_size(MAX_BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(SendFault::Broke)?;
        let carrying = tokio::spawn(async move {
            if let Err(error) = connection.await {
                // Whoever waits for the reply is told as well; this is for a connection that nobody uses.
                tracing::debug!(%error, "a connection to the application broke");
            }
        });
        Ok(Wire { sender, task: carrying.abort_handle() })
    }

    /// Drops what is closed or too old, until nothing is left.
    async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.settings.idle).await;
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            idle.retain(|kept| {
                !kept.wire.sender.is_closed() && now.duration_since(kept.since) < self.settings.idle
            });
            if idle.is_empty() {
                self.sweeping.store(false, Ordering::Relaxed);
                return;
            }
        }
    }
}

/// A connection in use by one exchange. Dropping it closes the connection.
pub struct Lease<B> {
    wire: Wire<B>,
    pool: Arc<Pool<B>>,
}

impl<B> Lease<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Keeps the connection for the next exchange; request and reply must have ended.
    pub fn give_back(self) {
        if self.wire.sender.is_closed() {
            return;
        }
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= MOST_IDLE {
            idle.remove(0);
        }
        idle.push(Idle { wire: self.wire, since: Instant::now() });
        drop(idle);
        if !self.pool.sweeping.swap(true, Ordering::Relaxed) {
            tokio::spawn(Arc::clone(&self.pool).sweep());
        }
    }
}

/// Ends the connection if the wait for a reply is given up: hyper would go on writing the request to an application
/// that takes none of it, and hold on to the client's body meanwhile.
struct Waiting(Option<AbortHandle>);

impl Waiting {
    fn on(task: &AbortHandle) -> Self {
        Self(Some(task.clone()))
    }

    /// The head of a reply is there.
    fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

/// Why no reply came.
#[derive(Debug, thiserror::Error)]
pub enum SendFault {
    /// The connection broke, or what came was no HTTP.
    #[error("the application's connection broke: {0}")]
    Broke(hyper::Error),
    /// No connection was to be had.
    #[error(transparent)]
    Connect(#[from] ConnectFault),
}

/// Why no connection was to be had.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFault {
    /// The application is not there, or its name is not known.
    #[error("the application cannot be reached: {0}")]
    Refused(io::Error),
    /// It did not answer in time.
    #[error("the application cannot be reached in time")]
    TimedOut,
}
