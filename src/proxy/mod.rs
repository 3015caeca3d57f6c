//! The thin shell around the protocol: requests in, opened or sealed and forwarded, replies the other way round.

mod body;
mod bypass;
mod carriers;
mod clear;
mod client;
mod common;
mod config;
mod exchange;
mod fitting;
mod forward;
mod inbound;
mod key_access;
mod limits;
mod migration;
mod network;
mod on_purpose;
mod onward;
mod origins;
mod outbound;
mod ping;
mod replay;
mod respond;
mod route;
mod service;
mod stages;
mod trace;
mod unknown_key;
mod websocket;
mod whole;

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use hyper::service::service_fn;
use jiff::Timestamp;

use bypass::Bypass;
use client::{Client, Forwarding};
pub use common::ProxyCommon;
use common::RouteCommon;
pub use config::{
    Carriers, ForwardedPolicy, HostPolicy, InboundConfig, Mode, OnBadMessage, OutboundConfig, PlainErrors,
    ProxyConfig, Replies, Timeouts, Upstream, WebSocketConfig,
};
use exchange::Shared;
pub use fitting::unfit_keys;
use inbound::Inbound;
pub use key_access::KeyAccess;
pub use limits::{Limits, LimitsConfig};
use migration::Migrating;
pub use migration::{
    Evidence, Migration, MigrationPolicy, MigrationReport, Migrations, NetworkReport, ToRequire, WouldRefuse,
    to_require,
};
pub use network::Network;
use onward::{Onward, Pools};
use outbound::Outbound;
pub use ping::{PING_PATH, PingReport};
use replay::ReplayGuard;
pub use replay::{
    IvReuse, IvReuseReport, IvReuses, OutlivedWindow, ReplayConfig, StoreAddress, StoreConfig, StoreFailure,
    replay_warning,
};
pub use route::{
    Asked, HostPattern, HostPatternFault, Mismatch, PathPrefix, PathPrefixFault, Policy, RouteConfig,
    RouteMatch, Routes,
};
use service::{Router, Way};
use websocket::{AfterHttp, Side};
use whole::{WholeInbound, WholeOutbound};

use crate::metrics::{HandshakeKind, Metrics, ProxyMetrics, Shed};
use crate::net::{
    self, Accepted, Activity, ConnectionEnd, ConnectionLimits, HeldBudget, Peer, Reception, SpareTimer, Stop,
};
use crate::profile::Profile;

/// One proxy as one worker runs it: it has its own connections to the upstream.
pub struct Proxy {
    config: Arc<ProxyConfig>,
    reception: Arc<Reception>,
    /// Looked up by each request, so that connections outlive a change of the configuration.
    router: Arc<ArcSwap<Router>>,
    metrics: ProxyMetrics,
    budget: Arc<HeldBudget>,
    limits: Arc<Limits>,
    stop: Stop,
}

impl Proxy {
    /// A worker's part of `common`.
    pub fn new(common: &ProxyCommon, metrics: &Metrics) -> Self {
        let ProxyCommon {
            config,
            reception,
            budget,
            limits,
            stop,
            upstream_tls,
            routes,
            window,
            reuses,
            capture,
        } = common;
        let metrics = metrics.proxy(&config.name);
        let replay = ReplayGuard::new(config, window.clone(), Arc::clone(reuses), metrics.clone());
        let mut pools = Pools::new(Arc::clone(config), metrics.clone(), upstream_tls.clone());
        let shared = |route: Option<&RouteConfig>, common: Option<&RouteCommon>| {
            let account = common.and_then(|common| common.migration.clone());
            let terms = route.and_then(RouteConfig::migration).cloned();
            Arc::new(Shared {
                migrating: terms.zip(account).map(|(terms, account)| Migrating { terms, account }),
                name: Arc::clone(&config.name),
                sealed: match config.mode {
                    Mode::Inbound(_) => Side::Client,
                    Mode::Outbound(_) => Side::Server,
                },
                route: route.and_then(|route| route.name.clone()),
                metrics: metrics.clone(),
                limits: Arc::clone(limits),
                profile: route.and_then(RouteConfig::profile).cloned(),
                replay: replay.clone(),
                capture: capture.clone(),
            })
        };
        let ways = config.routes.iter().zip(routes).map(|(route, common)| {
            let onward = Onward::new(route.clone(), &mut pools);
            way(config, route, common.as_ref(), onward, shared(Some(route), common.as_ref()))
        });
        let ways = ways.collect();
        let router =
            Arc::new(ArcSwap::from_pointee(Router::new(Arc::clone(config), shared(None, None), ways)));
        let (config, reception) = (Arc::clone(config), Arc::clone(reception));
        let (limits, budget) = (Arc::clone(limits), Arc::clone(budget));
        Self { config, reception, router, metrics, budget, limits, stop: stop.clone() }
    }

    /// Has `successor` serve from the next request on, on connections that are open as well as on new ones. Exchanges under
    /// way and WebSocket sessions end as they began.
    pub fn succeed(&mut self, successor: Self) {
        self.router.store(successor.router.load_full());
        let router = Arc::clone(&self.router);
        *self = Self { router, ..successor };
    }

    /// Serves one connection to its end. The future stands on its own and may be spawned.
    pub fn serve(&self, accepted: Accepted) -> impl Future<Output = ()> + Send + 'static {
        let opened = self.metrics.connection_opened();
        let activity = Arc::new(Activity::new(self.connection_limits(), accepted.permit.crowd()));
        let (router, budget, stop) = (Arc::clone(&self.router), Arc::clone(&self.budget), self.stop.clone());
        let (config, reception, metrics) =
            (Arc::clone(&self.config), Arc::clone(&self.reception), self.metrics.clone());
        let limits = Arc::clone(&self.limits);
        async move {
            let Accepted { stream, peer: from, mut permit } = accepted;
            let arrived = match net::receive((stream, from), &reception, &activity, &stop).await {
                Ok(arrived) => arrived,
                Err(end) => return note_end(from, &end, &metrics, &limits),
            };
            let peer = arrived.peer;
            if reception.proxy_protocol_from.contain(from.ip()) {
                permit = match permit.claim(peer.ip()) {
                    Ok(permit) => permit,
                    Err(excess) => return limits.turned_away(excess),
                };
            }
            let client = Arc::new(Client {
                peer: peer.ip(),
                forwarding: Forwarding::of(&config, peer, arrived.is_tls()),
                activity: Arc::clone(&activity),
                account: budget.account(peer.ip()),
                timer: SpareTimer::default(),
                after_http: AfterHttp::default(),
            });
            // Who is served needs them no more, and there may be many.
            drop((config, budget, reception));
            let of_service = Arc::clone(&client);
            let service =
                service_fn(move |request| router.load_full().serve(Arc::clone(&of_service), request));
            let end = net::serve_connection(arrived, activity, service, stop.clone()).await;
            note_end(peer, &end, &metrics, &limits);
            client.after_http.follow(&stop).await;
            drop((opened, permit));
        }
    }

    fn connection_limits(&self) -> ConnectionLimits {
        let Timeouts { first_byte, headers, body, idle, .. } = self.config.timeouts;
        let limits = &self.config.limits;
        let (head_bytes, head_fields) = (limits.head_read(), limits.header_count as usize);
        ConnectionLimits { head_bytes, head_fields, first_byte, headers, body, idle }
    }
}

fn note_end(peer: Peer, end: &ConnectionEnd, metrics: &ProxyMetrics, limits: &Limits) {
    match end {
        ConnectionEnd::Closed => {}
        ConnectionEnd::Failed(error) => {
            if error.is_parse_too_large() {
                limits.shed(Shed::Header);
            }
            tracing::debug!(%peer, %error, "connection failed");
        }
        ConnectionEnd::NoProxyHead(fault) => {
            metrics.handshake_failed(HandshakeKind::ProxyProtocol);
            tracing::debug!(%peer, error = %fault, "connection refused");
        }
        ConnectionEnd::NoTls(error) => {
            metrics.handshake_failed(HandshakeKind::Tls);
            tracing::debug!(%peer, %error, "TLS handshake failed");
        }
        ConnectionEnd::TimedOut(deadline) => {
            tracing::debug!(%peer, deadline, "connection closed at a deadline");
        }
    }
}

/// What is done to the requests of one route on one worker.
fn way(
    config: &Arc<ProxyConfig>,
    route: &RouteConfig,
    common: Option<&RouteCommon>,
    onward: Onward,
    shared: Arc<Shared>,
) -> Way {
    let config = Arc::clone(config);
    let (Some(profile), Some(RouteCommon { keys, belief, .. })) = (route.profile().cloned(), common) else {
        return Way::Bypass(Bypass::new(config, onward, shared));
    };
    let keys = keys.clone();
    match (config.mode.clone(), profile) {
        (Mode::Inbound(inbound), Profile::Stream(profile)) => {
            Way::Inbound(Inbound::new(config, inbound, profile, keys, onward, shared))
        }
        (Mode::Inbound(inbound), Profile::Whole(profile)) => {
            Way::WholeInbound(WholeInbound::new(config, inbound, profile, keys, onward, shared))
        }
        (Mode::Outbound(outbound), Profile::Stream(profile)) => {
            let belief = Arc::clone(belief);
            Way::Outbound(Outbound::new(config, outbound, profile, keys, onward, shared, belief))
        }
        (Mode::Outbound(outbound), Profile::Whole(profile)) => {
            Way::WholeOutbound(WholeOutbound::new(config, outbound, profile, keys, onward, shared))
        }
    }
}

fn now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}
