//! Where the ring in force lives.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::{KeyRing, SealNotice};

/// Holds the ring in force; readers take a snapshot without a lock, a reload swaps it whole.
pub struct KeyStore {
    ring: ArcSwap<KeyRing>,
    notice: SealNotice,
}

impl KeyStore {
    /// A store that starts with `ring`, whose keys are watched from `now` on.
    pub fn new(ring: KeyRing, now: Timestamp) -> Self {
        Self::telling(ring, now, |_, _, _| {})
    }

    /// The same; `notice` hears of each key that nears its seal limit.
    pub fn telling(ring: KeyRing, now: Timestamp, notice: SealNotice) -> Self {
        ring.watch(None, now, notice);
        Self { ring: ArcSwap::from_pointee(ring), notice }
    }

    /// The ring in force now; the caller keeps it for a whole exchange.
    pub fn snapshot(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Puts `ring` in force. Exchanges under way keep theirs. What was counted of a key goes on being counted where the
    /// new ring has the same one; a key that is new is watched from `now` on.
    pub fn swap(&self, ring: KeyRing, now: Timestamp) {
        ring.watch(Some(&self.ring.load()), now, self.notice);
        self.ring.store(Arc::new(ring));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretKey;
    use crate::keys::{Key, RingPolicy, Validity};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ring(keys: &[(&str, u8)]) -> KeyRing {
        let key = |(name, byte): &(&str, u8)| {
            let secret = SecretKey::new("AES-128-GCM".parse().unwrap(), &[*byte; 16]).unwrap();
            Key::new(name.parse().unwrap(), secret, Validity::default())
        };
        KeyRing::new(keys.iter().map(key).collect(), None, RingPolicy::default(), at(0)).ok().unwrap()
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
    fn a_key_that_was_away_starts_afresh() {
        let store = KeyStore::new(ring(&[("a", 1), ("b", 2)]), at(10));
        store.snapshot().key("a").unwrap().note_opened(at(11));
        store.swap(ring(&[("b", 2)]), at(20));
        store.swap(ring(&[("a", 1), ("b", 2)]), at(30));
        assert_eq!((opened(&store, "a"), opened(&store, "b")), ((0, at(30)), (0, at(10))));
    }

    #[test]
    fn nobody_counts_a_key_that_is_in_no_store() {
        let ring = ring(&[("a", 1)]);
        let key = ring.key("a").unwrap();
        key.note_opened(at(1));
        assert!(key.usage().is_none());
    }
}
