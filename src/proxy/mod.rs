//! The thin shell around the protocol: requests in, opened or sealed and forwarded, replies the other way round.

mod body;
mod carriers;
mod clear;
mod client;
mod config;
mod exchange;
mod forward;
mod inbound;
mod onward;
mod outbound;
mod ping;
mod replay;
mod respond;
mod service;
mod unknown_key;
mod websocket;

use std::net::TcpStream;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderValue;
use hyper::service::service_fn;
use jiff::Timestamp;

use client::Client;
pub use config::{
    Carriers, ForwardedPolicy, HostPolicy, InboundConfig, Mode, OnBadMessage, OutboundConfig, PlainErrors,
    ProxyConfig, Replies, Timeouts, Upstream, WebSocketConfig,
};
use exchange::Shared;
use inbound::Inbound;
use outbound::{Belief, Outbound};
pub use ping::{PING_PATH, PingReport};
pub use replay::{
    IvReuse, IvReuseReport, IvReuses, Network, OutlivedWindow, ReplayConfig, StoreAddress, StoreConfig,
    StoreFailure, replay_warning,
};
use replay::{ReplayGuard, SharedWindow};
use service::Way;
use websocket::AfterHttp;

use crate::keys::KeyStore;
use crate::metrics::{Metrics, ProxyMetrics};
use crate::net::{self, Accepted, Activity, ConnectionEnd, ConnectionLimits, HeldBudget, SpareTimer, Stop};
use crate::sources::Refresh;

/// One proxy as the process has it: what its workers share.
pub struct ProxyCommon {
    config: Arc<ProxyConfig>,
    keys: Arc<KeyStore>,
    refresh: Refresh,
    budget: Arc<HeldBudget>,
    stop: Stop,
    belief: Arc<Belief>,
    /// What has been opened, whichever worker did.
    window: Option<Arc<SharedWindow>>,
    reuses: Arc<IvReuses>,
}

impl ProxyCommon {
    /// A proxy that seals and opens with the keys of `keys`, has them read anew by `refresh`, and tells its clients to go
    /// once `stop` is cancelled. Senders that repeat IVs are noted in `reuses`.
    pub fn new(
        config: Arc<ProxyConfig>,
        keys: Arc<KeyStore>,
        refresh: Refresh,
        budget: Arc<HeldBudget>,
        stop: Stop,
        reuses: Arc<IvReuses>,
    ) -> Self {
        let replies = match &config.mode {
            Mode::Inbound(_) => Replies::default(),
            Mode::Outbound(outbound) => outbound.replies,
        };
        let window = config.replay.as_ref().map(|replay| SharedWindow::new(&config.name, replay));
        Self { config, keys, refresh, budget, stop, belief: Arc::new(Belief::new(replies)), window, reuses }
    }
}

/// One proxy as one worker runs it: it has its own connections to the upstream.
pub struct Proxy {
    config: Arc<ProxyConfig>,
    way: Way,
    metrics: ProxyMetrics,
    budget: Arc<HeldBudget>,
    stop: Stop,
}

impl Proxy {
    /// A worker's part of `common`.
    pub fn new(common: &ProxyCommon, metrics: &Metrics) -> Self {
        let ProxyCommon { config, keys, refresh, budget, stop, belief, window, reuses } = common;
        let metrics = metrics.proxy(&config.name);
        let shared = Arc::new(Shared {
            name: Arc::clone(&config.name),
            metrics: metrics.clone(),
            profile: Arc::clone(&config.profile),
            replay: ReplayGuard::new(config, window.clone(), Arc::clone(reuses), metrics.clone()),
        });
        let (own, keys, refresh) = (Arc::clone(config), Arc::clone(keys), refresh.clone());
        let way = match config.mode.clone() {
            Mode::Inbound(inbound) => {
                Way::Inbound(Arc::new(Inbound::new(own, inbound, keys, refresh, shared)))
            }
            Mode::Outbound(outbound) => Way::Outbound(Arc::new(Outbound::new(
                own,
                outbound,
                keys,
                refresh,
                shared,
                Arc::clone(belief),
            ))),
        };
        Self { config: Arc::clone(config), way, metrics, budget: Arc::clone(budget), stop: stop.clone() }
    }

    /// Serves one connection to its end. The future stands on its own and may be spawned.
    pub fn serve(&self, accepted: Accepted) -> impl Future<Output = ()> + Send + 'static {
        let opened = self.metrics.connection_opened();
        let client = Arc::new(Client {
            peer: accepted.peer.ip(),
            forwarded_for: HeaderValue::from_str(&accepted.peer.ip().to_canonical().to_string())
                .expect("an address is visible ASCII"),
            activity: Arc::new(Activity::new(self.limits())),
            account: self.budget.account(accepted.peer.ip()),
            timer: SpareTimer::default(),
            after_http: AfterHttp::default(),
        });
        let stop = self.stop.clone();
        let serving = self.serve_stream(accepted.stream, Arc::clone(&client));
        async move {
            match serving.await {
                ConnectionEnd::Closed => {}
                ConnectionEnd::Failed(error) => {
                    tracing::debug!(peer = %accepted.peer, %error, "connection failed");
                }
                ConnectionEnd::TimedOut(deadline) => {
                    tracing::debug!(peer = %accepted.peer, deadline, "connection closed at a deadline");
                }
            }
            client.after_http.follow(&stop).await;
            drop(opened);
        }
    }

    fn serve_stream(
        &self,
        stream: TcpStream,
        client: Arc<Client>,
    ) -> impl Future<Output = ConnectionEnd> + Send + 'static {
        let way = self.way.clone();
        let activity = Arc::clone(&client.activity);
        let service = service_fn(move |request| way.clone().serve(Arc::clone(&client), request));
        net::serve_connection(stream, activity, service, self.stop.clone())
    }

    fn limits(&self) -> ConnectionLimits {
        let Timeouts { first_byte, headers, body, idle, .. } = self.config.timeouts;
        ConnectionLimits { first_byte, headers, body, idle }
    }
}

fn now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}
