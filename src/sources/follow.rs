//! All sources of one key set, followed while requests run.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::load::LoadedKeys;
use super::poll::PortalFollower;
use super::refresh::Refresh;
use super::reload::FileFollower;
use super::watch::WatchSettings;
use crate::keys::KeyStore;
use crate::metrics::{KeySetMetrics, Metrics};

/// Keeps a [`KeyStore`] up to date with the sources of its key set.
pub struct KeyFollower {
    file: Option<FileFollower>,
    portal: Option<PortalFollower>,
    refresh: Refresh,
}

impl KeyFollower {
    /// Follows the sources from the state in which `loaded` found them: what changed since then is not missed.
    pub fn new(loaded: &LoadedKeys, metrics: &Metrics, settings: WatchSettings) -> io::Result<Self> {
        let metrics = begin_to_count(loaded, metrics);
        let file = FileFollower::new(loaded, metrics.clone(), settings)?;
        let portal = PortalFollower::new(loaded, metrics.clone());
        let config = &loaded.config;
        let refresh = Refresh::new(
            file.as_ref().map(FileFollower::nudge),
            portal.is_some(),
            config.refetch_cooldown,
            config.refetch_timeout,
            metrics,
        );
        Ok(Self { file, portal, refresh })
    }

    /// A handle for whoever wants the sources looked at again.
    pub fn refresh(&self) -> Refresh {
        self.refresh.clone()
    }

    /// Follows the sources until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let file = async {
            if let Some(file) = self.file {
                file.run(self.refresh.clone()).await;
            }
        };
        let portal = async {
            if let Some(portal) = self.portal {
                portal.run(self.refresh.clone()).await;
            }
        };
        stop.run_until_cancelled(async { tokio::join!(file, portal) }).await;
    }
}

/// Waits for the portal's first answer where there is no key yet to seal with, as long as one fetch may take.
pub async fn first_keys(store: &Arc<KeyStore>, refresh: &Refresh, patience: Duration) {
    let Some(portal) = refresh.portal() else { return };
    if store.snapshot().sealing_key(Timestamp::now()).is_none() {
        let _ = timeout(patience, portal.rounds.ended(1)).await;
    }
}

fn begin_to_count(loaded: &LoadedKeys, metrics: &Metrics) -> KeySetMetrics {
    let now = Timestamp::now();
    let counters = metrics.key_set(&loaded.config.name, &loaded.config.sources(), now);
    counters.ring_loaded(loaded.store.snapshot().len(), now);
    for state in loaded.sources() {
        if let Some(confirmed) = state.confirmed() {
            counters.confirmed(state.kind(), confirmed);
        }
    }
    counters
}
