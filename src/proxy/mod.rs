//! The thin shell around the protocol: requests in, opened and forwarded, replies sealed on their way back.

mod body;
mod carriers;
mod client;
mod config;
mod exchange;
mod forward;
mod inbound;
mod onward;
mod ping;
mod respond;
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
pub use ping::{PING_PATH, PingReport};
use websocket::AfterHttp;

use crate::keys::KeyStore;
use crate::metrics::{Metrics, ProxyMetrics};
use crate::net::{self, Accepted, Activity, ConnectionEnd, ConnectionLimits, HeldBudget, SpareTimer, Stop};

/// One proxy as one worker runs it: it has its own connections to the application.
pub struct Proxy {
    config: Arc<ProxyConfig>,
    inbound: Arc<Inbound>,
    metrics: ProxyMetrics,
    budget: Arc<HeldBudget>,
    stop: Stop,
}

impl Proxy {
    /// A proxy that opens with the keys of `keys` and tells its clients to go once `stop` is cancelled.
    pub fn new(
        config: Arc<ProxyConfig>,
        keys: Arc<KeyStore>,
        metrics: &Metrics,
        budget: Arc<HeldBudget>,
        stop: Stop,
    ) -> Self {
        let metrics = metrics.proxy(&config.name);
        let shared = Arc::new(Shared {
            name: Arc::clone(&config.name),
            metrics: metrics.clone(),
            profile: Arc::clone(&config.profile),
        });
        let Mode::Inbound(inbound) = config.mode.clone() else {
            unreachable!("`config` makes no other yet");
        };
        let inbound = Arc::new(Inbound::new(Arc::clone(&config), inbound, keys, shared));
        Self { config, inbound, metrics, budget, stop }
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
        let inbound = Arc::clone(&self.inbound);
        let activity = Arc::clone(&client.activity);
        let service = service_fn(move |request| Arc::clone(&inbound).serve(Arc::clone(&client), request));
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
