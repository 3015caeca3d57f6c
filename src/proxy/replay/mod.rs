//! Messages that have been opened before are not opened again (P11). All workers of a proxy share one window.

mod config;
mod network;
mod reuse;

use std::sync::{Arc, Mutex, PoisonError};

pub use config::ReplayConfig;
pub use network::Network;
pub use reuse::{IvReuse, IvReuseReport, IvReuses};

use crate::ale::{Admission, Receipt, ReplayWindow};
use crate::metrics::ProxyMetrics;
use crate::net::Clock;

/// Asks whether a message is the first of its kind: one proxy on one worker.
#[derive(Clone)]
pub(crate) struct ReplayGuard {
    proxy: Arc<str>,
    window: Option<Arc<SharedWindow>>,
    reuses: Arc<IvReuses>,
    metrics: ProxyMetrics,
}

/// Why a message that has opened goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// It has been opened before.
    Replayed,
}

impl ReplayGuard {
    /// Without a window every message is the first.
    pub(crate) fn new(
        proxy: Arc<str>,
        window: Option<Arc<SharedWindow>>,
        reuses: Arc<IvReuses>,
        metrics: ProxyMetrics,
    ) -> Self {
        Self { proxy, window, reuses, metrics }
    }

    /// Lets a message go on once. Under GCM its tag must have been verified, or forged ones could shut out real ones.
    pub(crate) fn admit(&self, receipt: &Receipt, from: Network) -> Result<(), Denial> {
        self.reuses.note(receipt, from, &self.proxy, &self.metrics);
        let Some(window) = &self.window else { return Ok(()) };
        match window.admit(receipt, &self.metrics) {
            Admission::First => Ok(()),
            Admission::Replayed => Err(Denial::Replayed),
        }
    }
}

/// What a proxy remembers, whichever of its workers opened it.
pub(crate) struct SharedWindow {
    window: Mutex<ReplayWindow>,
    clock: Clock,
}

impl SharedWindow {
    pub(crate) fn new(config: &ReplayConfig) -> Arc<Self> {
        let lasts = u64::try_from(config.window.as_millis()).unwrap_or(u64::MAX);
        let window = Mutex::new(ReplayWindow::new(lasts, config.entries));
        Arc::new(Self { window, clock: Clock::start() })
    }

    /// The lock is held for a look-up.
    fn admit(&self, receipt: &Receipt, metrics: &ProxyMetrics) -> Admission {
        let now = self.clock.now() / 1_000_000;
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let before = window.evicted();
        let admission = window.admit(receipt, now);
        metrics.replay_window(window.len(), window.evicted() - before);
        admission
    }
}
