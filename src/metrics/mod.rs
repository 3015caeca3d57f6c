//! What is counted, under names and labels that are fixed here, and its text for Prometheus.
//!
//! The text is made on request, and the time of a scrape is passed in. Labels are the proxies'
//! configured names and closed sets; no path, fingerprint or address becomes one. Every combination exists
//! from the start with value 0, since `rate()` does not see a counter that first appears with 1. Who repeats IVs is the
//! exception to both: a short hash and a network, of at most 32 senders; and so are the networks of clients that a route moves
//! over, at most 32 as well.

mod asked;
mod keys;
mod labels;
mod limits;
mod migration;
mod peer;
mod process;
mod proxy;
mod reload;
mod replay;
mod stages;
#[cfg(test)]
mod tests;
mod uses;
mod websocket;
mod wire;

use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use asked::Asked;

pub use keys::{FetchOutcome, KeySetMetrics, SourceKind};
pub use labels::{AleCode, AleReason, Closer, Direction, MessageRefusal, Outcome};
pub use limits::{Limit, Shed};
pub use migration::{MigrationMetrics, MigrationVerdict, NetworkMetrics};
pub use peer::{PeerCode, ReplyReason};
pub use process::ProcessFigures;
pub use proxy::{ConnectionGuard, ProxyMetrics, RequestGuard};
pub use reload::{ConfigMetrics, ReloadOutcome};
pub use stages::Stage;
pub use uses::KeyUse;
pub use websocket::SessionGuard;
pub use wire::{CertificateMetrics, HandshakeKind};

/// The media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All counters of the process; shared as `Arc<Metrics>`.
#[derive(Debug)]
pub struct Metrics {
    /// Bytes of bodies held in memory; kept by the budget that grants them.
    pub held_bytes: Gauge,
    /// Log lines that were given up because standard error took none; kept by the log's writer.
    pub log_lines_dropped: Counter,
    /// Lines of exchanges that were more than the limit; kept by the log's writer.
    pub access_lines_left_out: Counter,
    /// Reloads of the configuration.
    pub config: ConfigMetrics,
    registry: Registry,
    proxies: proxy::ProxyFamilies,
    keys: keys::KeyFamilies,
    migrations: migration::MigrationFamilies,
    key_uses: Arc<Asked<Vec<KeyUse>>>,
    process: Arc<Asked<ProcessFigures>>,
}

impl Metrics {
    /// All counters at 0.
    pub fn new() -> Self {
        let mut all = Registry::default();
        let process = Arc::<Asked<ProcessFigures>>::default();
        all.register_collector(Box::new(Arc::clone(&process)));
        let registry = all.sub_registry_with_prefix("alewife");
        let key_uses = Arc::<Asked<Vec<KeyUse>>>::default();
        registry.register_collector(Box::new(Arc::clone(&key_uses)));
        let metrics = Self {
            proxies: proxy::ProxyFamilies::register(registry),
            keys: keys::KeyFamilies::register(registry),
            config: ConfigMetrics::register(registry),
            migrations: migration::MigrationFamilies::register(registry),
            held_bytes: Gauge::default(),
            log_lines_dropped: Counter::default(),
            access_lines_left_out: Counter::default(),
            registry: Registry::default(),
            key_uses,
            process,
        };
        metrics.register_process(registry);
        Self { registry: all, ..metrics }
    }

    /// Has a scrape ask `ask` how often each key was used.
    pub fn asks_of_keys(&self, ask: impl Fn() -> Vec<KeyUse> + Send + Sync + 'static) {
        self.key_uses.is_of(ask);
    }

    /// Has a scrape ask `ask` what the process takes.
    pub fn asks_of_process(&self, ask: impl Fn() -> ProcessFigures + Send + Sync + 'static) {
        self.process.is_of(ask);
    }

    /// The counters of the proxy `name`. The same name gives the same counters.
    pub fn proxy(&self, name: &str) -> ProxyMetrics {
        self.proxies.proxy(name)
    }

    /// The counters of the route `route` of the proxy `proxy`, which takes plain requests as well.
    pub fn migration(&self, proxy: &str, route: &str) -> MigrationMetrics {
        self.migrations.route(proxy, route)
    }

    /// The counters of the certificates of the proxy `name`, for one that listens under TLS.
    pub fn certificates(&self, name: &str) -> CertificateMetrics {
        self.proxies.certificates(name)
    }

    /// The counters of the key set `name`, whose keys come from `sources`; their ages count from `now` until they are
    /// confirmed.
    pub fn key_set(&self, name: &str, sources: &[SourceKind], now: Timestamp) -> KeySetMetrics {
        self.keys.key_set(name, sources, now)
    }

    /// The text that a scrape at `now` gets, of the media type [`CONTENT_TYPE`].
    pub fn encode(&self, now: Timestamp) -> String {
        self.keys.grow_old(now);
        let mut text = String::with_capacity(16 * 1024);
        text::encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }

    fn register_process(&self, registry: &mut Registry) {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running version", build);
        registry.register_with_unit(
            "held",
            "Bytes of bodies held in memory",
            Unit::Bytes,
            self.held_bytes.clone(),
        );
        registry.register(
            "log_lines_dropped",
            "Log lines given up because standard error took none",
            self.log_lines_dropped.clone(),
        );
        registry.register(
            "access_lines_left_out",
            "Lines of exchanges left out beyond the limit of the access log",
            self.access_lines_left_out.clone(),
        );
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
