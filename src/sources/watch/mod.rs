//! A file under watch: says when it may have changed and has come to rest since.
//!
//! Events of the file system are hints and no more. They come from every directory that the path leads
//! through, so that it does not matter how the file is replaced; a slow poll stands behind them. Whether
//! anything is new, only reading the file tells.

mod lookout;
mod route;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

pub use lookout::Version;
use lookout::{Look, Lookout, Round, Sight, Signal};

/// How often the file is looked at where the system reports not all of its changes.
const POLL_WITHOUT_EVENTS: Duration = Duration::from_secs(1);

/// How a file is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchSettings {
    /// How long a file must be unchanged before it is read.
    pub stable_for: Duration,
    /// After how long without a hint the file is looked at.
    pub poll_interval: Duration,
    /// After how long a file that never comes to rest is read as it is.
    pub patience: Duration,
    /// Whether events of the file system are asked for.
    pub events: bool,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            stable_for: Duration::from_millis(100),
            poll_interval: Duration::from_secs(30),
            // Long: a large file may well be written for seconds, and half of it may parse.
            patience: Duration::from_secs(10),
            events: true,
        }
    }
}

/// A file under watch, by its path: the file behind it may be another one each time.
pub struct WatchedFile {
    path: PathBuf,
    settings: WatchSettings,
    signal: Arc<Signal>,
    lookout: Arc<Mutex<Lookout>>,
    poll_interval: Duration,
}

impl WatchedFile {
    /// Puts `path` under watch. The first [`changed`](Self::changed) resolves without a change, so that
    /// nothing is missed that happened before.
    pub fn new(path: &Path, settings: WatchSettings) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let signal = Arc::new(Signal::new());
        signal.raise();
        let lookout = Lookout::new(path.clone(), Arc::clone(&signal), settings.events);
        let lookout = Arc::new(Mutex::new(lookout));
        Ok(Self { path, settings, signal, lookout, poll_interval: settings.poll_interval })
    }

    /// Where the file is, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A handle that asks for a look from elsewhere.
    pub fn nudge(&self) -> Nudge {
        Nudge(Arc::clone(&self.signal))
    }

    /// Resolves when the file may have changed and has been at rest since, or is due for a look.
    ///
    /// The file is to be read after that, and what was read is good if the file still has the version
    /// that is given here. Dropping the future before it resolves may lose a hint.
    pub async fn changed(&mut self) -> Change {
        // Elapsed or hinted at: both are a reason to look.
        let _ = timeout(self.poll_interval, self.signal.raised()).await;
        let begin = Instant::now();
        let mut before = self.look(Round::First).await;
        loop {
            sleep(self.settings.stable_for).await;
            let now = self.look(Round::Later).await;
            if now == before {
                return Change::AtRest(now.version);
            }
            if begin.elapsed() >= self.settings.patience {
                return Change::Restless;
            }
            before = now;
        }
    }

    async fn look(&mut self, round: Round) -> Look {
        let lookout = Arc::clone(&self.lookout);
        let look = move || lock(&lookout).look(round);
        // On its own thread: a network file system may take its time.
        let look = match tokio::task::spawn_blocking(look).await {
            Ok(look) => look,
            // The watcher panics when its thread could not be had.
            Err(_) => {
                let mut lookout = lock(&self.lookout);
                lookout.give_events_up();
                lookout.look(round)
            }
        };
        self.poll_interval = match look.sight {
            Sight::Full | Sight::PollOnly => self.settings.poll_interval,
            Sight::Partial => self.settings.poll_interval.min(POLL_WITHOUT_EVENTS),
        };
        look
    }
}

/// A panic under the lock leaves nothing half done that the next look does not do anew.
fn lock(lookout: &Mutex<Lookout>) -> std::sync::MutexGuard<'_, Lookout> {
    lookout.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known of the file when it is time to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has been unchanged for long enough and has this version.
    AtRest(Version),
    /// It never rests; what is read may be half of something.
    Restless,
}

impl Change {
    /// Whether what was read from `path` since may be taken.
    pub fn still_holds(&self, path: &Path) -> bool {
        match self {
            Self::AtRest(version) => *version == Version::of(path),
            Self::Restless => true,
        }
    }
}

/// Asks for a look at a watched file, from any thread.
#[derive(Clone)]
pub struct Nudge(Arc<Signal>);

impl Nudge {
    /// The file is looked at as if an event had hinted at it.
    pub fn raise(&self) {
        self.0.raise();
    }
}
