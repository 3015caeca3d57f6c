//! Where the configuration comes from, and what became of it, as `/status` tells.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::admin::ReloadReport;
use crate::config::{Config, ConfigDigest};
use crate::document::Faults;
use crate::metrics::ReloadOutcome;

/// Where a configuration is read anew.
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Reads it, on a thread that may block.
    pub load: Box<dyn Fn() -> Result<Config, Faults> + Send + Sync>,
}

/// What is known of the configuration in force. Clones know the same.
#[derive(Clone)]
pub(super) struct Configuration(Arc<Mutex<Known>>);

struct Known {
    path: Option<PathBuf>,
    digest: ConfigDigest,
    since: Timestamp,
    needs_restart: Vec<String>,
    last: Option<(Timestamp, ReloadReport)>,
}

impl Configuration {
    /// That of the start.
    pub(super) fn of_start(config: &Config) -> Self {
        Self(Arc::new(Mutex::new(Known {
            path: None,
            digest: config.digest.clone(),
            since: Timestamp::now(),
            needs_restart: Vec::new(),
            last: None,
        })))
    }

    pub(super) fn digest(&self) -> ConfigDigest {
        self.lock().digest.clone()
    }

    pub(super) fn is_at(&self, path: PathBuf) {
        self.lock().path = Some(path);
    }

    /// Notes what became of a reload; `digest` is that of what was read, if it holds now.
    pub(super) fn note(&self, report: &ReloadReport, digest: Option<&ConfigDigest>) {
        let now = Timestamp::now();
        let mut known = self.lock();
        if let Some(digest) = digest {
            known.digest.clone_from(digest);
            known.needs_restart.clone_from(&report.needs_restart);
            if report.outcome == ReloadOutcome::Swapped {
                known.since = now;
            }
        }
        known.last = Some((now, report.clone()));
    }

    /// As `/status` tells it.
    pub(super) fn report(&self) -> Value {
        let known = self.lock();
        let last = known.last.as_ref().map(|(at, report)| {
            json!({ "at": at.to_string(), "outcome": report.outcome, "faults": report.faults })
        });
        json!({
            "path": known.path.as_ref().map(|path| path.display().to_string()),
            "digest": known.digest.to_string(),
            "loaded": known.since.to_string(),
            "needs_restart": known.needs_restart,
            "last_reload": last,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
