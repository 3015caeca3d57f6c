//! The limits of one proxy, and what was turned away at them.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Why something was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shed {
    /// A connection: the listener had as many as it may.
    Connections,
    /// A connection: its peer had as many as it may.
    ConnectionsPerPeer,
    /// A request: as many were in flight as may be.
    Requests,
    /// A WebSocket: as many were open as may be.
    Sessions,
    /// A request: its head has too many bytes or fields.
    Header,
    /// A request: its body came too slowly.
    SlowBody,
}

impl Shed {
    /// Every reason, in the order of the declaration.
    pub const ALL: [Self; 6] = [
        Self::Connections,
        Self::ConnectionsPerPeer,
        Self::Requests,
        Self::Sessions,
        Self::Header,
        Self::SlowBody,
    ];

    /// The label's value; also fit for a log field.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerPeer => "connections_per_peer",
            Self::Requests => "requests",
            Self::Sessions => "sessions",
            Self::Header => "header",
            Self::SlowBody => "slow_body",
        }
    }
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Bytes of a request's head.
    HeaderBytes,
    /// Fields of a request's head.
    HeaderCount,
    /// Connections of the listener.
    Connections,
    /// Connections of one peer.
    ConnectionsPerPeer,
    /// Requests in flight.
    Requests,
    /// WebSocket sessions.
    Sessions,
    /// Bytes of a body in a second, at least; 0 for none.
    MinBodyRate,
}

impl Limit {
    /// Every limit, in the order of the declaration.
    pub const ALL: [Self; 7] = [
        Self::HeaderBytes,
        Self::HeaderCount,
        Self::Connections,
        Self::ConnectionsPerPeer,
        Self::Requests,
        Self::Sessions,
        Self::MinBodyRate,
    ];

    /// The label's value: the key of the configuration.
    pub const fn label(self) -> &'static str {
        match self {
            Self::HeaderBytes => "header_bytes",
            Self::HeaderCount => "header_count",
            Self::Connections => "connections",
            Self::ConnectionsPerPeer => "connections_per_peer",
            Self::Requests => "requests",
            Self::Sessions => "sessions",
            Self::MinBodyRate => "min_body_rate",
        }
    }
}

/// Indexed by the enums' own numbers; a test holds `ALL` to the declarations.
#[derive(Debug)]
pub(super) struct LimitCounters {
    shed: [Counter; Shed::ALL.len()],
    limits: [Gauge; Limit::ALL.len()],
}

impl LimitCounters {
    pub(super) fn shed(&self, reason: Shed) {
        self.shed[reason as usize].inc();
    }

    pub(super) fn set(&self, limit: Limit, value: u64) {
        self.limits[limit as usize].set(i64::try_from(value).unwrap_or(i64::MAX));
    }
}

/// The families from which each proxy takes its counters.
#[derive(Debug)]
pub(super) struct LimitFamilies {
    shed: Family<ShedLabels, Counter>,
    limits: Family<LimitLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShedLabels {
    proxy: Arc<str>,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    proxy: Arc<str>,
    limit: &'static str,
}

impl LimitFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self { shed: Family::default(), limits: Family::default() };
        registry.register("shed", "Work turned away at a limit", families.shed.clone());
        registry.register("limit", "Limits as they are configured", families.limits.clone());
        families
    }

    pub(super) fn proxy(&self, proxy: &Arc<str>) -> LimitCounters {
        LimitCounters {
            shed: Shed::ALL.map(|reason| {
                let labels = ShedLabels { proxy: Arc::clone(proxy), reason: reason.label() };
                self.shed.get_or_create_owned(&labels)
            }),
            limits: Limit::ALL.map(|limit| {
                let labels = LimitLabels { proxy: Arc::clone(proxy), limit: limit.label() };
                self.limits.get_or_create_owned(&labels)
            }),
        }
    }
}
