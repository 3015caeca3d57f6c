//! The counters of what one proxy remembers of the messages that it has opened.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::ProxyLabel;

#[derive(Debug)]
pub(super) struct ReplayCounters {
    entries: Gauge,
    evicted: Counter,
}

impl ReplayCounters {
    pub(super) fn window(&self, remembered: usize, forgotten: u64) {
        self.entries.set(i64::try_from(remembered).unwrap_or(i64::MAX));
        self.evicted.inc_by(forgotten);
    }
}

/// The families from which each proxy takes its counters.
#[derive(Debug)]
pub(super) struct ReplayFamilies {
    entries: Family<ProxyLabel, Gauge>,
    evicted: Family<ProxyLabel, Counter>,
}

impl ReplayFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self { entries: Family::default(), evicted: Family::default() };
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
        families
    }

    pub(super) fn proxy(&self, proxy: &Arc<str>) -> ReplayCounters {
        let label = ProxyLabel { proxy: Arc::clone(proxy) };
        ReplayCounters {
            entries: self.entries.get_or_create_owned(&label),
            evicted: self.evicted.get_or_create_owned(&label),
        }
    }
}
