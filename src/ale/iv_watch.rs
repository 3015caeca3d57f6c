//! Whether anybody seals two messages under one IV, which breaks GCM: they give each other away, and the key of GHASH,
//! with which more can be forged.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};

use super::Receipt;

/// Remembers which message came last under each of the IVs of late, in a memory that never grows.
///
/// It forgets the oldest of those that fall together, so it may miss a repetition that lies far back; it takes one IV for
/// another once in 2^50 messages at most. What it looks for does not come by chance, but from a client that counts from
/// the start again or has one IV for all, and that shows soon.
pub struct IvWatch {
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

/// Sets of a part of all IVs, each under a lock of its own, so that workers seldom meet.
type Shard = Box<[Set]>;

/// Places for IVs that fall together, the latest first: what stands for fingerprint and IV, or 0, and the mark of the
/// message. One line of a cache.
type Set = [[u64; 2]; 4];

const SHARDS: usize = 16;
const SETS_OF_A_SHARD: usize = 1024;

impl IvWatch {
    /// How many IVs it remembers.
    pub const SLOTS: usize = SHARDS * SETS_OF_A_SHARD * 4;

    /// What that takes at most; less before it was used.
    pub const BYTES: usize = SHARDS * SETS_OF_A_SHARD * size_of::<Set>();

    /// One that has seen nothing.
    pub fn new() -> Self {
        let shard = |_| Mutex::new(vec![[[0; 2]; 4]; SETS_OF_A_SHARD].into_boxed_slice());
        Self { hasher: RandomState::new(), shards: (0..SHARDS).map(shard).collect() }
    }

    /// Notes a message that has opened, and says whether another one came under its IV before. The very same message is
    /// a retry or a replay and breaks nothing. Without a tag nothing was proven, and nothing is noted.
    pub fn repeats(&self, receipt: &Receipt) -> bool {
        let Some(mark) = receipt.mark.map(super::Mark::number) else { return false };
        let id = self.id(receipt);
        let (shard, set) = (id as usize % SHARDS, id as usize / SHARDS % SETS_OF_A_SHARD);
        let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        let set = &mut shard[set];
        if let Some([_, last]) = set.iter_mut().find(|[known, _]| *known == id) {
            return std::mem::replace(last, mark) != mark;
        }
        set.rotate_right(1);
        set[0] = [id, mark];
        false
    }

    /// Stands for fingerprint and IV; nobody who chooses them can choose it.
    fn id(&self, receipt: &Receipt) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u8(receipt.iv.len().bytes() as u8);
        hasher.write(receipt.iv.as_bytes());
        hasher.write(receipt.key.fingerprint.as_str().as_bytes());
        hasher.finish().max(1)
    }
}

impl Default for IvWatch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ale::Mark;
    use crate::crypto::{Iv, SecretKey};
    use crate::keys::{Key, Validity};

    fn key(fingerprint: &str) -> Arc<Key> {
        let secret = SecretKey::new("AES-128-GCM".parse().unwrap(), &[1; 16]).unwrap();
        Arc::new(Key::new(fingerprint.parse().unwrap(), secret, Validity::default()))
    }

    fn tag(message: u8) -> Option<Mark> {
        let mut tag = [0; 16];
        tag[0] = message;
        Some(Mark::from(tag))
    }

    fn receipt(key: &Arc<Key>, iv: u64, message: u8) -> Receipt {
        let mut bytes = [1; 16];
        bytes[..8].copy_from_slice(&iv.to_be_bytes());
        Receipt { key: Arc::clone(key), iv: Iv::from_slice(&bytes).unwrap(), mark: tag(message) }
    }

    #[test]
    fn other_message_under_an_iv_is_told_and_the_same_one_is_not() {
        let (watch, key) = (IvWatch::new(), key("k"));
        let seen = |iv, message| watch.repeats(&receipt(&key, iv, message));
        assert_eq!([seen(1, 7), seen(1, 7), seen(2, 8)], [false; 3]);
        assert_eq!([seen(1, 9), seen(1, 9), seen(1, 7)], [true, false, true]);
    }

    #[test]
    fn same_iv_under_another_key_or_of_another_length_is_another_iv() {
        let (watch, one, other) = (IvWatch::new(), key("one"), key("other"));
        let of = |key: &Arc<Key>, iv: &[u8], message| {
            let iv = Iv::from_slice(iv).unwrap();
            watch.repeats(&Receipt { key: Arc::clone(key), iv, mark: tag(message) })
        };
        assert_eq!([of(&one, &[1; 16], 1), of(&other, &[1; 16], 2), of(&one, &[1; 12], 3)], [false; 3]);
        assert!(of(&one, &[1; 12], 4));
    }

    #[test]
    fn message_without_a_tag_is_not_noted() {
        let (watch, key) = (IvWatch::new(), key("k"));
        for _ in 0..3 {
            assert!(!watch.repeats(&Receipt { mark: None, ..receipt(&key, 1, 1) }));
        }
    }

    #[test]
    fn memory_is_settled_and_holds_the_latest() {
        assert_eq!((IvWatch::SLOTS, IvWatch::BYTES), (65_536, 1024 * 1024));
        let (watch, key) = (IvWatch::new(), key("k"));
        let seen = |iv, message| watch.repeats(&receipt(&key, iv, message));
        assert!((0..1_000_000).all(|iv| !seen(iv, 1)));
        // Four fall together by chance at times, so of the last few thousand hardly one is gone.
        let told = (998_000..1_000_000).filter(|iv| seen(*iv, 2)).count();
        assert!(told > 1_990, "{told} of 2,000");
    }
}
