//! The admin listeners: is the process alive, is it ready, what has it counted, how do its keys fare; and, on this machine
//! only, what it is to do.
//!
//! It answers while the process drains, so the token that ends it is cancelled last. Every wait has an end: a
//! head must arrive within `HEAD_LIMIT`, which also ends idle keep-alive, and a connection is closed after
//! `LIFETIME`, so clients that are silent or never read cannot keep a probe out for long.

mod applications;
mod local;
mod order;
mod overview;
mod pages;
mod readiness;
mod report;
mod seats;
mod status;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

pub use applications::{Application, Applications};
pub use order::{Given, NotTaken, Orders, Reload, ReloadReport, Why, orders};
use pages::Scope;
pub use readiness::{Conditions, NotReady, Readiness};
pub use report::{KeyReport, KeySetReport, RetireReport, SealsReport, StatusReport, UsesReport};
use seats::{Seat, Seats};
pub use status::{KeySetStatus, Status};

/// What the key set is called that every proxy uses unless told otherwise.
pub const DEFAULT_KEY_SET: &str = "default";

/// Connections that are served at once; those that ask for nothing make room for more.
pub const MAX_CONNECTIONS: u32 = 64;

/// From the first byte that could come to the end of a request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(5);

/// After this a connection is told to close.
const LIFETIME: Duration = Duration::from_secs(30);

/// How long a connection that was told to close may take for the reply under way.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// The pause after an accept that failed: what it lacked, such as file descriptors, is not there at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// The smallest buffer that hyper takes; a probe's head fits with room to spare.
const BUFFER: usize = 8 * 1024;

/// The `[admin]` table, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where all pages are, those for this machine alone included; `None` for nowhere.
    pub listen: Option<SocketAddr>,
    /// Where probes and metrics are besides, and nothing else.
    pub probes: Option<SocketAddr>,
}

impl AdminConfig {
    /// Where it listens unless told otherwise.
    pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: Some(Self::LISTEN), probes: None }
    }
}

/// What the pages tell of.
#[derive(Debug)]
pub struct AdminState {
    /// What `/readyz` asks.
    pub readiness: Arc<Readiness>,
    /// What `/readyz?verbose` asks besides.
    pub applications: Arc<Applications>,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// What `/status` tells.
    pub status: Arc<Status>,
    /// Where `POST /reload` and `POST /shutdown` go.
    pub orders: Orders,
}

/// The bound admin listeners.
#[derive(Debug)]
pub struct AdminServer {
    all: Option<Bound>,
    probes: Option<Bound>,
}

/// One of them.
#[derive(Debug)]
struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    async fn bind(listen: SocketAddr, key: &'static str) -> Result<Self, AdminError> {
        let failed = |source| AdminError::Bind { listen, key, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Answers until `stop`, then ends the replies under way.
    async fn serve(self, scope: Scope, state: Arc<AdminState>, stop: CancellationToken) {
        let mut seats = Seats::new(MAX_CONNECTIONS);
        let accepting = async {
            loop {
                let (stream, peer) = self.accept().await;
                // There is a place sooner or later.
                if let Some(seat) = seats.take().await {
                    tokio::spawn(serve_connection(
                        (stream, peer),
                        seat,
                        scope,
                        Arc::clone(&state),
                        stop.clone(),
                    ));
                }
            }
        };
        stop.run_until_cancelled(accepting).await;
        drop(self.listener);
        seats.emptied().await;
    }

    async fn accept(&self) -> (TcpStream, IpAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => return (stream, peer.ip()),
                Err(error) => {
                    tracing::warn!(%error, "the admin listener could not accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl AdminServer {
    /// Binds the listeners; nothing is answered before [`AdminServer::serve`].
    pub async fn bind(config: &AdminConfig) -> Result<Self, AdminError> {
        let mut server = Self { all: None, probes: None };
        if let Some(listen) = config.listen {
            server.all = Some(Bound::bind(listen, "listen").await?);
        }
        if let Some(probes) = config.probes {
            server.probes = Some(Bound::bind(probes, "probes").await?);
        }
        Ok(server)
    }

    /// Where all pages really are: the port is the one that the system chose, if the configured one was 0.
    pub fn address(&self) -> Option<SocketAddr> {
        self.all.as_ref().map(|bound| bound.address)
    }

    /// The same of the probes that stand apart.
    pub fn probes(&self) -> Option<SocketAddr> {
        self.probes.as_ref().map(|bound| bound.address)
    }

    /// Answers until `stop`, then ends the replies under way.
    pub async fn serve(self, state: AdminState, stop: CancellationToken) {
        let state = Arc::new(state);
        let serve = |bound: Option<Bound>, scope| {
            let (state, stop) = (Arc::clone(&state), stop.clone());
            async move {
                if let Some(bound) = bound {
                    bound.serve(scope, state, stop).await;
                }
            }
        };
        tokio::join!(serve(self.all, Scope::All), serve(self.probes, Scope::Probes));
    }
}

/// Why there is no admin listener.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address could not be bound.
    #[error(
        "the admin listener cannot bind {listen}: {source}; `[admin] {key}` takes another address, or \"off\""
    )]
    Bind {
        /// The configured address.
        listen: SocketAddr,
        /// Which of the two.
        key: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

async fn serve_connection(
    (stream, peer): (TcpStream, IpAddr),
    seat: Arc<Seat>,
    scope: Scope,
    state: Arc<AdminState>,
    stop: CancellationToken,
) {
    let answer = service_fn(|request| {
        let (state, answering) = (Arc::clone(&state), seat.answering());
        async move {
            let _answering = answering;
            Ok::<_, Infallible>(pages::answer(&request, peer, scope, &state).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        // What went wrong is the client's affair: it was too slow, went away, or does not speak HTTP.
        _ = connection.as_mut() => true,
        () = stop.cancelled() => false,
        // Another one may have something to ask.
        () = seat.asked_for() => true,
        () = sleep(LIFETIME) => false,
    };
    if !ended {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(CLOSE_LIMIT, connection).await;
    }
}
