//! Where the ring in force lives.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::{Key, KeyRing, KeyUsage, SealNotice};

/// Of so many keys that left the ring the accounts are kept.
const MOST_LEFT: usize = 10_000;

/// Holds the ring in force; readers take a snapshot without a lock, a reload swaps it whole.
pub struct KeyStore {
    ring: ArcSwap<KeyRing>,
    notice: SealNotice,
    /// Locked by who swaps, and by nobody else.
    left: Mutex<Left>,
}

impl KeyStore {
    /// A store that starts with `ring`, whose keys are watched from `now` on.
    pub fn new(ring: KeyRing, now: Timestamp) -> Self {
        Self::telling(ring, now, |_, _, _| {})
    }

    /// The same; `notice` hears of each key that nears its seal limit.
    pub fn telling(ring: KeyRing, now: Timestamp, notice: SealNotice) -> Self {
        ring.watch(None, now, notice);
        Self { ring: ArcSwap::from_pointee(ring), notice, left: Mutex::default() }
    }

    /// The ring in force now; the caller keeps it for a whole exchange.
    pub fn snapshot(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Puts `ring` in force. Exchanges under way keep theirs. What was counted of a key goes on being counted where the
    /// new ring has the same one; a key that is new, or was away, is watched from `now` on, and one that was away has not
    /// lost its counts, or it could seal as much as it may once more.
    pub fn swap(&self, ring: KeyRing, now: Timestamp) {
        let before = self.ring.load();
        let mut left = self.left();
        for key in ring.keys().filter(|key| !before.has(key)) {
            if let Some(usage) = left.take(key) {
                usage.watch_anew(now);
                key.watch(|| usage);
            }
        }
        ring.watch(Some(&before), now, self.notice);
        before.keys().filter(|key| !ring.has(key)).for_each(|key| left.put(key));
        self.ring.store(Arc::new(ring));
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        // A panic under the lock loses a count at worst.
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The accounts of keys that left the ring, for when they return. The keys themselves are gone: what is kept of one is a hash
/// under a key of its own that nobody else has.
#[derive(Default)]
struct Left {
    hasher: RandomState,
    accounts: HashMap<u64, Arc<KeyUsage>>,
    /// In the order in which they left.
    order: VecDeque<u64>,
}

impl Left {
    fn put(&mut self, key: &Key) {
        let Some(usage) = key.usage() else { return };
        let name = self.name(key);
        if self.accounts.insert(name, Arc::clone(usage)).is_none() {
            self.order.push_back(name);
        }
        while self.order.len() > MOST_LEFT {
            let first = self.order.pop_front();
            first.and_then(|first| self.accounts.remove(&first));
        }
    }

    fn take(&mut self, key: &Key) -> Option<Arc<KeyUsage>> {
        if self.accounts.is_empty() {
            return None;
        }
        let name = self.name(key);
        let usage = self.accounts.remove(&name)?;
        self.order.retain(|left| *left != name);
        Some(usage)
    }

    /// The same for keys that are the same.
    fn name(&self, key: &Key) -> u64 {
        self.hasher.hash_one((
            key.fingerprint.as_str(),
            key.secret.algorithm().to_string(),
            key.secret.bytes(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretKey;
    use crate::keys::{Key, OnSealLimit, RingPolicy, SealLimit, Validity};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ring(keys: &[(&str, u8)]) -> KeyRing {
        ring_under(keys, RingPolicy::default())
    }

    fn ring_under(keys: &[(&str, u8)], policy: RingPolicy) -> KeyRing {
        let key = |(name, byte): &(&str, u8)| {
            let secret = SecretKey::new("AES-128-GCM".parse().unwrap(), &[*byte; 16]).unwrap();
            Key::new(name.parse().unwrap(), secret, Validity::default())
        };
        KeyRing::new(keys.iter().map(key).collect(), None, policy, at(0)).ok().unwrap()
    }

    /// How often a key opened, and from when that is known.
    fn opened(store: &KeyStore, name: &str) -> (u64, Timestamp) {
        let ring = store.snapshot();
        let usage = ring.key(name).unwrap().usage().unwrap();
        (usage.opened().count, usage.since())
    }

    #[test]
    fn what_was_counted_survives_a_reload_and_goes_on() {
        let store = KeyStore::new(ring(&[("a", 1), ("b", 2)]), at(10));
        let before = store.snapshot();
        before.key("a").unwrap().note_opened(at(11));
        store.swap(ring(&[("a", 1), ("c", 3)]), at(20));
        // An exchange that began before still counts.
        before.key("a").unwrap().note_opened(at(21));
        store.snapshot().key("a").unwrap().note_opened(at(22));
        assert_eq!(opened(&store, "a"), (3, at(10)));
        assert_eq!(opened(&store, "c"), (0, at(20)));
    }

    #[test]
    fn another_secret_under_a_name_starts_afresh() {
        let store = KeyStore::new(ring(&[("a", 1)]), at(10));
        store.snapshot().key("a").unwrap().note_opened(at(11));
        store.swap(ring(&[("a", 2)]), at(20));
        assert_eq!(opened(&store, "a"), (0, at(20)));
    }

    #[test]
    fn a_key_that_was_away_keeps_its_counts_and_is_watched_anew() {
        let store = KeyStore::new(ring(&[("a", 1), ("b", 2)]), at(10));
        let before = store.snapshot();
        before.key("a").unwrap().note_opened(at(11));
        store.swap(ring(&[("b", 2)]), at(20));
        // An exchange that began before still counts.
        before.key("a").unwrap().note_opened(at(21));
        store.swap(ring(&[("b", 2), ("c", 3)]), at(25));
        store.swap(ring(&[("a", 1), ("b", 2)]), at(30));
        assert_eq!((opened(&store, "a"), opened(&store, "b")), ((2, at(30)), (0, at(10))));
    }

    #[test]
    fn another_secret_under_the_name_of_a_key_that_was_away_starts_afresh() {
        let store = KeyStore::new(ring(&[("a", 1), ("b", 2)]), at(10));
        store.snapshot().key("a").unwrap().note_opened(at(11));
        store.swap(ring(&[("b", 2)]), at(20));
        store.swap(ring(&[("a", 3), ("b", 2)]), at(30));
        assert_eq!(opened(&store, "a"), (0, at(30)));
    }

    #[test]
    fn key_that_has_sealed_all_that_it_may_seals_no_more_when_it_comes_back() {
        let limit = SealLimit { most: 2, on_limit: OnSealLimit::Refuse };
        let limited = |keys: &[(&str, u8)]| {
            let policy = RingPolicy { seal_limit: limit, ..RingPolicy::default() };
            ring_under(keys, policy)
        };
        let store = KeyStore::new(limited(&[("a", 1)]), at(10));
        (0..2).for_each(|_| store.snapshot().key("a").unwrap().note_sealed(at(11)));
        assert!(store.snapshot().sealing_key(at(12)).is_none());
        store.swap(limited(&[("b", 2)]), at(20));
        store.swap(limited(&[("a", 1)]), at(30));
        assert!(store.snapshot().sealing_key(at(31)).is_none());
    }

    #[test]
    fn keys_that_left_are_forgotten_beyond_a_bound_the_first_to_leave_first() {
        let store = KeyStore::new(ring(&[("a", 1)]), at(10));
        store.snapshot().key("a").unwrap().note_opened(at(11));
        let names: Vec<_> = (0..MOST_LEFT).map(|number| format!("k{number}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), 2)).collect();
        store.swap(ring(&many), at(20));
        // Now `a` is the first of those that left, and one too many.
        store.snapshot().key("k7").unwrap().note_opened(at(21));
        store.swap(ring(&[("z", 3)]), at(30));
        store.swap(ring(&[("a", 1), ("k7", 2)]), at(40));
        assert_eq!((opened(&store, "a"), opened(&store, "k7")), ((0, at(40)), (1, at(40))));
    }

    #[test]
    fn nobody_counts_a_key_that_is_in_no_store() {
        let ring = ring(&[("a", 1)]);
        let key = ring.key("a").unwrap();
        key.note_opened(at(1));
        assert!(key.usage().is_none());
    }
}
