//! The counters of what one proxy remembers of the messages that it has opened.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::ProxyLabel;

#[derive(Debug)]
pub(super) struct ReplayCounters {
    entries: Gauge,
    evicted: Counter,
    pub(super) store_failures: Counter,
    reuses: Family<ReuseLabels, Counter>,
    reuses_by_others: Counter,
    proxy: Arc<str>,
}

impl ReplayCounters {
    pub(super) fn window(&self, remembered: usize, forgotten: u64) {
        self.entries.set(i64::try_from(remembered).unwrap_or(i64::MAX));
        self.evicted.inc_by(forgotten);
    }

    pub(super) fn reused(&self, key: &str, network: &str) {
        let (proxy, key, network) = (Arc::clone(&self.proxy), key.to_owned(), network.to_owned());
        self.reuses.get_or_create_owned(&ReuseLabels { proxy, key, network }).inc();
    }

    pub(super) fn reused_by_another(&self) {
        self.reuses_by_others.inc();
    }
}

/// The families from which each proxy takes its counters.
#[derive(Debug)]
pub(super) struct ReplayFamilies {
    entries: Family<ProxyLabel, Gauge>,
    evicted: Family<ProxyLabel, Counter>,
    store_failures: Family<ProxyLabel, Counter>,
    reuses: Family<ReuseLabels, Counter>,
}

/// The only labels that come from outside: a hash, and a network. Whoever counts keeps them few.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReuseLabels {
    proxy: Arc<str>,
    key: String,
    network: String,
}

impl ReplayFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            entries: Family::default(),
            evicted: Family::default(),
            store_failures: Family::default(),
            reuses: Family::default(),
        };
        registry.register(
            "replay_entries",
            "Messages that the replay window remembers",
            families.entries.clone(),
        );
        registry.register(
            "replay_evicted",
            "Messages that the replay window forgot before their time, for want of room",
            families.evicted.clone(),
        );
        registry.register(
            "replay_store_failures",
            "Messages for which the replay store did not answer, or not in time",
            families.store_failures.clone(),
        );
        registry.register(
            "iv_reuses",
            "Messages under an IV that another message under the same key had, which breaks GCM",
            families.reuses.clone(),
        );
        families
    }

    pub(super) fn proxy(&self, proxy: &Arc<str>) -> ReplayCounters {
        let label = ProxyLabel { proxy: Arc::clone(proxy) };
        let other = || "other".to_owned();
        let others = ReuseLabels { proxy: Arc::clone(proxy), key: other(), network: other() };
        ReplayCounters {
            entries: self.entries.get_or_create_owned(&label),
            evicted: self.evicted.get_or_create_owned(&label),
            store_failures: self.store_failures.get_or_create_owned(&label),
            reuses: self.reuses.clone(),
            reuses_by_others: self.reuses.get_or_create_owned(&others),
            proxy: Arc::clone(proxy),
        }
    }
}
