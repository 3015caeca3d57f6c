//! Asking for the keys to be read again, from wherever that turns out to be needed.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use crate::sources::watch::Nudge;

/// How long a reading that was asked for is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Ends when the keys have been looked for, or when nobody should wait for them any longer.
pub type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Has the key file read again. All clones share one cooldown.
#[derive(Clone)]
pub struct Refresh {
    pub(super) forced: Arc<AtomicBool>,
    pub(super) nudge: Nudge,
    pub(super) readings: Arc<Readings>,
    cooldown: Duration,
    asked: Arc<Mutex<Option<Asked>>>,
    /// What a test has in place of a source.
    #[cfg(test)]
    search: Option<Arc<dyn Fn() -> Option<Waiting> + Send + Sync>>,
}

/// The last reading that was asked for.
struct Asked {
    at: Instant,
    reading: u64,
}

impl Refresh {
    pub(super) fn new(nudge: Nudge, cooldown: Duration) -> Self {
        Self {
            forced: Arc::default(),
            nudge,
            readings: Arc::default(),
            cooldown,
            asked: Arc::default(),
            #[cfg(test)]
            search: None,
        }
    }

    /// One that has `search` called for each unknown key, and no source.
    #[cfg(test)]
    pub(crate) fn searching(search: impl Fn() -> Option<Waiting> + Send + Sync + 'static) -> Self {
        use crate::sources::watch::{WatchSettings, WatchedFile};
        let settings = WatchSettings { events: false, ..WatchSettings::default() };
        let nobody = WatchedFile::new(std::path::Path::new("keys.toml"), settings).unwrap().nudge();
        Self { search: Some(Arc::new(search)), ..Self::new(nobody, Duration::ZERO) }
    }

    /// Reads the file as soon as it is at rest, and reports on it even if it is unchanged, as SIGHUP does.
    pub fn now(&self) {
        self.forced.store(true, Ordering::Release);
        self.nudge.raise();
    }

    /// Has the file read again since a peer refused a key, unless that was done within `refetch_cooldown`. Gives the
    /// number of the reading that begins after this, or after what was asked for last.
    pub fn ask(&self) -> u64 {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*asked
            && last.at.elapsed() < self.cooldown
        {
            return last.reading;
        }
        let reading = self.readings.begun.load(Ordering::Acquire) + 1;
        *asked = Some(Asked { at: Instant::now(), reading });
        drop(asked);
        tracing::info!("a peer refused a key: the keys are read anew");
        self.nudge.raise();
        reading
    }

    /// For a message that names a key which the ring does not have: what to wait for before it is looked up once more;
    /// `None` if the keys would not be others then.
    pub fn for_unknown_key(&self) -> Option<Waiting> {
        #[cfg(test)]
        if let Some(search) = &self.search {
            return search();
        }
        // A file under watch is read as soon as it changes.
        None
    }

    /// As [`Refresh::ask`]; returns when that reading has ended, or after 5 s.
    pub async fn anew(&self) {
        let reading = self.ask();
        let mut ended = self.readings.ended.subscribe();
        // Late or never: what is in force then is as good as it gets.
        let _ = timeout(LONGEST_WAIT, ended.wait_for(|ended| *ended >= reading)).await;
    }
}

/// Readings of the file, numbered from 1 as they begin.
#[derive(Default)]
pub(super) struct Readings {
    begun: AtomicU64,
    /// The last one that came to its end.
    ended: watch::Sender<u64>,
}

impl Readings {
    pub(super) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub(super) fn end(&self, reading: u64) {
        self.ended.send_replace(reading);
    }
}
