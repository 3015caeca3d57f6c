//! The counters of a route that moves its clients over from plain messages to sealed ones.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// How a request came to a route that takes plain ones as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MigrationVerdict {
    /// Plain, and it passed: `require` would refuse it.
    Plain,
    /// Its envelope was refused, as `require` does.
    Refused,
    /// Sealed, and it was opened.
    Sealed,
}

impl MigrationVerdict {
    /// Every verdict, in the order of the declaration.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Refused, Self::Sealed];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Refused => "refused",
            Self::Sealed => "sealed",
        }
    }
}

/// The counters of one route.
#[derive(Clone, Debug)]
pub struct MigrationMetrics {
    requests: Family<RequestLabels, Counter>,
    last_plain: Gauge<f64, AtomicU64>,
    proxy: Arc<str>,
    route: Arc<str>,
}

/// The counters of one network on one route.
#[derive(Clone, Debug)]
pub struct NetworkMetrics([Counter; MigrationVerdict::ALL.len()]);

impl MigrationMetrics {
    /// What clients that are not told apart are called.
    pub const OTHER: &str = "other";
    /// What clients are called that are in none of the route's networks.
    pub const OUTSIDE: &str = "outside";

    /// The counters of `network`, which becomes a label, so the caller sees to it that these stay few.
    pub fn network(&self, network: &str) -> NetworkMetrics {
        NetworkMetrics(MigrationVerdict::ALL.map(|verdict| {
            self.requests.get_or_create_owned(&RequestLabels {
                proxy: Arc::clone(&self.proxy),
                route: Arc::clone(&self.route),
                network: network.to_owned(),
                verdict: verdict.label(),
            })
        }))
    }

    /// A plain request passed at `at`, or a plain session was still under way then.
    pub fn plain_at(&self, at: Timestamp) {
        self.last_plain.set(at.as_second() as f64);
    }
}

impl NetworkMetrics {
    /// Counts a request.
    pub fn count(&self, verdict: MigrationVerdict) {
        self.0[verdict as usize].inc();
    }
}

/// Of these only the networks come from outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    proxy: Arc<str>,
    route: Arc<str>,
    network: String,
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    proxy: Arc<str>,
    route: Arc<str>,
}

/// The families from which each route takes its counters.
#[derive(Debug)]
pub(super) struct MigrationFamilies {
    requests: Family<RequestLabels, Counter>,
    last_plain: Family<RouteLabels, Gauge<f64, AtomicU64>>,
}

impl MigrationFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self { requests: Family::default(), last_plain: Family::default() };
        registry.register(
            "migration_requests",
            "Requests to routes that take plain ones as well, by how they came",
            families.requests.clone(),
        );
        registry.register_with_unit(
            "migration_last_plain_timestamp",
            "When a plain request last passed, or a plain session was last under way; 0 if none was since the start",
            Unit::Seconds,
            families.last_plain.clone(),
        );
        families
    }

    /// The counters of the route `route` of `proxy`, with those of clients that are not told apart.
    pub(super) fn route(&self, proxy: &str, route: &str) -> MigrationMetrics {
        let (proxy, route): (Arc<str>, Arc<str>) = (proxy.into(), route.into());
        let labels = RouteLabels { proxy: Arc::clone(&proxy), route: Arc::clone(&route) };
        let last_plain = self.last_plain.get_or_create_owned(&labels);
        let metrics = MigrationMetrics { requests: self.requests.clone(), last_plain, proxy, route };
        for network in [MigrationMetrics::OTHER, MigrationMetrics::OUTSIDE] {
            metrics.network(network);
        }
        metrics
    }
}
