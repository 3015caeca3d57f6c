//! How often each key is used, read at a scrape from where it is counted.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Asked;

/// Keys that are told of, so that rings of any size have few series.
const MOST_TOLD: usize = 256;

/// What one key of a ring in force was used for since the start of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The key set.
    pub keyset: Arc<str>,
    /// A short name of the key.
    pub key: String,
    /// Messages that were sealed with it.
    pub seals: u64,
    /// Messages that it opened.
    pub opens: u64,
    /// How many it may seal, if there is a bound.
    pub seal_limit: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UseLabels {
    keyset: Arc<str>,
    key: String,
}

impl Collector for Asked<Vec<KeyUse>> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let uses: Vec<_> = self
            .ask()
            .into_iter()
            .take(MOST_TOLD)
            .map(|told| (UseLabels { keyset: Arc::clone(&told.keyset), key: told.key.clone() }, told))
            .collect();
        if uses.is_empty() {
            return Ok(());
        }
        let counters = [
            ("key_seals", "Messages sealed, by key", (|told| told.seals) as fn(&KeyUse) -> u64),
            ("key_opens", "Messages opened, by key", |told| told.opens),
        ];
        for (name, help, count) in counters {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (labels, told) in &uses {
                ConstCounter::new(count(told)).encode(family.encode_family(labels)?)?;
            }
        }
        if uses.iter().all(|(_, told)| told.seal_limit.is_none()) {
            return Ok(());
        }
        let help = "Messages that a key may seal";
        let mut family = encoder.encode_descriptor("key_seal_limit", help, None, MetricType::Gauge)?;
        for (labels, told) in &uses {
            if let Some(limit) = told.seal_limit {
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                ConstGauge::new(limit).encode(family.encode_family(labels)?)?;
            }
        }
        Ok(())
    }
}
