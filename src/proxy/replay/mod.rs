//! Messages that have been opened before are not opened again (P11). All workers of a proxy share one window.

mod config;
mod outlived;
mod reuse;
mod store;

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

pub use config::{ReplayConfig, StoreAddress, StoreConfig, StoreFailure};
pub use outlived::{OutlivedWindow, replay_warning};
pub use reuse::{IvReuse, IvReuseReport, IvReuses};
use store::{Health, NoAnswer, Store, Told};

use super::respond::Failure;
use super::{Network, ProxyConfig};
use crate::ale::{Admission, Receipt, Refusal, ReplayWindow, ReplyFault};
use crate::metrics::ProxyMetrics;
use crate::net::Clock;

/// Asks whether a message is the first of its kind: one proxy on one worker.
#[derive(Clone)]
pub(crate) struct ReplayGuard {
    proxy: Arc<str>,
    window: Option<Arc<SharedWindow>>,
    store: Option<Store>,
    reuses: Arc<IvReuses>,
    metrics: ProxyMetrics,
}

/// Why a message that has opened goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// It has been opened before.
    Replayed,
    /// Nobody can say whether it has, and it must be known.
    StoreFailed,
}

/// What becomes of a message that has opened.
pub(crate) enum Judgement {
    /// That is known.
    Settled(Result<(), Denial>),
    /// The store is asked.
    Asked(Judging),
}

/// Ends when the store has answered, or had its time.
pub(crate) type Judging = Pin<Box<dyn Future<Output = Result<(), Denial>> + Send>>;

impl ReplayGuard {
    /// One worker's. Without a window every message is the first.
    pub(crate) fn new(
        config: &ProxyConfig,
        window: Option<Arc<SharedWindow>>,
        reuses: Arc<IvReuses>,
        metrics: ProxyMetrics,
    ) -> Self {
        let proxy = Arc::clone(&config.name);
        let health = window.as_ref().map(|window| Arc::clone(&window.health));
        let store = health.zip(config.replay.as_ref()).and_then(|(health, replay)| Store::of(health, replay));
        Self { proxy, window, store, reuses, metrics }
    }

    /// Lets a message go on once. Under GCM its tag must have been verified, or forged ones could shut out real ones.
    pub(crate) fn judge(&self, receipt: &Receipt, from: Network) -> Judgement {
        self.reuses.note(receipt, from, &self.proxy, &self.metrics);
        let Some(window) = &self.window else { return Judgement::Settled(Ok(())) };
        let Some(store) = &self.store else {
            return Judgement::Settled(window.admit(receipt, &self.metrics));
        };
        if window.has(receipt) {
            return Judgement::Settled(Err(Denial::Replayed));
        }
        let (window, store) = (Arc::clone(window), store.clone());
        let (receipt, metrics) = (receipt.clone(), self.metrics.clone());
        Judgement::Asked(Box::pin(async move {
            match store.ask(&receipt).await {
                Ok(Told::First) => window.admit(&receipt, &metrics),
                Ok(Told::Known) => Err(Denial::Replayed),
                Err(NoAnswer) => {
                    metrics.replay_store_failed();
                    match store.failure() {
                        StoreFailure::Open => window.admit(&receipt, &metrics),
                        StoreFailure::Closed => Err(Denial::StoreFailed),
                    }
                }
            }
        }))
    }

    /// P11: whether a request may go on that has opened, or whose tag would prove nothing.
    pub(crate) async fn admit_request(&self, receipt: &Receipt, peer: IpAddr) -> Result<(), Failure> {
        self.admit(receipt, Network::of(peer)).await.map_err(|denial| match denial {
            Denial::Replayed => Refusal::replayed().into(),
            Denial::StoreFailed => Failure::ReplayStore,
        })
    }

    /// P11: the same of a reply.
    pub(crate) async fn admit_reply(&self, receipt: &Receipt) -> Result<(), Failure> {
        self.admit(receipt, Network::Upstream).await.map_err(|denial| match denial {
            Denial::Replayed => Failure::Unbelieved(ReplyFault::Replayed),
            Denial::StoreFailed => Failure::ReplayStore,
        })
    }

    /// The same, where it can be waited for.
    async fn admit(&self, receipt: &Receipt, from: Network) -> Result<(), Denial> {
        match self.judge(receipt, from) {
            Judgement::Settled(settled) => settled,
            Judgement::Asked(judging) => judging.await,
        }
    }
}

/// What a proxy remembers, whichever of its workers opened it.
pub(crate) struct SharedWindow {
    window: Mutex<ReplayWindow>,
    clock: Clock,
    /// Of the store, if there is one.
    health: Arc<Health>,
}

impl SharedWindow {
    pub(crate) fn new(proxy: &Arc<str>, config: &ReplayConfig) -> Arc<Self> {
        let lasts = u64::try_from(config.window.as_millis()).unwrap_or(u64::MAX);
        let window = Mutex::new(ReplayWindow::new(lasts, config.entries));
        Arc::new(Self { window, clock: Clock::start(), health: Health::of(proxy) })
    }

    /// The lock is held for a look-up.
    fn admit(&self, receipt: &Receipt, metrics: &ProxyMetrics) -> Result<(), Denial> {
        let now = self.now();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let before = window.evicted();
        let admission = window.admit(receipt, now);
        metrics.replay_window(window.len(), window.evicted() - before);
        match admission {
            Admission::First => Ok(()),
            Admission::Replayed => Err(Denial::Replayed),
        }
    }

    fn has(&self, receipt: &Receipt) -> bool {
        let now = self.now();
        self.window.lock().unwrap_or_else(PoisonError::into_inner).has(receipt, now)
    }

    /// Milliseconds of a clock that never goes back.
    fn now(&self) -> u64 {
        self.clock.now() / 1_000_000
    }
}
