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

use std::net::TcpStream;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use http::HeaderValue;
use hyper::service::service_fn;
use jiff::Timestamp;

use bypass::Bypass;
use client::Client;
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

use crate::metrics::{Metrics, ProxyMetrics};
use crate::net::{self, Accepted, Activity, ConnectionEnd, ConnectionLimits, HeldBudget, SpareTimer, Stop};
use crate::profile::Profile;

/// One proxy as the process has it: what its workers share.
pub struct ProxyCommon {
    config: Arc<ProxyConfig>,
    budget: Arc<HeldBudget>,
    stop: Stop,
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
        Some(Self { config, budget, stop, routes, window, reuses })
    }

    /// The same in the place of `predecessor`, that had the same name: what that one knows of messages and peers is not
    /// forgotten, as far as the settings about it are the same.
    pub fn succeeding(mut self, predecessor: &Self) -> Self {
        if self.config.replay == predecessor.config.replay {
            self.window.clone_from(&predecessor.window);
        }
        let known: Vec<_> = predecessor.config.routes.iter().zip(&predecessor.routes).collect();
        for (route, common) in self.config.routes.iter().zip(&mut self.routes) {
            let Some(common) = common else { continue };
            let mut beliefs = known.iter().filter_map(|(known, their)| Some((known, their.as_ref()?)));
            if let Some((_, their)) = beliefs.find(|(known, their)| {
                known.seals_for_same_peer(route) && their.belief.replies() == common.belief.replies()
            }) {
                common.belief = Arc::clone(&their.belief);
            }
        }
        self
    }

    /// Its settings.
    pub fn config(&self) -> &Arc<ProxyConfig> {
        &self.config
    }

    /// Whether what it remembers of messages would be lost if `successor` took its place.
    pub fn would_forget(&self, successor: &ProxyConfig) -> bool {
        self.config.replay.is_some() && self.config.replay != successor.replay
    }
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
            let mut known = beliefs.iter().filter(|(known, _)| known.seals_for_same_peer(route));
            let known = known.next().map(|(_, belief)| Arc::clone(belief));
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
    /// Looked up by each request, so that connections outlive a change of the configuration.
    router: Arc<ArcSwap<Router>>,
    metrics: ProxyMetrics,
    budget: Arc<HeldBudget>,
    stop: Stop,
}

impl Proxy {
    /// A worker's part of `common`.
    pub fn new(common: &ProxyCommon, metrics: &Metrics) -> Self {
        let ProxyCommon { config, budget, stop, routes, window, reuses } = common;
        let metrics = metrics.proxy(&config.name);
        let replay = ReplayGuard::new(config, window.clone(), Arc::clone(reuses), metrics.clone());
        let mut pools = Pools::new(Arc::clone(config), metrics.clone());
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
        let router = Arc::new(ArcSwap::from_pointee(Router::new(Arc::clone(config), shared(None), ways)));
        Self { config: Arc::clone(config), router, metrics, budget: Arc::clone(budget), stop: stop.clone() }
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
        let router = Arc::clone(&self.router);
        let activity = Arc::clone(&client.activity);
        let service = service_fn(move |request| router.load_full().serve(Arc::clone(&client), request));
        net::serve_connection(stream, activity, service, self.stop.clone())
    }

    fn limits(&self) -> ConnectionLimits {
        let Timeouts { first_byte, headers, body, idle, .. } = self.config.timeouts;
        ConnectionLimits { first_byte, headers, body, idle }
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
