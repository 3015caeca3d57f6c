//! All keys that hold together, checked when the ring is made.

mod examine;
mod step_back;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Fingerprint, Key, KeyUsage, SealLimit, SealNotice};
pub(super) use examine::{Candidate, examine};
pub use examine::{RingFault, RingWarning};
pub use step_back::StepBack;

/// The keys of one or more sources at one time. Holding a ring means that it is right. Clones share the keys.
#[derive(Clone)]
pub struct KeyRing {
    keys: HashMap<Fingerprint, Arc<Key>>,
    /// By `valid_after`, latest first, a later entry of the file before an earlier one.
    by_age: Vec<Arc<Key>>,
    choice: Choice,
    encryption: bool,
    clock_skew: Duration,
    seal_delay: Duration,
    seal_limit: SealLimit,
}

/// Which of the keys that hold seals.
#[derive(Clone)]
enum Choice {
    /// One that is named, and that the ring does not have yet: nothing seals.
    Awaited,
    /// The one that began last.
    Latest,
    /// This one.
    Named(Arc<Key>),
}

impl KeyRing {
    /// A ring without a key, for a process that waits for its first ones: it opens and seals nothing.
    pub fn empty(policy: RingPolicy) -> Self {
        Self::of_examined(Vec::new(), None, policy)
    }

    /// A ring of `keys`, of which a later one counts as younger on a tie. `primary` names the one that seals.
    pub fn new(
        keys: Vec<Key>,
        primary: Option<&Fingerprint>,
        policy: RingPolicy,
        now: Timestamp,
    ) -> Result<Self, Vec<RingFault>> {
        let candidates: Vec<_> = keys.iter().map(Candidate::from).collect();
        let faults = examine(&candidates, primary, policy, now).faults;
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self::of_examined(keys.into_iter().map(Arc::new).collect(), primary, policy))
    }

    /// A ring of keys in which [`examine`] found no fault. Where none of them has the name that is to seal, nothing does.
    pub(super) fn of_examined(
        keys: Vec<Arc<Key>>,
        primary: Option<&Fingerprint>,
        policy: RingPolicy,
    ) -> Self {
        let mut by_age = keys;
        by_age.reverse();
        // Stable, so that a later entry stays before an earlier one; `None` is less than any time.
        by_age.sort_by_key(|key| Reverse(key.validity.after));
        let keys: HashMap<_, _> = by_age.iter().map(|key| (key.fingerprint.clone(), key.clone())).collect();
        let choice = match primary.map(|named| keys.get(named)) {
            None => Choice::Latest,
            Some(None) => Choice::Awaited,
            Some(Some(key)) => Choice::Named(Arc::clone(key)),
        };
        let RingPolicy { clock_skew, seal_delay, seal_limit, .. } = policy;
        Self { keys, by_age, choice, encryption: true, clock_skew, seal_delay, seal_limit }
    }

    /// The same ring under a portal's switch, which is on unless this says otherwise.
    pub fn with_encryption(self, encryption: bool) -> Self {
        Self { encryption, ..self }
    }

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

    /// The key of that name, whether it may be used now or not.
    pub fn key(&self, fingerprint: &str) -> Option<&Arc<Key>> {
        self.keys.get(fingerprint)
    }

    /// Whether the ring has the same key, whenever it holds.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.key(key.fingerprint.as_str()).is_some_and(|known| known.is_same(key))
    }

    /// The key that seals new messages at `now`: the primary if one is named, else the key inside its window with the
    /// latest `valid_after` of those that began `seal_delay` ago or earlier, so that the other side has it by now. If
    /// none began so early, the latest does not wait. A key that [may seal no more](SealLimit) counts as one outside its
    /// window.
    pub fn sealing_key(&self, now: Timestamp) -> Option<&Arc<Key>> {
        let holds = |key: &&Arc<Key>| key.validity.contains(now, Duration::ZERO) && !self.bars(key);
        match &self.choice {
            Choice::Awaited => return None,
            Choice::Latest => {}
            Choice::Named(primary) => return Some(primary).filter(holds),
        }
        let known = now.checked_sub(self.seal_delay).unwrap_or(Timestamp::MIN);
        let is_known = |key: &&Arc<Key>| !key.validity.is_future(known, Duration::ZERO);
        let mut candidates = self.by_age.iter().filter(holds);
        let latest = candidates.next()?;
        if is_known(&latest) { Some(latest) } else { candidates.find(is_known).or(Some(latest)) }
    }

    /// The key that seals at `now` and the end of its window, if that is within `soon` and nothing seals from then on.
    pub fn ends_without_successor(&self, now: Timestamp, soon: Duration) -> Option<(&Arc<Key>, Timestamp)> {
        let key = self.sealing_key(now)?;
        let until = key.validity.until.filter(|until| {
            now.checked_add(soon).is_ok_and(|horizon| *until <= horizon) && self.sealing_key(*until).is_none()
        })?;
        Some((key, until))
    }

    /// How many messages each GCM key may seal.
    pub fn seal_limit(&self) -> SealLimit {
        self.seal_limit
    }

    /// Whether `key` has sealed all that it may.
    pub(super) fn bars(&self, key: &Key) -> bool {
        self.seal_limit.bars(key)
    }

    /// Whether one key is named to seal, whatever began later.
    pub(super) fn has_primary(&self) -> bool {
        !matches!(self.choice, Choice::Latest)
    }

    /// From when `key` may seal while others are valid; absent if from ever.
    pub(super) fn seals_after(&self, key: &Key) -> Option<Timestamp> {
        key.validity.after.map(|after| after.checked_add(self.seal_delay).unwrap_or(Timestamp::MAX))
    }

    /// Has the uses of each key counted from `now` on, or as `before` has counted them of the same key.
    pub(super) fn watch(&self, before: Option<&Self>, now: Timestamp, notice: SealNotice) {
        for key in &self.by_age {
            let known = before.and_then(|ring| ring.key(key.fingerprint.as_str()));
            let known = known.filter(|known| known.is_same(key)).and_then(|known| known.usage());
            let fresh = || Arc::new(KeyUsage::new(now, self.seal_limit, notice));
            key.watch(|| known.map_or_else(fresh, Arc::clone));
        }
    }

    /// The same ring with `key` as the one that is named to seal.
    pub fn led_by(self, key: &Arc<Key>) -> Self {
        Self { choice: Choice::Named(Arc::clone(key)), ..self }
    }

    /// Every key: the latest `valid_after` first, a later entry before an earlier one, those without a start last.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Arc<Key>> {
        self.by_age.iter()
    }

    /// The portal's switch: `false` if it says that the service is not secured, and is followed in that.
    pub fn encryption(&self) -> bool {
        self.encryption
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

/// What a ring must satisfy besides being right in itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingPolicy {
    /// Whether keys under CFB and CTR are refused.
    pub require_authenticated: bool,
    /// The grace that opening grants at both ends of a window.
    pub clock_skew: Duration,
    /// How long after its `valid_after` a key begins to seal.
    pub seal_delay: Duration,
    /// How many messages a GCM key may seal.
    pub seal_limit: SealLimit,
}

impl Default for RingPolicy {
    fn default() -> Self {
        Self {
            require_authenticated: false,
            clock_skew: Duration::from_secs(30),
            seal_delay: Duration::from_secs(60),
            seal_limit: SealLimit::default(),
        }
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
