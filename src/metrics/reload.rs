//! Reloads of the whole configuration.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};

/// How a reload of the configuration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReloadOutcome {
    /// Something is wrong: all of it is as it was.
    Refused,
    /// What is written now holds.
    Swapped,
    /// It says what it said.
    Unchanged,
}

impl ReloadOutcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Refused, Self::Swapped, Self::Unchanged];

    /// The value of the label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Swapped => "swapped",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Counts the reloads of the configuration.
#[derive(Debug)]
pub struct ConfigMetrics {
    reloads: [Counter; ReloadOutcome::ALL.len()],
    last_successful: Gauge,
}

impl ConfigMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let reloads = Family::<OutcomeLabel, Counter>::default();
        let last_successful = Gauge::default();
        // Prometheus' own word for it: what holds is what is written.
        last_successful.set(1);
        registry.register(
            "config_reloads",
            "Reloads of the configuration by how they ended",
            reloads.clone(),
        );
        registry.register(
            "config_last_reload_successful",
            "Whether the configuration as it was last read holds",
            last_successful.clone(),
        );
        let of =
            |outcome: ReloadOutcome| reloads.get_or_create_owned(&OutcomeLabel { outcome: outcome.label() });
        Self { reloads: ReloadOutcome::ALL.map(of), last_successful }
    }

    /// Counts one.
    pub fn reloaded(&self, outcome: ReloadOutcome) {
        self.reloads[outcome as usize].inc();
        self.last_successful.set(i64::from(outcome != ReloadOutcome::Refused));
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}
