//! Whether the process should be sent requests.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::DEFAULT_KEY_SET;
use crate::document::Written;
use crate::keys::{KeyStore, Roughly};
use crate::metrics::SourceKind;

/// Whether a condition holds, with what there is to tell of it where it does.
type Held = Result<Option<String>, NotReady>;
type Holds = Box<dyn Fn(Timestamp) -> Held + Send + Sync>;

/// What readiness hangs on besides the state of the process itself.
#[derive(Default)]
pub struct Conditions(Vec<(Box<str>, Holds)>);

impl Conditions {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same and one more, which `/readyz?verbose` calls `name`.
    pub fn requiring(
        mut self,
        name: impl Into<Box<str>>,
        holds: impl Fn(Timestamp) -> Result<(), NotReady> + Send + Sync + 'static,
    ) -> Self {
        self.0.push((name.into(), Box::new(move |now| holds(now).map(|()| None))));
        self
    }

    /// The same and one of which there is something to tell even where it holds.
    pub fn requiring_and_telling(
        mut self,
        name: impl Into<Box<str>>,
        holds: impl Fn(Timestamp) -> Result<String, NotReady> + Send + Sync + 'static,
    ) -> Self {
        self.0.push((name.into(), Box::new(move |now| holds(now).map(Some))));
        self
    }

    /// The same and that some key of `keys`, the set called `name`, seals.
    pub fn requiring_key(self, name: &str, keys: Arc<KeyStore>) -> Self {
        let is_default = name == DEFAULT_KEY_SET;
        let condition = if is_default { "keys".to_owned() } else { format!("keys-{name}") };
        let key_set = (!is_default).then(|| name.into());
        self.requiring(condition, move |now| match keys.snapshot().sealing_key(now) {
            Some(_) => Ok(()),
            None => Err(NotReady::NoSealingKey { key_set: key_set.clone() }),
        })
    }
}

/// Gathers what readiness hangs on. It does not hang on the application: whether that one is ready is its own
/// probe's affair.
#[derive(Default)]
pub struct Readiness {
    conditions: ArcSwap<Conditions>,
    listeners_bound: AtomicBool,
    started: AtomicBool,
    stopping: AtomicBool,
}

impl Readiness {
    /// Not ready yet; under these conditions, and that the listeners are bound and no stop is under way.
    pub fn under(conditions: Conditions) -> Self {
        Self { conditions: ArcSwap::from_pointee(conditions), ..Self::default() }
    }

    /// Puts other conditions in the place of those that were.
    pub fn hangs_on(&self, conditions: Conditions) {
        self.conditions.store(Arc::new(conditions));
    }

    /// Notes that every proxy listens.
    pub fn listeners_bound(&self) {
        self.listeners_bound.store(true, Ordering::Release);
    }

    /// Notes that the process stops; there is no way back.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether it has been ready once, or is so at `now`. What becomes of it later does not matter: a probe of the start
    /// must not fail because of what comes after.
    pub fn has_started(&self, now: Timestamp) -> bool {
        let stands_against = |obstacle: &NotReady| *obstacle != NotReady::Stopping;
        if !self.started.load(Ordering::Acquire) && !self.obstacles(now).iter().any(stands_against) {
            self.started.store(true, Ordering::Release);
        }
        self.started.load(Ordering::Acquire)
    }

    /// Every condition by its name, and whether it holds at `now`, with what there is to tell of it.
    pub fn conditions(&self, now: Timestamp) -> Vec<(Box<str>, Held)> {
        let holds = |holds: bool, otherwise| if holds { Ok(None) } else { Err(otherwise) };
        let bound = holds(self.listeners_bound.load(Ordering::Acquire), NotReady::ListenersNotBound);
        let runs = holds(!self.stopping.load(Ordering::Acquire), NotReady::Stopping);
        let conditions = self.conditions.load();
        let conditions = conditions.0.iter().map(move |(name, holds)| (name.clone(), holds(now)));
        conditions.chain([("listeners".into(), bound), ("shutdown".into(), runs)]).collect()
    }

    /// What stands against it at `now`; nothing means ready.
    pub fn obstacles(&self, now: Timestamp) -> Vec<NotReady> {
        self.conditions(now).into_iter().filter_map(|(_, holds)| holds.err()).collect()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness")
            .field("listeners_bound", &self.listeners_bound)
            .field("stopping", &self.stopping)
            .finish_non_exhaustive()
    }
}

/// Why the process should not be sent requests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// Not every proxy listens yet.
    #[error("listeners not bound")]
    ListenersNotBound,
    /// Nothing could be sealed.
    #[error("no key that seals is valid{}", of(key_set.as_deref()))]
    NoSealingKey {
        /// The set that has none, where there are several.
        key_set: Option<Arc<str>>,
    },
    /// A source has not confirmed its keys for too long.
    #[error(
        "the {} has not confirmed the keys{} for {}, and max_stale is {}",
        source_kind.label(), of(key_set.as_deref()), Roughly(*age), Written(*max_stale)
    )]
    Stale {
        /// The source.
        source_kind: SourceKind,
        /// The set that it belongs to, where there are several.
        key_set: Option<Arc<str>>,
        /// For how long.
        age: Duration,
        /// How long it may be.
        max_stale: Duration,
    },
    /// The process drains.
    #[error("stopping")]
    Stopping,
}

fn of(key_set: Option<&str>) -> String {
    key_set.map_or_else(String::new, |name| format!(" in the key set {name}"))
}
