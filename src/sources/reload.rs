//! The key file, followed while requests run.
//!
//! A ring is built whole and then swapped in; requests under way keep the ring that they began with. A file
//! that is wrong leaves the ring in force where it is.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use tokio::task::spawn_blocking;

use super::KeysConfig;
use super::assembly::{Assembly, Refused, Taken};
use super::key_file;
use super::load::{self, FileDigest, LoadedKeys};
use super::refresh::{FileRounds, Refresh};
use super::state::SourceState;
use super::watch::{Change, WatchSettings, WatchedFile};
use crate::metrics::{KeySetMetrics, SourceKind};

impl From<&KeysConfig> for WatchSettings {
    fn from(config: &KeysConfig) -> Self {
        Self { poll_interval: config.poll_interval, ..Self::default() }
    }
}

/// Follows one key file.
pub(super) struct FileFollower {
    watched: WatchedFile,
    path: PathBuf,
    config: Arc<KeysConfig>,
    assembly: Arc<Assembly>,
    state: Arc<SourceState>,
    metrics: KeySetMetrics,
    /// What was last read, be it good or bad.
    digest: FileDigest,
}

impl FileFollower {
    /// Follows the file, if the set has one, from the state in which `loaded` found it: what changed since then is not
    /// missed.
    pub(super) fn new(
        loaded: &LoadedKeys,
        metrics: KeySetMetrics,
        settings: WatchSettings,
    ) -> io::Result<Option<Self>> {
        let (Some(path), Some(state)) = (&loaded.config.file, loaded.state(SourceKind::File)) else {
            return Ok(None);
        };
        Ok(Some(Self {
            watched: WatchedFile::new(path, settings)?,
            path: path.clone(),
            config: Arc::clone(&loaded.config),
            assembly: Arc::clone(&loaded.assembly),
            state: Arc::clone(state),
            metrics,
            digest: loaded.file_digest.clone(),
        }))
    }

    /// Asks for a look at the file.
    pub(super) fn nudge(&self) -> super::watch::Nudge {
        self.watched.nudge()
    }

    /// Follows the file for ever.
    pub(super) async fn run(mut self, refresh: Refresh) {
        let Some(rounds) = refresh.file() else { return };
        loop {
            let change = self.watched.changed().await;
            self.reload(change, rounds).await;
        }
    }

    pub(super) async fn reload(&mut self, change: Change, rounds: &FileRounds) {
        let round = rounds.rounds.begin();
        if self.read(change, rounds).await == Read::Whole {
            rounds.rounds.end(round);
        }
    }

    async fn read(&mut self, change: Change, rounds: &FileRounds) -> Read {
        let forced = rounds.forced.swap(false, Ordering::AcqRel);
        let attempt = Attempt {
            path: self.path.clone(),
            config: Arc::clone(&self.config),
            assembly: Arc::clone(&self.assembly),
            digest: if forced { self.digest.forgetful() } else { self.digest.clone() },
        };
        // A large file takes a second to parse; everything else goes on meanwhile.
        let Ok(outcome) = spawn_blocking(move || attempt.load(change)).await else {
            // Only a defect leads here. What was read is not marked as seen, so it is tried again.
            self.metrics.reload_failed();
            tracing::error!("the reload of the keys broke off; the keys in force stay");
            return Read::Whole;
        };
        match outcome {
            Outcome::Overtaken => {
                if forced {
                    rounds.forced.store(true, Ordering::Release);
                }
                rounds.nudge.raise();
                return Read::Overtaken;
            }
            Outcome::Unchanged => {
                // What was refused stays refused.
                if self.state.failure().is_none() {
                    self.confirm();
                }
            }
            Outcome::Loaded(digest, result) => {
                self.digest = digest;
                match result {
                    Ok(taken) => self.tell(&taken),
                    Err(refused) => self.refuse(&refused),
                }
            }
        }
        Read::Whole
    }

    fn tell(&self, taken: &Taken) {
        self.confirm();
        tell_of_ring(&self.config, &self.metrics, taken);
    }

    fn confirm(&self) {
        let now = Timestamp::now();
        self.state.confirm(now);
        self.metrics.confirmed(SourceKind::File, now);
    }

    fn refuse(&self, refused: &Refused) {
        self.metrics.reload_failed();
        self.state.fail(Timestamp::now(), refused.to_string());
        let faults = refused.count();
        let keyset = &*self.config.name;
        tracing::error!(keyset, faults, "key file refused, the keys in force stay: {refused}");
    }
}

/// Says that another ring is in force.
pub(super) fn tell_of_ring(config: &KeysConfig, metrics: &KeySetMetrics, taken: &Taken) {
    metrics.ring_reloaded(taken.keys, Timestamp::now());
    for warning in &taken.warnings {
        tracing::warn!("{}", warning.one_line());
    }
    let sealing = taken.sealing.as_deref().unwrap_or("none");
    tracing::info!(keyset = &*config.name, keys = taken.keys, sealing, "keys reloaded");
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
    path: PathBuf,
    config: Arc<KeysConfig>,
    assembly: Arc<Assembly>,
    /// What need not be parsed again.
    digest: FileDigest,
}

impl Attempt {
    fn load(self, change: Change) -> Outcome {
        let read = key_file::read(&self.path);
        if !change.still_holds(&self.path) {
            return Outcome::Overtaken;
        }
        if self.digest.has_seen(&read) {
            return Outcome::Unchanged;
        }
        let digest = self.digest.seeing(&read);
        let taken = self.assembly.take(SourceKind::File, |derivations, now| {
            load::parse(&self.config, &self.path, read, derivations, now)
        });
        Outcome::Loaded(digest, taken)
    }
}

/// How a reading of the file ended.
enum Outcome {
    /// It was read, and it is something new.
    Loaded(FileDigest, Result<Taken, Refused>),
    /// It changed while it was read, so that what was read may be half of something.
    Overtaken,
    /// It is what it was.
    Unchanged,
}

#[cfg(test)]
mod tests;
