//! Where the time of exchanges goes.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds in seconds: opening or sealing a small message at one end, the longest default deadline at the other.
const BUCKETS: [f64; 16] = [
    0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
    60.0,
];

/// A part of an exchange. Each begins where the one before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Of the message that comes sealed: from its head to where it is handed on, as far as it is not streamed further.
    Opening,
    /// From handing the request on to the head of the reply.
    Upstream,
    /// Of the message that goes out sealed, likewise.
    Sealing,
}

impl Stage {
    /// Every stage, in the order of the declaration.
    pub const ALL: [Self; 3] = [Self::Opening, Self::Upstream, Self::Sealing];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Upstream => "upstream",
            Self::Sealing => "sealing",
        }
    }
}

/// The stages of one proxy, indexed by their own numbers.
#[derive(Debug)]
pub(super) struct StageHistograms([Histogram; Stage::ALL.len()]);

impl StageHistograms {
    pub(super) fn observe(&self, stage: Stage, duration: Duration) {
        self.0[stage as usize].observe(duration.as_secs_f64());
    }
}

#[derive(Debug)]
pub(super) struct StageFamilies {
    durations: Family<StageLabels, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    proxy: Arc<str>,
    stage: &'static str,
}

impl StageFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let durations: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register_with_unit(
            "stage_duration",
            "Parts of exchanges that were handed on to the upstream",
            Unit::Seconds,
            durations.clone(),
        );
        Self { durations }
    }

    pub(super) fn proxy(&self, proxy: &Arc<str>) -> StageHistograms {
        StageHistograms(Stage::ALL.map(|stage| {
            let labels = StageLabels { proxy: Arc::clone(proxy), stage: stage.label() };
            self.durations.get_or_create_owned(&labels)
        }))
    }
}
