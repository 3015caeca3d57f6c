//! Asking for the keys to be looked for again, from wherever that turns out to be needed.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use super::rounds::{Rounds, Wanted};
use super::watch::Nudge;
use crate::metrics::KeySetMetrics;

/// Messages that may wait for a fetch at one time. Each holds a connection; whoever comes beyond that is answered at once.
const MOST_WAITING: usize = 1024;

/// Ends when the keys have been looked for, or when nobody should wait for them any longer.
pub type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Has the sources of one key set looked at again. All clones share the cooldown and the places to wait.
#[derive(Clone)]
pub struct Refresh {
    shared: Arc<Shared>,
}

struct Shared {
    file: Option<FileRounds>,
    portal: Option<PortalRounds>,
    cooldown: Duration,
    /// How long a message waits.
    patience: Duration,
    places: Arc<Semaphore>,
    metrics: KeySetMetrics,
    /// What a test has in place of the sources.
    #[cfg(test)]
    search: Option<Box<Search>>,
}

#[cfg(test)]
type Search = dyn Fn() -> Option<Waiting> + Send + Sync;

/// The readings of the key file.
pub(super) struct FileRounds {
    pub(super) nudge: Nudge,
    /// Whether the next one is to be reported on, changed or not.
    pub(super) forced: AtomicBool,
    pub(super) rounds: Rounds,
}

/// The fetches from the portal.
#[derive(Default)]
pub(super) struct PortalRounds {
    wake: Notify,
    /// Whether the next fetch is the operator's will, who may ask at any time.
    forced: AtomicBool,
    pub(super) rounds: Rounds,
    /// Until when the portal does not want to be asked.
    embargo: Mutex<Option<Instant>>,
}

impl PortalRounds {
    /// Ends when somebody wants a fetch.
    pub(super) async fn wanted(&self) {
        self.wake.notified().await;
    }

    /// The portal has said how long it is to be left alone, or has been asked with success.
    pub(super) fn leave_alone_until(&self, end: Option<Instant>) {
        *self.embargo.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    /// Whether the fetch that is wanted may be made. Whoever wanted it may have done so before the portal asked to be left alone.
    pub(super) fn may_fetch(&self) -> bool {
        self.forced.swap(false, Ordering::AcqRel) || !self.is_to_be_left_alone()
    }

    fn is_to_be_left_alone(&self) -> bool {
        self.embargo.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|end| Instant::now() < end)
    }
}

impl Refresh {
    /// For a set whose file is looked at by `file`, or that has a portal, or both.
    pub(super) fn new(
        file: Option<Nudge>,
        has_portal: bool,
        cooldown: Duration,
        patience: Duration,
        metrics: KeySetMetrics,
    ) -> Self {
        let file =
            file.map(|nudge| FileRounds { nudge, forced: AtomicBool::default(), rounds: Rounds::default() });
        let portal = has_portal.then(PortalRounds::default);
        let places = Arc::new(Semaphore::new(MOST_WAITING));
        let shared = Shared {
            file,
            portal,
            cooldown,
            patience,
            places,
            metrics,
            #[cfg(test)]
            search: None,
        };
        Self { shared: Arc::new(shared) }
    }

    /// One that has `search` called for each unknown key, and no source.
    #[cfg(test)]
    pub(crate) fn searching(search: impl Fn() -> Option<Waiting> + Send + Sync + 'static) -> Self {
        let metrics = crate::metrics::Metrics::new().key_set("default", &[], jiff::Timestamp::UNIX_EPOCH);
        let shared = Shared {
            file: None,
            portal: None,
            cooldown: Duration::ZERO,
            patience: Duration::ZERO,
            places: Arc::new(Semaphore::new(0)),
            metrics,
            search: Some(Box::new(search)),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(super) fn file(&self) -> Option<&FileRounds> {
        self.shared.file.as_ref()
    }

    pub(super) fn portal(&self) -> Option<&PortalRounds> {
        self.shared.portal.as_ref()
    }

    /// Reads the file as soon as it is at rest, and reports on it even if it is unchanged; asks the portal. As SIGHUP does.
    pub fn now(&self) {
        if let Some(file) = self.file() {
            file.forced.store(true, Ordering::Release);
            file.nudge.raise();
        }
        if let Some(portal) = self.portal() {
            portal.forced.store(true, Ordering::Release);
            portal.wake.notify_one();
        }
    }

    /// Has the sources looked at again since a peer refused a key, unless that was done within `refetch_cooldown`.
    pub fn ask(&self) {
        let _ = self.ask_all();
    }

    /// As [`Refresh::ask`]; returns when that has ended, or after `refetch_timeout`.
    pub async fn anew(&self) {
        let [file, portal] = self.ask_all();
        let waits = async {
            if let (Some(round), Some(file)) = (file, self.file()) {
                file.rounds.ended(round).await;
            }
            if let (Some(round), Some(portal)) = (portal, self.portal()) {
                portal.rounds.ended(round).await;
            }
        };
        // Late or never: what is in force then is as good as it gets.
        let _ = timeout(self.shared.patience, waits).await;
    }

    /// For a message that names a key which the ring does not have: what to wait for before it is looked up once more;
    /// `None` if the keys would not be others then. All who wait at one time wait for the same fetch, and there is at most
    /// one in `refetch_cooldown`, whoever sends whatever.
    pub fn for_unknown_key(&self) -> Option<Waiting> {
        #[cfg(test)]
        if let Some(search) = &self.shared.search {
            return search();
        }
        // A file under watch is read as soon as it changes.
        let portal = self.portal().filter(|portal| !portal.is_to_be_left_alone())?;
        let place = Arc::clone(&self.shared.places).try_acquire_owned().ok()?;
        let wanted = portal.rounds.ask(self.shared.cooldown);
        if portal.rounds.has_ended(wanted.round()) {
            return None;
        }
        if let Wanted::Now(_) = wanted {
            tracing::info!("a message names a key that is not known: the portal is asked");
            self.shared.metrics.refetched();
            portal.wake.notify_one();
        }
        let ended = portal.rounds.ended(wanted.round());
        let patience = self.shared.patience;
        Some(Box::pin(async move {
            let _ = timeout(patience, ended).await;
            drop(place);
        }))
    }

    /// Asks each source within its cooldown, and gives the rounds to wait for.
    fn ask_all(&self) -> [Option<u64>; 2] {
        let file = self.file().map(|file| {
            let wanted = file.rounds.ask(self.shared.cooldown);
            if let Wanted::Now(_) = wanted {
                file.nudge.raise();
            }
            wanted
        });
        let portal = self.portal().filter(|portal| !portal.is_to_be_left_alone()).map(|portal| {
            let wanted = portal.rounds.ask(self.shared.cooldown);
            if let Wanted::Now(_) = wanted {
                portal.wake.notify_one();
            }
            wanted
        });
        if [file, portal].iter().flatten().any(|wanted| matches!(wanted, Wanted::Now(_))) {
            tracing::info!("a peer refused a key: the keys are read anew");
        }
        [file.map(Wanted::round), portal.map(Wanted::round)]
    }
}

#[cfg(test)]
mod tests;
