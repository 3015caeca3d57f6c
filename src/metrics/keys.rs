//! The counters of one key set: its ring, and the sources that the ring comes from.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Stands for "not yet" in the place of a time.
const NEVER: i64 = i64::MIN;

/// What keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// The key file.
    File,
    /// The portal.
    Portal,
}

impl SourceKind {
    /// Every kind, in the order of the declaration.
    pub const ALL: [Self; 2] = [Self::File, Self::Portal];

    /// The label's value; also fit for a log field.
    pub const fn label(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Portal => "portal",
        }
    }
}

/// How a fetch from a portal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FetchOutcome {
    /// A document came and its keys are in force.
    Taken,
    /// The document is the one that is known.
    Unchanged,
    /// A document came that is not taken; the keys in force stay.
    Refused,
    /// No document came.
    Failed,
}

impl FetchOutcome {
    /// Every outcome, in the order of the declaration.
    pub const ALL: [Self; 4] = [Self::Taken, Self::Unchanged, Self::Refused, Self::Failed];

    /// The label's value; also fit for a log field.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// The counters of one key set. A clone counts into the same ones.
#[derive(Clone, Debug)]
pub struct KeySetMetrics {
    counters: Arc<KeySetCounters>,
}

impl KeySetMetrics {
    /// Notes the ring that the process starts with; it is no reload.
    pub fn ring_loaded(&self, keys: usize, now: Timestamp) {
        self.counters.keys.set(i64::try_from(keys).unwrap_or(i64::MAX));
        self.counters.loaded.store(now.as_millisecond(), Relaxed);
    }

    /// Counts a ring that replaced another.
    pub fn ring_reloaded(&self, keys: usize, now: Timestamp) {
        self.counters.reloads.inc();
        self.ring_loaded(keys, now);
    }

    /// Counts a reload that failed and left the ring in force.
    pub fn reload_failed(&self) {
        self.counters.reload_failures.inc();
    }

    /// Counts a fetch from the portal.
    pub fn fetched(&self, outcome: FetchOutcome) {
        self.counters.fetches[outcome as usize].inc();
    }

    /// Counts a fetch that a message asked for, since it named a key that is not in the ring.
    pub fn refetched(&self) {
        self.counters.refetches.inc();
    }

    /// Notes that at `now` the source has what is in force.
    pub fn confirmed(&self, source: SourceKind, now: Timestamp) {
        self.counters.confirmed[source as usize].store(now.as_millisecond(), Relaxed);
    }
}

#[derive(Debug)]
struct KeySetCounters {
    keys: Gauge,
    reloads: Counter,
    reload_failures: Counter,
    refetches: Counter,
    ring_age: Gauge<f64, AtomicU64>,
    /// Milliseconds since the epoch, or [`NEVER`].
    loaded: AtomicI64,
    fetches: [Counter; FetchOutcome::ALL.len()],
    /// For each source that there is.
    source_ages: [Option<Gauge<f64, AtomicU64>>; SourceKind::ALL.len()],
    /// Milliseconds since the epoch.
    confirmed: [AtomicI64; SourceKind::ALL.len()],
}

impl KeySetCounters {
    fn grow_old(&self, now: Timestamp) {
        self.ring_age.set(age(self.loaded.load(Relaxed), now));
        for (gauge, confirmed) in self.source_ages.iter().zip(&self.confirmed) {
            if let Some(gauge) = gauge {
                gauge.set(age(confirmed.load(Relaxed), now));
            }
        }
    }
}

/// Seconds since a time; 0 where there was none yet, and where the clock was set back.
fn age(since: i64, now: Timestamp) -> f64 {
    match since {
        NEVER => 0.0,
        since => now.as_millisecond().saturating_sub(since).max(0) as f64 / 1000.0,
    }
}

/// The families from which each key set takes its counters.
#[derive(Debug, Default)]
pub(super) struct KeyFamilies {
    keys: Family<KeySetLabel, Gauge>,
    reloads: Family<KeySetLabel, Counter>,
    reload_failures: Family<KeySetLabel, Counter>,
    refetches: Family<KeySetLabel, Counter>,
    ring_age: Family<KeySetLabel, Gauge<f64, AtomicU64>>,
    fetches: Family<FetchLabels, Counter>,
    source_age: Family<SourceLabels, Gauge<f64, AtomicU64>>,
    /// All key sets, for the ages that are told at a scrape.
    sets: Mutex<Vec<Arc<KeySetCounters>>>,
}

impl KeyFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self::default();
        registry.register("keys", "Keys in the ring in force", families.keys.clone());
        registry.register("key_reloads", "Key rings taken after the first", families.reloads.clone());
        registry.register(
            "key_reload_failures",
            "Reloads that failed and left the ring in force",
            families.reload_failures.clone(),
        );
        registry.register_with_unit(
            "key_ring_age",
            "Time since the keys were last loaded",
            Unit::Seconds,
            families.ring_age.clone(),
        );
        registry.register_with_unit(
            "key_source_age",
            "Time since a source was last known to have what is in force",
            Unit::Seconds,
            families.source_age.clone(),
        );
        registry.register(
            "portal_fetches",
            "Fetches from a key portal by how they ended",
            families.fetches.clone(),
        );
        registry.register(
            "key_refetches",
            "Fetches asked for by messages under an unknown key",
            families.refetches.clone(),
        );
        families
    }

    /// The counters of the key set `name` with these sources, whose age counts from `now` until they are confirmed.
    pub(super) fn key_set(&self, name: &str, sources: &[SourceKind], now: Timestamp) -> KeySetMetrics {
        let keyset: Arc<str> = name.into();
        let label = KeySetLabel { keyset: Arc::clone(&keyset) };
        let counters = Arc::new(KeySetCounters {
            keys: self.keys.get_or_create_owned(&label),
            reloads: self.reloads.get_or_create_owned(&label),
            reload_failures: self.reload_failures.get_or_create_owned(&label),
            refetches: self.refetches.get_or_create_owned(&label),
            ring_age: self.ring_age.get_or_create_owned(&label),
            loaded: AtomicI64::new(NEVER),
            fetches: FetchOutcome::ALL.map(|outcome| {
                let labels = FetchLabels { keyset: Arc::clone(&keyset), outcome: outcome.label() };
                self.fetches.get_or_create_owned(&labels)
            }),
            source_ages: SourceKind::ALL.map(|source| {
                let labels = SourceLabels { keyset: Arc::clone(&keyset), source: source.label() };
                sources.contains(&source).then(|| self.source_age.get_or_create_owned(&labels))
            }),
            confirmed: SourceKind::ALL.map(|_| AtomicI64::new(now.as_millisecond())),
        });
        self.sets.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counters));
        KeySetMetrics { counters }
    }

    pub(super) fn grow_old(&self, now: Timestamp) {
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.iter().for_each(|set| set.grow_old(now));
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeySetLabel {
    keyset: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FetchLabels {
    keyset: Arc<str>,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    keyset: Arc<str>,
    source: &'static str,
}
