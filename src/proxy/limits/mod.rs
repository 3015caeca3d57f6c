//! How much one proxy takes on at once, over all its workers, and what becomes of the rest.
//!
//! What is counted is counted by guards: a place is given back when its guard is dropped, on whichever way.

mod bell;
mod config;
mod head;
mod lines;
mod pace;
mod places;

use std::sync::Arc;

use arc_swap::ArcSwap;
pub use config::LimitsConfig;
pub(crate) use head::{HeadFault, check_head};
use lines::Lines;
pub(crate) use pace::{Pace, TooSlow};
pub(crate) use places::Place;
use places::Places;

use crate::metrics::{ProxyMetrics, Shed};
use crate::net::{ConnectionBounds, ConnectionGate, Excess};

/// The limits of one proxy, with what counts towards them.
#[derive(Debug)]
pub struct Limits {
    gate: Arc<ConnectionGate>,
    requests: Places,
    sessions: Places,
    /// Whose they are, which a change of the configuration may change as well.
    owner: ArcSwap<Owner>,
    lines: Lines,
}

/// The proxy that has the limits.
#[derive(Debug)]
struct Owner {
    name: Arc<str>,
    metrics: ProxyMetrics,
}

impl Limits {
    /// The limits of the proxy `name`, with nothing under way.
    pub fn new(name: Arc<str>, config: &LimitsConfig, metrics: ProxyMetrics) -> Arc<Self> {
        let this = Self {
            gate: Arc::new(ConnectionGate::new(bounds(config))),
            requests: Places::new(config.requests),
            sessions: Places::new(config.sessions),
            owner: ArcSwap::from_pointee(Owner { name, metrics }),
            lines: Lines::default(),
        };
        this.show(config);
        Arc::new(this)
    }

    /// Other limits from now on, those of the proxy `name`. What is under way stays and counts, even if that is more.
    pub fn change(&self, name: &Arc<str>, config: &LimitsConfig, metrics: ProxyMetrics) {
        self.owner.store(Arc::new(Owner { name: Arc::clone(name), metrics }));
        self.gate.set_bounds(bounds(config));
        self.requests.set_bound(config.requests);
        self.sessions.set_bound(config.sessions);
        self.show(config);
    }

    /// Where connections are counted.
    pub fn gate(&self) -> &Arc<ConnectionGate> {
        &self.gate
    }

    /// Requests in flight now.
    pub fn requests(&self) -> u32 {
        self.requests.taken()
    }

    /// WebSocket sessions now, those included that are being agreed on.
    pub fn sessions(&self) -> u32 {
        self.sessions.taken()
    }

    /// A connection was turned away.
    pub fn turned_away(&self, excess: Excess) {
        self.shed(match excess {
            Excess::Connections => Shed::Connections,
            Excess::ConnectionsPerPeer => Shed::ConnectionsPerPeer,
        });
    }

    /// A place for a request; `None` if there is none.
    pub(crate) fn request(&self) -> Option<Place> {
        self.requests.take()
    }

    /// A place for a WebSocket; `None` if there is none.
    pub(crate) fn session(&self) -> Option<Place> {
        self.sessions.take()
    }

    /// Counts what was turned away, and logs it now and then.
    pub(crate) fn shed(&self, reason: Shed) {
        let owner = self.owner.load();
        owner.metrics.shed(reason);
        if let Some(count) = self.lines.due(reason) {
            tracing::warn!(
                proxy = &*owner.name,
                reason = reason.label(),
                count,
                "turned away at a limit, since the last such line"
            );
        }
    }

    fn show(&self, config: &LimitsConfig) {
        for (limit, value) in config.values() {
            self.owner.load().metrics.limit(limit, value);
        }
    }
}

fn bounds(config: &LimitsConfig) -> ConnectionBounds {
    let LimitsConfig { connections, connections_per_peer, .. } = config;
    ConnectionBounds { connections: connections.get(), per_peer: connections_per_peer.get() }
}
