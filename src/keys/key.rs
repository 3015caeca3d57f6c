//! One key of the ring: its name, its secret, the time in which it holds, and what it was used for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;

use super::{Fingerprint, KeyUsage};
use crate::crypto::SecretKey;

/// A secret key with its fingerprint and validity.
pub struct Key {
    /// The name that messages use for it.
    pub fingerprint: Fingerprint,
    /// The key itself, bound to its algorithm.
    pub secret: SecretKey,
    /// When it may be used.
    pub validity: Validity,
    /// Set once the key is in a ring that is in force.
    usage: OnceLock<Arc<KeyUsage>>,
}

impl Key {
    /// A key whose uses nobody counts yet.
    pub fn new(fingerprint: Fingerprint, secret: SecretKey, validity: Validity) -> Self {
        Self { fingerprint, secret, validity, usage: OnceLock::new() }
    }

    /// Whether messages under both are under one name and one secret, whenever they hold.
    pub fn is_same(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
            && self.secret.algorithm() == other.secret.algorithm()
            && self.secret.bytes() == other.secret.bytes()
    }

    /// What the key was used for, if it is or was in a ring that is in force.
    pub fn usage(&self) -> Option<&Arc<KeyUsage>> {
        self.usage.get()
    }

    /// Has its uses counted on the account that `usage` gives, unless they are counted already.
    pub(super) fn watch(&self, usage: impl FnOnce() -> Arc<KeyUsage>) {
        self.usage.get_or_init(usage);
    }

    /// Notes that a message was opened with it.
    pub fn note_opened(&self, at: Timestamp) {
        if let Some(usage) = self.usage() {
            usage.note_opened(at);
        }
    }

    /// Notes that the head of a message was opened with it, where no tag will prove more: whether the rest of it is ever
    /// asked for is the reader's affair.
    pub fn note_unproven(&self, at: Timestamp) {
        if !self.secret.algorithm().is_authenticated() {
            self.note_opened(at);
        }
    }

    /// Notes that a message was opened with it to its end, unless that was noted at its head.
    pub fn note_proven(&self, at: Timestamp) {
        if self.secret.algorithm().is_authenticated() {
            self.note_opened(at);
        }
    }

    /// Notes that a message named it and was not opened: forged, or outside the key's window.
    pub fn note_unopened(&self, at: Timestamp) {
        if let Some(usage) = self.usage() {
            usage.note_unopened(at);
        }
    }

    /// Notes that a message is sealed with it.
    pub fn note_sealed(&self, at: Timestamp) {
        if let Some(usage) = self.usage() {
            usage.note_sealed(self, at);
        }
    }

    /// Notes that a message could not be sealed with it.
    pub fn note_unsealed(&self, at: Timestamp) {
        if let Some(usage) = self.usage() {
            usage.note_unsealed(at);
        }
    }
}

/// The half-open window `[after, until)` in which a key may be used; an absent end is unbounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// First moment inside the window; absent counts as the oldest.
    pub after: Option<Timestamp>,
    /// First moment past the window.
    pub until: Option<Timestamp>,
}

impl Validity {
    /// Whether no moment lies in the window.
    pub fn is_empty(&self) -> bool {
        matches!((self.after, self.until), (Some(after), Some(until)) if until <= after)
    }

    /// Whether `now` lies in the window widened by `grace` at both ends.
    pub fn contains(&self, now: Timestamp, grace: Duration) -> bool {
        !self.is_future(now, grace) && !self.is_past(now, grace)
    }

    /// Whether the window begins later than `now + grace`.
    pub fn is_future(&self, now: Timestamp, grace: Duration) -> bool {
        let latest = now.checked_add(grace).unwrap_or(Timestamp::MAX);
        self.after.is_some_and(|after| latest < after)
    }

    /// Whether the window ended at or before `now - grace`.
    pub fn is_past(&self, now: Timestamp, grace: Duration) -> bool {
        let earliest = now.checked_sub(grace).unwrap_or(Timestamp::MIN);
        self.until.is_some_and(|until| until <= earliest)
    }
}
