//! How many messages one GCM key may seal (NIST SP 800-38D §8.3), and what happens then.

use super::Key;

/// How many messages a GCM key may seal in one process. To the other algorithms it means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealLimit {
    /// So many.
    pub most: u64,
    /// What happens then.
    pub on_limit: OnSealLimit,
}

impl SealLimit {
    /// With random IVs no more than 2^32 messages may be sealed under one key, by all who have it together.
    pub const HIGHEST: u64 = 1 << 32;

    /// Whether `key` may seal nothing new.
    pub(super) fn bars(self, key: &Key) -> bool {
        self.on_limit == OnSealLimit::Refuse
            && key.secret.algorithm().is_authenticated()
            && key.usage().is_some_and(|usage| usage.sealed().count >= self.most)
    }

    /// What is to be told when a key has sealed `count` messages: each mark once.
    pub(super) fn mark(self, count: u64) -> Option<SealMark> {
        if count == self.most {
            Some(SealMark::Reached)
        } else if count == self.most - self.most / 4 {
            Some(SealMark::Near)
        } else {
            None
        }
    }
}

impl Default for SealLimit {
    fn default() -> Self {
        Self { most: Self::HIGHEST, on_limit: OnSealLimit::Warn }
    }
}

/// What happens when a key has sealed as many messages as one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSealLimit {
    /// It seals nothing new: another one does, or none. Replies keep the key of their request.
    Refuse,
    /// The log says so, and it goes on sealing.
    Warn,
}

/// How near a key is to its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealMark {
    /// It has sealed three quarters of what it may.
    Near,
    /// It has sealed all that it may.
    Reached,
}

/// Hears of the marks that keys come to; called once for each, by whoever seals that message.
pub type SealNotice = fn(&Key, SealMark, SealLimit);

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::crypto::SecretKey;
    use crate::keys::{KeyRing, KeyStore, RingPolicy, Validity};

    #[test]
    fn each_mark_is_told_once() {
        let marks = |most| {
            let limit = SealLimit { most, on_limit: OnSealLimit::Warn };
            (1..most + 3).filter_map(|count| Some((count, limit.mark(count)?))).collect::<Vec<_>>()
        };
        use SealMark::{Near, Reached};
        assert_eq!(marks(1), [(1, Reached)]);
        assert_eq!(marks(3), [(3, Reached)]);
        assert_eq!(marks(4), [(3, Near), (4, Reached)]);
        assert_eq!(marks(1000), [(750, Near), (1000, Reached)]);
        let highest = SealLimit::default();
        assert_eq!(highest.mark(3 << 30), Some(Near));
        assert_eq!(highest.mark(1 << 32), Some(Reached));
    }

    /// A ring of two keys that stands in a store; `young` seals.
    fn store(algorithm: &str, primary: Option<&str>, limit: SealLimit) -> KeyStore {
        let key = |name: &str, byte: u8| {
            let secret = SecretKey::new(algorithm.parse().unwrap(), &[byte; 16]).unwrap();
            let after = Timestamp::from_second(byte.into()).unwrap();
            Key::new(name.parse().unwrap(), secret, Validity { after: Some(after), until: None })
        };
        let policy = RingPolicy { seal_limit: limit, ..RingPolicy::default() };
        let primary = primary.map(|name| name.parse().unwrap());
        let ring = KeyRing::new(vec![key("old", 1), key("young", 2)], primary.as_ref(), policy, NOW);
        KeyStore::new(ring.ok().unwrap(), NOW)
    }

    const NOW: Timestamp = Timestamp::constant(1_000, 0);

    /// Seals six messages, each with the key that seals then; how often each did.
    fn sealed(store: &KeyStore) -> (u64, u64) {
        let ring = store.snapshot();
        for _ in 0..6 {
            if let Some(key) = ring.sealing_key(NOW) {
                key.note_sealed(NOW);
            }
        }
        let of = |name| ring.key(name).unwrap().usage().unwrap().sealed().count;
        (of("old"), of("young"))
    }

    #[test]
    fn key_that_has_sealed_all_it_may_is_passed_over_if_that_is_wanted() {
        let limit = |most, on_limit| SealLimit { most, on_limit };
        use OnSealLimit::{Refuse, Warn};
        assert_eq!(sealed(&store("AES-128-GCM", None, limit(2, Refuse))), (2, 2), "then none seals");
        assert_eq!(sealed(&store("AES-128-GCM", None, limit(4, Refuse))), (2, 4));
        assert_eq!(sealed(&store("AES-128-GCM", None, limit(2, Warn))), (0, 6));
        assert_eq!(sealed(&store("AES-128-CTR", None, limit(2, Refuse))), (0, 6));
    }

    #[test]
    fn where_a_key_is_named_no_other_takes_over() {
        let limit = SealLimit { most: 2, on_limit: OnSealLimit::Refuse };
        assert_eq!(sealed(&store("AES-128-GCM", Some("young"), limit)), (0, 2));
    }

    #[test]
    fn key_in_use_still_opens_and_a_reload_does_not_give_it_new_seals() {
        let limit = SealLimit { most: 2, on_limit: OnSealLimit::Refuse };
        let policy = RingPolicy { seal_limit: limit, ..RingPolicy::default() };
        let store = store("AES-128-GCM", None, limit);
        assert_eq!(sealed(&store), (2, 2));
        assert!(store.snapshot().opening_key("young", NOW).is_ok());
        let secret = SecretKey::new("AES-128-GCM".parse().unwrap(), &[2; 16]).unwrap();
        let young = Key::new("young".parse().unwrap(), secret, Validity::default());
        store.swap(KeyRing::new(vec![young], None, policy, NOW).ok().unwrap(), NOW);
        assert!(store.snapshot().sealing_key(NOW).is_none());
    }
}
