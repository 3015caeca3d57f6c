//! A proxy as the process has it.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::migration::MigrationAccount;
use super::outbound::Belief;
use super::replay::SharedWindow;
use super::{
    IvReuses, KeyAccess, Limits, Migrations, Mode, ProxyConfig, Replies, RouteConfig, Upstream, respond,
};
use crate::capture::Capture;
use crate::net::{Door, DoorTerms, HeldBudget, Reception, Stop, TlsAcceptor, TurnedAway, UpstreamTls};

/// One proxy as the process has it: what its workers share.
pub struct ProxyCommon {
    pub(super) config: Arc<ProxyConfig>,
    pub(super) reception: Arc<Reception>,
    pub(super) budget: Arc<HeldBudget>,
    pub(super) limits: Arc<Limits>,
    /// For those that came in as its settings have it.
    pub(super) stop: Stop,
    /// How hands are shaken with each upstream under TLS.
    pub(super) upstream_tls: Vec<(Upstream, UpstreamTls)>,
    /// What is known of each route that is no bypass, in order.
    pub(super) routes: Vec<Option<RouteCommon>>,
    /// What has been opened, whichever worker did.
    pub(super) window: Option<Arc<SharedWindow>>,
    pub(super) reuses: Arc<IvReuses>,
    /// Where exchanges are kept for a developer, if they are.
    pub(super) capture: Option<Arc<Capture>>,
}

impl ProxyCommon {
    /// A proxy that seals and opens with the key sets that `keys` knows by name, within `limits`, and tells its clients to
    /// go once `stop` is cancelled. Senders that repeat IVs are noted in `reuses`, clients that may be plain still in
    /// `migrations`. `None` if `keys` does not know one of them.
    pub fn new(
        config: Arc<ProxyConfig>,
        keys: impl Fn(&str) -> Option<KeyAccess>,
        budget: Arc<HeldBudget>,
        limits: Arc<Limits>,
        stop: &Stop,
        reuses: Arc<IvReuses>,
        migrations: &Migrations,
    ) -> Option<Self> {
        let routes = RouteCommon::of_all(&config, keys, migrations)?;
        let window = config.replay.as_ref().map(|replay| SharedWindow::new(&config.name, replay));
        let reception = Reception { proxy_protocol_from: config.proxy_protocol_from.clone(), tls: None };
        let reception = Arc::new(reception);
        let upstream_tls = upstream_tls(&config);
        let stop = stop.follower();
        Some(Self {
            config,
            reception,
            budget,
            limits,
            stop,
            upstream_tls,
            routes,
            window,
            reuses,
            capture: None,
        })
    }

    /// The same, whose exchanges are kept there, if anywhere.
    pub fn kept_in(self, capture: Option<Arc<Capture>>) -> Self {
        Self { capture, ..self }
    }

    /// How much it takes on, whatever its settings become.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// Who gets in by its listener, for as long as `terms` are not replaced.
    pub fn door(&self, terms: Arc<ArcSwap<DoorTerms>>) -> Door {
        let limits = Arc::clone(&self.limits);
        Door {
            gate: Arc::clone(limits.gate()),
            terms,
            on_excess: Box::new(move |excess| limits.turned_away(excess)),
        }
    }

    /// How it is told who gets in.
    pub fn door_terms(&self) -> DoorTerms {
        DoorTerms {
            relays: self.config.proxy_protocol_from.clone(),
            turned_away: match self.reception.tls {
                None => TurnedAway::Answered(respond::turned_away()),
                Some(_) => TurnedAway::Closed,
            },
        }
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

    /// Tells those to go that came in by `predecessor`, behind the same listener, if they were taken in another way than they
    /// would be now: without TLS, or believed in what they say of others.
    pub fn following(mut self, predecessor: &Self) -> Self {
        let (known, config) = (&predecessor.config, &self.config);
        let is_same = known.tls == config.tls
            && known.proxy_protocol_from == config.proxy_protocol_from
            && known.trust_forwarded_from == config.trust_forwarded_from
            && known.forwarded == config.forwarded;
        if is_same {
            self.stop = predecessor.stop.clone();
        } else {
            predecessor.stop.say();
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
pub(super) struct RouteCommon {
    pub(super) keys: KeyAccess,
    pub(super) belief: Arc<Belief>,
    /// Of its clients, where some may be plain.
    pub(super) migration: Option<Arc<MigrationAccount>>,
}

impl RouteCommon {
    /// Those of all routes. What a peer was found to do holds for all routes that lead to it with the same keys.
    fn of_all(
        config: &ProxyConfig,
        keys: impl Fn(&str) -> Option<KeyAccess>,
        migrations: &Migrations,
    ) -> Option<Vec<Option<Self>>> {
        let replies = |route: &RouteConfig| match &config.mode {
            Mode::Inbound(_) => Replies::default(),
            Mode::Outbound(outbound) => outbound.replies.unwrap_or_else(|| {
                let seals = route.profile().is_none_or(|profile| profile.terms().seal_replies);
                if seals { Replies::Sealed } else { Replies::Plain }
            }),
        };
        let mut beliefs: Vec<(&RouteConfig, Arc<Belief>)> = Vec::new();
        let of_route = |route| {
            let Some(name) = RouteConfig::keys(route) else { return Some(None) };
            let mut known = beliefs.iter().filter(|(known, _)| known.seals_for_same_peer(route));
            let known = known.next().map(|(_, belief)| Arc::clone(belief));
            let belief = known.unwrap_or_else(|| Arc::new(Belief::new(replies(route))));
            beliefs.push((route, Arc::clone(&belief)));
            let title = route.name.as_deref().unwrap_or(Migrations::ALL);
            let migration =
                RouteConfig::migration(route).map(|terms| migrations.account(&config.name, title, terms));
            Some(Some(Self { keys: keys(name)?, belief, migration }))
        };
        config.routes.iter().map(of_route).collect()
    }
}
