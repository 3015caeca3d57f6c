//! What is counted, under names and labels that are fixed here, and its text for Prometheus.
//!
//! Pure: the text is made on request, and the time of a scrape is passed in. Labels are the proxies'
//! configured names and closed sets; no path, fingerprint or address becomes one. Every combination exists
//! from the start with value 0, since `rate()` does not see a counter that first appears with 1. Who repeats IVs is the
//! exception to both: a short hash and a network, of at most 32 senders.

mod labels;
mod peer;
mod proxy;
mod replay;
#[cfg(test)]
mod tests;
mod websocket;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

pub use labels::{AleCode, AleReason, Closer, Direction, MessageRefusal, Outcome};
pub use peer::{PeerCode, ReplyReason};
pub use proxy::{ConnectionGuard, ProxyMetrics, RequestGuard};
pub use websocket::SessionGuard;

/// The media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Stands for "no ring was loaded yet" in the place of a time.
const NEVER: i64 = i64::MIN;

/// All counters of the process; shared as `Arc<Metrics>`.
#[derive(Debug)]
pub struct Metrics {
    /// Bytes of bodies held in memory; kept by the budget that grants them.
    pub held_bytes: Gauge,
    /// Log lines that were given up because standard error took none; kept by the log's writer.
    pub log_lines_dropped: Counter,
    registry: Registry,
    proxies: proxy::ProxyFamilies,
    keys: Gauge,
    key_reloads: Counter,
    key_reload_failures: Counter,
    key_ring_age: Gauge<f64, AtomicU64>,
    /// Milliseconds since the epoch, or [`NEVER`].
    key_ring_loaded: AtomicI64,
}

impl Metrics {
    /// All counters at 0.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("alewife");
        let proxies = proxy::ProxyFamilies::register(&mut registry);
        let mut metrics = Self {
            held_bytes: Gauge::default(),
            log_lines_dropped: Counter::default(),
            registry,
            proxies,
            keys: Gauge::default(),
            key_reloads: Counter::default(),
            key_reload_failures: Counter::default(),
            key_ring_age: Gauge::default(),
            key_ring_loaded: AtomicI64::new(NEVER),
        };
        metrics.register_keys();
        metrics.register_process();
        metrics
    }

    /// The counters of the proxy `name`. The same name gives the same counters.
    pub fn proxy(&self, name: &str) -> ProxyMetrics {
        self.proxies.proxy(name)
    }

    /// Notes the ring that the process starts with; it is no reload.
    pub fn key_ring_loaded(&self, keys: usize, now: Timestamp) {
        self.keys.set(i64::try_from(keys).unwrap_or(i64::MAX));
        self.key_ring_loaded.store(now.as_millisecond(), Ordering::Relaxed);
    }

    /// Counts a ring that replaced another.
    pub fn key_ring_reloaded(&self, keys: usize, now: Timestamp) {
        self.key_reloads.inc();
        self.key_ring_loaded(keys, now);
    }

    /// Counts a reload that failed and left the ring in force.
    pub fn key_reload_failed(&self) {
        self.key_reload_failures.inc();
    }

    /// The text that a scrape at `now` gets, of the media type [`CONTENT_TYPE`].
    pub fn encode(&self, now: Timestamp) -> String {
        self.key_ring_age.set(self.ring_age(now));
        let mut text = String::with_capacity(16 * 1024);
        text::encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }

    /// Seconds since the last load; 0 before the first, and where the clock was set back.
    fn ring_age(&self, now: Timestamp) -> f64 {
        match self.key_ring_loaded.load(Ordering::Relaxed) {
            NEVER => 0.0,
            loaded => now.as_millisecond().saturating_sub(loaded).max(0) as f64 / 1000.0,
        }
    }

    fn register_keys(&mut self) {
        self.registry.register("keys", "Keys in the ring in force", self.keys.clone());
        self.registry.register("key_reloads", "Key rings taken after the first", self.key_reloads.clone());
        self.registry.register(
            "key_reload_failures",
            "Reloads that failed and left the ring in force",
            self.key_reload_failures.clone(),
        );
        self.registry.register_with_unit(
            "key_ring_age",
            "Time since the keys were last loaded",
            Unit::Seconds,
            self.key_ring_age.clone(),
        );
    }

    fn register_process(&mut self) {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        self.registry.register("build", "The running version", build);
        self.registry.register_with_unit(
            "held",
            "Bytes of bodies held in memory",
            Unit::Bytes,
            self.held_bytes.clone(),
        );
        self.registry.register(
            "log_lines_dropped",
            "Log lines given up because standard error took none",
            self.log_lines_dropped.clone(),
        );
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
