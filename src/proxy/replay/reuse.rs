//! Who seals several messages under one IV, told by name.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::ale::{IvWatch, Receipt};
use crate::keys::Fingerprint;
use crate::metrics::ProxyMetrics;
use crate::proxy::Network;

/// How many are told apart. Fingerprints and networks come from outside, and labels must stay few.
const MOST_NAMED: usize = 32;
/// One that has been quiet for so long is told anew.
const QUIET: Duration = Duration::from_secs(3600);

/// The senders that repeat IVs, in the whole process.
#[derive(Default)]
pub struct IvReuses {
    watch: IvWatch,
    found: Mutex<IvReuseReport>,
}

/// What was found since the start.
#[derive(Clone, Debug, Default)]
pub struct IvReuseReport {
    /// Those that are told apart, at most 32, the first that came.
    pub named: Vec<IvReuse>,
    /// How often others repeated an IV.
    pub others: u64,
    /// When one of these did last.
    pub others_last: Option<Timestamp>,
}

/// A sender that repeats IVs.
#[derive(Clone, Debug)]
pub struct IvReuse {
    /// The proxy that it was seen at.
    pub proxy: Arc<str>,
    /// The key that it breaks.
    pub fingerprint: Fingerprint,
    /// Where it is.
    pub network: Network,
    /// How many messages came under an IV that another one had.
    pub count: u64,
    /// When the last one came.
    pub last: Timestamp,
}

impl IvReuses {
    /// What was found so far.
    pub fn report(&self) -> IvReuseReport {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a message that has opened; counts and tells it if its IV was another one's.
    pub(super) fn note(&self, receipt: &Receipt, from: Network, proxy: &Arc<str>, metrics: &ProxyMetrics) {
        if self.watch.repeats(receipt) {
            self.found(&receipt.key.fingerprint, from, proxy, metrics, super::super::now());
        }
    }

    #[cold]
    fn found(
        &self,
        fingerprint: &Fingerprint,
        from: Network,
        proxy: &Arc<str>,
        metrics: &ProxyMetrics,
        now: Timestamp,
    ) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, is_named) = found.count(fingerprint, from, proxy, now);
        drop(found);
        let network = from.to_string();
        if is_named {
            metrics.iv_reused(&fingerprint.short(), &network);
        } else {
            metrics.iv_reused_by_another();
        }
        if before.is_none_or(|before| now.duration_since(before).unsigned_abs() >= QUIET) {
            tracing::warn!(
                proxy = &**proxy,
                key = fingerprint.as_str(),
                network,
                "somebody seals several messages under one iv, which breaks GCM: have the sender mended, and the key replaced"
            );
        }
    }
}

impl IvReuseReport {
    /// When the same sender did so before, and whether it is told apart from others.
    fn count(
        &mut self,
        fingerprint: &Fingerprint,
        network: Network,
        proxy: &Arc<str>,
        now: Timestamp,
    ) -> (Option<Timestamp>, bool) {
        let is_it = |known: &&mut IvReuse| {
            known.network == network && known.fingerprint == *fingerprint && known.proxy == *proxy
        };
        if let Some(known) = self.named.iter_mut().find(is_it) {
            known.count += 1;
            return (Some(std::mem::replace(&mut known.last, now)), true);
        }
        if self.named.len() < MOST_NAMED {
            let (proxy, fingerprint) = (Arc::clone(proxy), fingerprint.clone());
            self.named.push(IvReuse { proxy, fingerprint, network, count: 1, last: now });
            return (None, true);
        }
        self.others += 1;
        (self.others_last.replace(now), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn thirty_two_senders_are_named_and_the_rest_are_others() {
        let (reuses, metrics) = (IvReuses::default(), Metrics::new());
        let (proxy, counters) = ("kitchen".into(), metrics.proxy("kitchen"));
        for number in 0..40_u8 {
            for _ in 0..2 {
                let key = "k".parse().unwrap();
                reuses.found(&key, Network::V4([10, 0, number]), &proxy, &counters, at(i64::from(number)));
            }
        }
        let report = reuses.report();
        assert_eq!((report.named.len(), report.others, report.others_last), (32, 16, Some(at(39))));
        assert!(report.named.iter().all(|reuse| reuse.count == 2 && &*reuse.proxy == "kitchen"));
        let text = metrics.encode(at(0));
        let series: Vec<_> =
            text.lines().filter(|line| line.starts_with("alewife_iv_reuses_total")).collect();
        assert_eq!(series.len(), 33, "{series:?}");
        let others = "alewife_iv_reuses_total{proxy=\"kitchen\",key=\"other\",network=\"other\"} 16";
        assert!(series.contains(&others), "{series:?}");
        // SHA-256 of the fingerprint, its first 8 digits.
        let one = "alewife_iv_reuses_total{proxy=\"kitchen\",key=\"8254c329\",network=\"10.0.31.0/24\"} 2";
        assert!(series.contains(&one), "{series:?}");
    }

    #[test]
    fn sender_is_told_again_after_an_hour_of_quiet() {
        let mut report = IvReuseReport::default();
        let (key, proxy) = ("k".parse().unwrap(), "kitchen".into());
        let mut count = |second| report.count(&key, Network::Upstream, &proxy, at(second)).0;
        assert_eq!([count(0), count(10), count(3610)], [None, Some(at(0)), Some(at(10))]);
    }
}
