//! The thin shell around the protocol: requests in, opened or sealed and forwarded, replies the other way round.

mod body;
mod bypass;
mod carriers;
mod clear;
mod client;
mod config;
mod exchange;
mod fitting;
mod forward;
mod inbound;
mod key_access;
mod onward;
mod origins;
mod outbound;
mod ping;
mod replay;
mod respond;
mod route;
mod service;
mod unknown_key;
mod websocket;
mod whole;

use std::sync::Arc;
use std::time::SystemTime;

use hyper::service::service_fn;
use jiff::Timestamp;

use bypass::Bypass;
use client::{Client, Forwarding};
pub use config::{
    Carriers, ForwardedPolicy, HostPolicy, InboundConfig, Mode, OnBadMessage, OutboundConfig, PlainErrors,
    ProxyConfig, Replies, Timeouts, Upstream, WebSocketConfig,
};
use exchange::Shared;
pub use fitting::unfit_keys;
use inbound::Inbound;
pub use key_access::KeyAccess;
use onward::{Onward, Pools};
use outbound::{Belief, Outbound};
pub use ping::{PING_PATH, PingReport};
pub use replay::{
    IvReuse, IvReuseReport, IvReuses, Network, OutlivedWindow, ReplayConfig, StoreAddress, StoreConfig,
    StoreFailure, replay_warning,
};
use replay::{ReplayGuard, SharedWindow};
pub use route::{
    Asked, HostPattern, HostPatternFault, Mismatch, PathPrefix, PathPrefixFault, Policy, RouteConfig,
    RouteMatch, Routes,
};
use service::{Router, Way};
use websocket::AfterHttp;
use whole::{WholeInbound, WholeOutbound};

use crate::metrics::{HandshakeKind, Metrics, ProxyMetrics};
use crate::net::{
    self, Accepted, Activity, ConnectionEnd, ConnectionLimits, HeldBudget, Peer, Reception, SpareTimer, Stop,
    TlsAcceptor, UpstreamTls,
};
use crate::profile::Profile;

/// One proxy as the process has it: what its workers share.
pub struct ProxyCommon {
    config: Arc<ProxyConfig>,
    reception: Arc<Reception>,
    budget: Arc<HeldBudget>,
    stop: Stop,
    /// How hands are shaken with each upstream under TLS.
    upstream_tls: Vec<(Upstream, UpstreamTls)>,
    /// What is known of each route that is no bypass, in order.
    routes: Vec<Option<RouteCommon>>,
    /// What has been opened, whichever worker did.
    window: Option<Arc<SharedWindow>>,
    reuses: Arc<IvReuses>,
}

impl ProxyCommon {
    /// A proxy that seals and opens with the key sets that `keys` knows by name, and tells its clients to go once `stop` is
    /// cancelled. Senders that repeat IVs are noted in `reuses`. `None` if `keys` does not know one of them.
    pub fn new(
        config: Arc<ProxyConfig>,
        keys: impl Fn(&str) -> Option<KeyAccess>,
        budget: Arc<HeldBudget>,
        stop: Stop,
        reuses: Arc<IvReuses>,
    ) -> Option<Self> {
        let routes = RouteCommon::of_all(&config, keys)?;
        let window = config.replay.as_ref().map(|replay| SharedWindow::new(&config.name, replay));
        let reception = Reception { proxy_protocol_from: config.proxy_protocol_from.clone(), tls: None };
        let reception = Arc::new(reception);
        let upstream_tls = upstream_tls(&config);
        Some(Self { config, reception, budget, stop, upstream_tls, routes, window, reuses })
    }

    /// The same, whose connections are under TLS if there is an `acceptor`.
    pub fn under_tls(mut self, acceptor: Option<TlsAcceptor>) -> Self {
        let reception = Reception { tls: acceptor, ..(*self.reception).clone() };
        self.reception = Arc::new(reception);
        self
    }

    /// Its upstreams under TLS, and how hands are shaken with each: certificates are renewed there.
    pub fn upstream_tls(&self) -> &[(Upstream, UpstreamTls)] {
        &self.upstream_tls
    }
}

fn upstream_tls(config: &ProxyConfig) -> Vec<(Upstream, UpstreamTls)> {
    let mut found: Vec<(Upstream, UpstreamTls)> = Vec::new();
    for RouteConfig { upstream, .. } in config.routes.iter() {
        if let Some(tls) = &upstream.tls
            && found.iter().all(|(known, _)| known != upstream)
        {
            found.push((upstream.clone(), UpstreamTls::new(tls, upstream.protocol)));
        }
    }
    found
}

/// One route as the process has it.
struct RouteCommon {
    keys: KeyAccess,
    belief: Arc<Belief>,
}

impl RouteCommon {
    /// Those of all routes. What a peer was found to do holds for all routes that lead to it with the same keys.
    fn of_all(config: &ProxyConfig, keys: impl Fn(&str) -> Option<KeyAccess>) -> Option<Vec<Option<Self>>> {
        let replies = |route: &RouteConfig| match &config.mode {
            Mode::Inbound(_) => Replies::default(),
            Mode::Outbound(outbound) => outbound.replies.unwrap_or_else(|| {
                let seals = route.profile().is_none_or(|profile| profile.terms().seal_replies);
                if seals { Replies::Sealed } else { Replies::Plain }
            }),
        };
        let mut beliefs: Vec<(&RouteConfig, Arc<Belief>)> = Vec::new();
        let mut of_route = |route| {
            let Some(name) = RouteConfig::keys(route) else { return Some(None) };
            let is_same = |known: &RouteConfig| {
                known.upstream == route.upstream && known.policy.opens_as(&route.policy)
            };
            let known =
                beliefs.iter().find(|(known, _)| is_same(known)).map(|(_, belief)| Arc::clone(belief));
            let belief = known.unwrap_or_else(|| Arc::new(Belief::new(replies(route))));
            beliefs.push((route, Arc::clone(&belief)));
            Some(Some(Self { keys: keys(name)?, belief }))
        };
        config.routes.iter().map(&mut of_route).collect()
    }
}

/// One proxy as one worker runs it: it has its own connections to the upstream.
pub struct Proxy {
    config: Arc<ProxyConfig>,
    reception: Arc<Reception>,
    router: Arc<Router>,
    metrics: ProxyMetrics,
    budget: Arc<HeldBudget>,
    stop: Stop,
}

impl Proxy {
    /// A worker's part of `common`.
    pub fn new(common: &ProxyCommon, metrics: &Metrics) -> Self {
        let ProxyCommon { config, reception, budget, stop, upstream_tls, routes, window, reuses } = common;
        let metrics = metrics.proxy(&config.name);
        let replay = ReplayGuard::new(config, window.clone(), Arc::clone(reuses), metrics.clone());
        let mut pools = Pools::new(Arc::clone(config), metrics.clone(), upstream_tls.clone());
        let shared = |route: Option<&RouteConfig>| {
            Arc::new(Shared {
                name: Arc::clone(&config.name),
                route: route.and_then(|route| route.name.clone()),
                metrics: metrics.clone(),
                profile: route.and_then(RouteConfig::profile).cloned(),
                replay: replay.clone(),
            })
        };
        let ways = config.routes.iter().zip(routes).map(|(route, common)| {
            let onward = Onward::new(route.clone(), &mut pools);
            way(config, route, common.as_ref(), onward, shared(Some(route)))
        });
        let ways = ways.collect();
        let router = Arc::new(Router::new(Arc::clone(config), shared(None), ways));
        let (config, reception) = (Arc::clone(config), Arc::clone(reception));
        Self { config, reception, router, metrics, budget: Arc::clone(budget), stop: stop.clone() }
    }

    /// Serves one connection to its end. The future stands on its own and may be spawned.
    pub fn serve(&self, accepted: Accepted) -> impl Future<Output = ()> + Send + 'static {
        let opened = self.metrics.connection_opened();
        let activity = Arc::new(Activity::new(self.limits()));
        let (router, budget, stop) = (Arc::clone(&self.router), Arc::clone(&self.budget), self.stop.clone());
        let (config, reception, metrics) =
            (Arc::clone(&self.config), Arc::clone(&self.reception), self.metrics.clone());
        async move {
            let peer = accepted.peer;
            let arrived = match net::receive(accepted, &reception, &activity, &stop).await {
                Ok(arrived) => arrived,
                Err(end) => return note_end(peer, &end, &metrics),
            };
            let peer = arrived.peer;
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
                service_fn(move |request| Arc::clone(&router).serve(Arc::clone(&of_service), request));
            let end = net::serve_connection(arrived, activity, service, stop.clone()).await;
            note_end(peer, &end, &metrics);
            client.after_http.follow(&stop).await;
            drop(opened);
        }
    }

    fn limits(&self) -> ConnectionLimits {
        let Timeouts { first_byte, headers, body, idle, .. } = self.config.timeouts;
        ConnectionLimits { first_byte, headers, body, idle }
    }
}

fn note_end(peer: Peer, end: &ConnectionEnd, metrics: &ProxyMetrics) {
    match end {
        ConnectionEnd::Closed => {}
        ConnectionEnd::Failed(error) => tracing::debug!(%peer, %error, "connection failed"),
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
    let (Some(profile), Some(RouteCommon { keys, belief })) = (route.profile().cloned(), common) else {
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
