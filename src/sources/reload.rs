//! The key ring and its file: loaded at start, then reloaded while requests run.
//!
//! A ring is built whole and then swapped in; requests under way keep the ring that they began with. A file
//! that is wrong leaves the ring in force where it is.

mod refresh;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::KeysConfig;
use super::key_file::{self, KeyFileError};
use super::watch::{Change, WatchSettings, WatchedFile};
use crate::document::{Fault, Faults};
use crate::keys::{KeyStore, ParsedRing, parse_key_file};
use crate::metrics::Metrics;
pub use refresh::{Refresh, Waiting};

/// As many faults as a log line bears.
const MOST_FAULTS_TOLD: usize = 10;

/// Reads and parses the key file once, for the start of the process.
pub fn load_now(config: &KeysConfig) -> Result<LoadedKeys, Faults> {
    let hasher = RandomState::new();
    let read = key_file::read(&config.file);
    let seen = digest(&hasher, &read);
    let ParsedRing { ring, warnings } = parse(config, read)?;
    Ok(LoadedKeys { store: Arc::new(KeyStore::new(ring, Timestamp::now())), warnings, hasher, seen })
}

/// The ring that the process starts with.
pub struct LoadedKeys {
    /// The ring, where reloads will swap it.
    pub store: Arc<KeyStore>,
    /// What looks odd about the file.
    pub warnings: Vec<Fault>,
    hasher: RandomState,
    seen: u64,
}

impl From<&KeysConfig> for WatchSettings {
    fn from(config: &KeysConfig) -> Self {
        Self { poll_interval: config.poll_interval, ..Self::default() }
    }
}

/// Follows the key file and keeps a [`KeyStore`] up to date with it.
pub struct KeyReloader {
    config: Arc<KeysConfig>,
    store: Arc<KeyStore>,
    metrics: Arc<Metrics>,
    file: WatchedFile,
    refresh: Refresh,
    hasher: RandomState,
    /// The digest of what was last read, be it good or bad.
    seen: u64,
}

impl KeyReloader {
    /// Follows the file from the state in which `loaded` found it: what changed since then is not missed.
    pub fn new(
        config: &KeysConfig,
        loaded: &LoadedKeys,
        metrics: Arc<Metrics>,
        settings: WatchSettings,
    ) -> io::Result<Self> {
        let file = WatchedFile::new(&config.file, settings)?;
        Ok(Self {
            refresh: Refresh::new(file.nudge(), config.refetch_cooldown),
            file,
            config: Arc::new(config.clone()),
            store: Arc::clone(&loaded.store),
            metrics,
            hasher: loaded.hasher.clone(),
            seen: loaded.seen,
        })
    }

    /// A handle for whoever wants the file read again, changed or not.
    pub fn refresh(&self) -> Refresh {
        self.refresh.clone()
    }

    /// Follows the file until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let follow = async {
            loop {
                let change = self.file.changed().await;
                self.reload(change).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = follow => {}
        }
    }

    async fn reload(&mut self, change: Change) {
        let reading = self.refresh.readings.begin();
        if self.read(change).await == Read::Whole {
            self.refresh.readings.end(reading);
        }
    }

    async fn read(&mut self, change: Change) -> Read {
        let forced = self.refresh.forced.swap(false, Ordering::AcqRel);
        let attempt = Attempt {
            config: Arc::clone(&self.config),
            hasher: self.hasher.clone(),
            seen: (!forced).then_some(self.seen),
        };
        // A large file takes a second to parse; everything else goes on meanwhile.
        let Ok(outcome) = spawn_blocking(move || attempt.load(change)).await else {
            // Only a defect leads here. What was read is not marked as seen, so it is tried again.
            self.metrics.key_reload_failed();
            tracing::error!("the reload of the keys broke off; the keys in force stay");
            return Read::Whole;
        };
        match outcome {
            Outcome::Overtaken => {
                self.again(forced);
                return Read::Overtaken;
            }
            Outcome::Unchanged => {}
            Outcome::Loaded { digest, result } => {
                self.seen = digest;
                match result {
                    Ok(parsed) => self.take(parsed),
                    Err(faults) => self.refuse(&faults),
                }
            }
        }
        Read::Whole
    }

    fn again(&self, forced: bool) {
        if forced {
            self.refresh.forced.store(true, Ordering::Release);
        }
        self.refresh.nudge.raise();
    }

    fn take(&self, ParsedRing { ring, warnings }: ParsedRing) {
        let now = Timestamp::now();
        let keys = ring.len();
        let sealing = ring.sealing_key(now).map(|key| key.fingerprint.to_string());
        self.store.swap(ring, now);
        self.metrics.key_ring_reloaded(keys, now);
        for warning in &warnings {
            tracing::warn!("{}", warning.one_line());
        }
        tracing::info!(keys, sealing = sealing.as_deref().unwrap_or("none"), "keys reloaded");
    }

    fn refuse(&self, faults: &Faults) {
        self.metrics.key_reload_failed();
        let count = faults.iter().len();
        let told: Vec<_> = faults.iter().take(MOST_FAULTS_TOLD).map(Fault::one_line).collect();
        tracing::error!(faults = count, "key file refused, the keys in force stay: {}", told.join(" | "));
    }
}

/// Whether the keys are those of the file as it was when the reading began, or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Whole,
    /// It will be read once more.
    Overtaken,
}

/// One reading of the file, on a thread that may block.
struct Attempt {
    config: Arc<KeysConfig>,
    hasher: RandomState,
    /// What need not be parsed again.
    seen: Option<u64>,
}

impl Attempt {
    fn load(&self, change: Change) -> Outcome {
        let read = key_file::read(&self.config.file);
        if !change.still_holds(&self.config.file) {
            return Outcome::Overtaken;
        }
        let digest = digest(&self.hasher, &read);
        if self.seen == Some(digest) {
            return Outcome::Unchanged;
        }
        Outcome::Loaded { digest, result: parse(&self.config, read) }
    }
}

/// How a reading of the file ended.
enum Outcome {
    /// It was read, and it is something new.
    Loaded { digest: u64, result: Result<ParsedRing, Faults> },
    /// It changed while it was read, so that what was read may be half of something.
    Overtaken,
    /// It is what it was.
    Unchanged,
}

/// Tells one content, or one cause of there being none, from another without keeping it.
fn digest(hasher: &RandomState, read: &Result<Zeroizing<String>, KeyFileError>) -> u64 {
    hasher.hash_one(read.as_ref().map(|text| text.as_str()).map_err(ToString::to_string))
}

fn parse(config: &KeysConfig, read: Result<Zeroizing<String>, KeyFileError>) -> Result<ParsedRing, Faults> {
    let name = config.file.display().to_string();
    let text = read.map_err(|error| error.into_fault(&name))?;
    parse_key_file(&text, &name, config.policy(), Timestamp::now())
}
