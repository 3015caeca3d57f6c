//! Whether the process should be sent requests.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

use crate::keys::KeyStore;

type CanSeal = Box<dyn Fn(Timestamp) -> bool + Send + Sync>;

/// Gathers what readiness hangs on. It does not ask the application: whether that one is ready is its own
/// probe's affair.
pub struct Readiness {
    can_seal: CanSeal,
    listeners_bound: AtomicBool,
    stopping: AtomicBool,
}

impl Readiness {
    /// Not ready yet; `can_seal` tells whether a key that seals is valid at a time.
    pub fn new(can_seal: impl Fn(Timestamp) -> bool + Send + Sync + 'static) -> Self {
        Self {
            can_seal: Box::new(can_seal),
            listeners_bound: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        }
    }

    /// Not ready yet; the key that seals comes from `keys`.
    pub fn of_keys(keys: Arc<KeyStore>) -> Self {
        Self::new(move |now| keys.snapshot().sealing_key(now).is_some())
    }

    /// Notes that every proxy listens.
    pub fn listeners_bound(&self) {
        self.listeners_bound.store(true, Ordering::Release);
    }

    /// Notes that the process stops; there is no way back.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// What stands against it at `now`; nothing means ready.
    pub fn obstacles(&self, now: Timestamp) -> Vec<NotReady> {
        let found = [
            (!(self.can_seal)(now), NotReady::NoSealingKey),
            (!self.listeners_bound.load(Ordering::Acquire), NotReady::ListenersNotBound),
            (self.stopping.load(Ordering::Acquire), NotReady::Stopping),
        ];
        found.into_iter().filter_map(|(applies, reason)| applies.then_some(reason)).collect()
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// Not every proxy listens yet.
    #[error("listeners not bound")]
    ListenersNotBound,
    /// Replies could not be sealed.
    #[error("no key that seals is valid")]
    NoSealingKey,
    /// The process drains.
    #[error("stopping")]
    Stopping,
}
