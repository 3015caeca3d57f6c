//! How one source is, for whoever asks from outside.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::metrics::SourceKind;

/// Stands for "never" in the place of a time.
const NEVER: i64 = i64::MIN;

/// How one source is.
pub struct SourceState {
    kind: SourceKind,
    name: Box<str>,
    /// Milliseconds since the epoch, or [`NEVER`].
    confirmed: AtomicI64,
    /// Whether what is in force is of the cache, and nobody has confirmed it since the start.
    cached: AtomicBool,
    failure: Mutex<Option<Failure>>,
}

/// Why a source could not be asked, or what it said was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// What was wrong; nothing that a secret could stand in.
    pub what: String,
}

impl SourceState {
    pub(super) fn new(kind: SourceKind, name: &str) -> Self {
        let (confirmed, cached) = (AtomicI64::new(NEVER), AtomicBool::new(false));
        Self { kind, name: name.into(), confirmed, cached, failure: Mutex::default() }
    }

    pub(super) fn confirmed_at(kind: SourceKind, name: &str, now: Timestamp) -> Self {
        let state = Self::new(kind, name);
        state.confirm(now);
        state
    }

    /// The cache has what the source had at `then`.
    pub(super) fn recall(&self, then: Timestamp) {
        self.confirm(then);
        self.cached.store(true, Relaxed);
    }

    /// At `now` the source has what is in force.
    pub(super) fn confirm(&self, now: Timestamp) {
        self.confirmed.store(now.as_millisecond(), Relaxed);
        self.cached.store(false, Relaxed);
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn fail(&self, at: Timestamp, what: String) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(Failure { at, what });
    }

    /// What kind of source it is.
    pub fn kind(&self) -> SourceKind {
        self.kind
    }

    /// The file, or the URL without its query.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its keys are those that a cache kept of it, since it has not answered yet.
    pub fn is_from_cache(&self) -> bool {
        self.cached.load(Relaxed)
    }

    /// When it was last known to have what is in force; `None` if it never was.
    pub fn confirmed(&self) -> Option<Timestamp> {
        match self.confirmed.load(Relaxed) {
            NEVER => None,
            milliseconds => Timestamp::from_millisecond(milliseconds).ok(),
        }
    }

    /// How long ago that was; nothing where the clock was set back.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        let confirmed = self.confirmed()?;
        Some(Duration::try_from(now.duration_since(confirmed)).unwrap_or_default())
    }

    /// What went wrong since then.
    pub fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
