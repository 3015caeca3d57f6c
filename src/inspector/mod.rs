//! What was captured, on a page for a developer: a server on loopback, under a path that nobody can guess.
//!
//! Whoever knows the path sees plaintext and has requests sent, so a page of anybody's in a browser on this machine must get
//! at none of it: names that are made to point here are refused, and so is whatever another page has sent.

mod act;
mod answer;
mod api;
mod config;
mod copy;
mod detail;
mod doctor;
mod events;
mod faults;
mod guard;
mod keys;
mod likely;
mod mask;
mod page;
mod report;
mod state;
#[cfg(test)]
mod tests;
mod transfer;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::crypto::encoding;
pub use config::InspectorConfig;
use guard::Guard;
pub use mask::{DEFAULT_NAMES, Mask, NotAName};
use state::Serving;
pub use state::{About, InspectorState, ProxyAbout, Rotate};

/// Connections that are served at once.
const MAX_CONNECTIONS: usize = 64;

/// From the first byte that could come to the end of a request's head; also ends idle keep-alive.
const HEAD_LIMIT: Duration = Duration::from_secs(5);

/// How long a connection that was told to close may take for the reply under way.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// The pause after an accept that failed: what it lacked, such as file descriptors, is not there at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// Bytes of a head.
const BUFFER: usize = 16 * 1024;

/// The bound inspector.
pub struct Inspector {
    listener: TcpListener,
    guard: Guard,
}

impl Inspector {
    /// Binds a port of loopback, under a token that is new; nothing is answered before [`Inspector::serve`].
    pub async fn bind(address: SocketAddr) -> Result<Self, InspectorError> {
        if !address.ip().to_canonical().is_loopback() {
            return Err(InspectorError::NotLoopback(address));
        }
        let failed = |source| InspectorError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let token = encoding::hex_encode(&rand::random::<[u8; 16]>());
        Ok(Self { listener, guard: Guard::new(token, address) })
    }

    /// Where the page is. Whoever knows it sees everything.
    pub fn url(&self) -> String {
        self.guard.url()
    }

    /// Answers until `stop`, then ends the replies under way.
    pub async fn serve(self, state: InspectorState, stop: CancellationToken) {
        let serving = Arc::new(Serving::new(state, self.guard, stop.clone()));
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let accepting = async {
            loop {
                let stream = accept(&self.listener).await;
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let (serving, stop) = (Arc::clone(&serving), stop.clone());
                tokio::spawn(async move {
                    serve_connection(stream, serving, stop).await;
                    drop(place);
                });
            }
        };
        stop.run_until_cancelled(async { tokio::join!(accepting, keys::watch(&serving)) }).await;
        drop(self.listener);
        // Whoever has every place is alone.
        let _ = places.acquire_many(u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX)).await;
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "the inspector could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, serving: Arc<Serving>, stop: CancellationToken) {
    let answer = service_fn(|request| {
        let serving = Arc::clone(&serving);
        async move { Ok::<_, Infallible>(api::answer(request, &serving).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    tokio::select! {
        // What went wrong is the client's affair: it was too slow, went away, or does not speak HTTP.
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(CLOSE_LIMIT, connection).await;
        }
    }
}

/// Why there is no inspector.
#[derive(Debug, thiserror::Error)]
pub enum InspectorError {
    /// The address could not be bound.
    #[error("the inspector cannot bind {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Whoever sees the inspector sees plaintext.
    #[error("the inspector shows plaintext, so it listens on loopback only, and {0} is not there")]
    NotLoopback(SocketAddr),
}
