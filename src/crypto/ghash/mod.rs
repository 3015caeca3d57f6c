//! GHASH (NIST SP 800-38D §6.4), by the widest carry-less multiplication that the processor has.
//!
//! The `ghash` crate multiplies 128 bits at a time, and under GCM that is most of the time that a long message
//! takes. Where the processor has VPCLMULQDQ a small module of our own does the work (figures in
//! docs/BENCHMARKS.md); everywhere else the crate does. The tests hold one to the other.

#[cfg(target_arch = "x86_64")]
mod wide;

use std::sync::Arc;

use ghash::GHash;
use ghash::universal_hash::UniversalHash;

use super::schedule::Block;

/// GHASH under one H, ready for any number of messages. Wiped on drop.
#[derive(Clone)]
pub(super) enum HashKey {
    /// The crate's, copied per message.
    Portable(Box<GHash>),
    /// Ours, shared by the messages.
    #[cfg(target_arch = "x86_64")]
    Wide(Arc<wide::Powers>),
}

impl HashKey {
    pub(super) fn new(h: &Block) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(powers) = wide::Powers::of(&h.0) {
            return Self::Wide(Arc::new(powers));
        }
        Self::Portable(Box::new(GHash::new(h)))
    }

    pub(super) fn start(&self) -> Hash {
        match self {
            Self::Portable(hash) => Hash::Portable(hash.clone()),
            #[cfg(target_arch = "x86_64")]
            Self::Wide(powers) => Hash::Wide { powers: Arc::clone(powers), sum: 0 },
        }
    }
}

/// The hash of one message so far.
pub(super) enum Hash {
    Portable(Box<GHash>),
    #[cfg(target_arch = "x86_64")]
    Wide {
        powers: Arc<wide::Powers>,
        sum: u128,
    },
}

impl Hash {
    pub(super) fn update(&mut self, blocks: &[Block]) {
        match self {
            Self::Portable(hash) => hash.update(blocks),
            #[cfg(target_arch = "x86_64")]
            Self::Wide { powers, sum } => *sum = powers.absorb(*sum, Block::slice_as_flattened(blocks)),
        }
    }

    pub(super) fn finalize(self) -> [u8; 16] {
        match self {
            Self::Portable(hash) => hash.finalize().into(),
            #[cfg(target_arch = "x86_64")]
            Self::Wide { sum, .. } => sum.to_be_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ctr::cipher::array::Array;
    use proptest::prelude::*;

    use super::*;

    /// Every way of hashing under `h` that this processor has.
    fn ways(h: &Block) -> Vec<Hash> {
        let mut ways = vec![HashKey::new(h).start()];
        #[cfg(target_arch = "x86_64")]
        if let Some(powers) = wide::Powers::of(&h.0) {
            ways.push(Hash::Wide { powers: Arc::new(powers.narrowed()), sum: 0 });
        }
        ways
    }

    proptest! {
        #[test]
        fn all_ways_of_hashing_agree_over_blocks_in_calls_of_any_size(
            h: [u8; 16],
            calls in prop::collection::vec(prop::collection::vec(any::<[u8; 16]>(), 0..70), 0..6),
        ) {
            let h = Array(h);
            let mut ours = ways(&h);
            let mut crates = HashKey::Portable(Box::new(GHash::new(&h))).start();
            for call in calls {
                let blocks: Vec<Block> = call.into_iter().map(Array).collect();
                ours.iter_mut().for_each(|way| way.update(&blocks));
                crates.update(&blocks);
            }
            let expected = crates.finalize();
            for way in ours {
                prop_assert_eq!(way.finalize(), expected);
            }
        }
    }

    #[test]
    fn extreme_keys_and_blocks_hash_alike() {
        for h in [[0; 16], [0xff; 16], 1_u128.to_be_bytes(), (1_u128 << 127).to_be_bytes()] {
            for count in 0..=66 {
                let blocks = vec![Array([0xff; 16]); count];
                let mut crates = HashKey::Portable(Box::new(GHash::new(&Array(h)))).start();
                crates.update(&blocks);
                let expected = crates.finalize();
                for mut way in ways(&Array(h)) {
                    way.update(&blocks);
                    assert_eq!(way.finalize(), expected, "{count} blocks under {h:?}");
                }
            }
        }
    }
}
