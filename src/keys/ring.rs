//! All keys that hold together, checked when the ring is made.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Fingerprint, Key};

/// The keys of one source at one time. Holding a ring means that it is right.
pub struct KeyRing {
    keys: HashMap<Fingerprint, Arc<Key>>,
    /// By `valid_after`, latest first, a later entry of the file before an earlier one.
    by_age: Vec<Arc<Key>>,
    primary: Option<Arc<Key>>,
    clock_skew: Duration,
}

impl KeyRing {
    /// The key that a message names, if it may open at `now` (clock skew is granted at both ends).
    pub fn opening_key(&self, fingerprint: &str, now: Timestamp) -> Result<&Arc<Key>, KeyUnavailable> {
        let key = self.keys.get(fingerprint).ok_or(KeyUnavailable::Unknown)?;
        if key.validity.is_future(now, self.clock_skew) {
            Err(KeyUnavailable::NotYetValid)
        } else if key.validity.is_past(now, self.clock_skew) {
            Err(KeyUnavailable::Expired)
        } else {
            Ok(key)
        }
    }

    /// The key that seals new messages at `now`: the primary if one is named, else the key inside its
    /// window with the latest `valid_after`.
    pub fn sealing_key(&self, now: Timestamp) -> Option<&Arc<Key>> {
        let holds = |key: &&Arc<Key>| key.validity.contains(now, Duration::ZERO);
        match &self.primary {
            Some(primary) => Some(primary).filter(holds),
            None => self.by_age.iter().find(holds),
        }
    }

    /// How many keys the ring has.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the ring has no key at all.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// Why the key that a message names cannot open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyUnavailable {
    /// Its window is over.
    #[error("the key has expired")]
    Expired,
    /// Its window has not begun.
    #[error("the key is not yet valid")]
    NotYetValid,
    /// No key of the ring has this fingerprint.
    #[error("no key has this fingerprint")]
    Unknown,
}
