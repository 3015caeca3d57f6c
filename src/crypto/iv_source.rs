//! IVs of one session: never one twice, and each recognised when it comes back.

use aes::cipher::BlockCipherEncrypt;
use aes::cipher::array::Array;
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::schedule::{Block, KeySchedule};
use super::{Iv, IvLength, KeySize};

/// Rounds after which nobody can tell such a permutation from chance, even if asked both ways (Luby and Rackoff).
const ROUNDS: u8 = 4;

/// Gives IVs that never repeat, and knows each of them again without keeping any.
///
/// The n-th IV is the image of n under a permutation that nobody else knows: a Feistel network whose rounds are AES
/// under a key of this source's own. So two IVs of one length cannot be equal, and whether an IV was given is found by
/// the inverse: it leads to a number that was counted already.
pub struct IvSource {
    schedule: KeySchedule,
    /// The next number of each length: 12 bytes, 16 bytes.
    next: [u128; 2],
}

impl IvSource {
    /// A source under a fresh key.
    pub fn new<R: CryptoRng>(rng: &mut R) -> Self {
        let mut key = Zeroizing::new([0; 16]);
        rng.fill_bytes(&mut *key);
        let schedule = KeySchedule::new(KeySize::Aes128, &*key).expect("a key of AES-128 has 16 bytes");
        Self { schedule, next: [0; 2] }
    }

    /// An IV that was never given before and is not all zero (P1).
    pub fn fresh(&mut self, length: IvLength) -> Iv {
        loop {
            let number = self.next[index(length)];
            // Of 2^96 numbers nobody sees the end.
            self.next[index(length)] = number.wrapping_add(1);
            let iv = self.iv_of(number, length);
            if !iv.is_all_zero() {
                return iv;
            }
        }
    }

    /// Whether `iv` is one of those that were given. Of others, one in 2^96 is taken for the next number's.
    pub fn has_given(&self, iv: &Iv) -> bool {
        self.number_of(iv) < self.next[index(iv.len())]
    }

    fn iv_of(&self, number: u128, length: IvLength) -> Iv {
        let (mut left, mut right) = halves(number, length);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.round(round, right, length));
        }
        let bytes = joined(left, right, length).to_be_bytes();
        Iv::from_slice(&bytes[16 - length.bytes()..]).expect("as many bytes as an iv of this length has")
    }

    fn number_of(&self, iv: &Iv) -> u128 {
        let length = iv.len();
        let whole = iv.as_bytes().iter().fold(0, |whole, &byte| whole << 8 | u128::from(byte));
        let (mut left, mut right) = halves(whole, length);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.round(round, left, length), left);
        }
        joined(left, right, length)
    }

    /// What a round adds to one half because of the other: AES of that half, cut to the half's length. Each round of
    /// each length is a function of its own.
    fn round(&self, round: u8, half: u64, length: IvLength) -> u64 {
        let mut block = Block::default();
        block[..8].copy_from_slice(&half.to_be_bytes());
        block[8] = round;
        block[9] = length.bytes() as u8;
        self.schedule.encrypt_block(&mut block);
        let Array([a, b, c, d, e, f, g, h, ..]) = block;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> (64 - half_bits(length))
    }
}

/// The place of a length's counter.
fn index(length: IvLength) -> usize {
    match length {
        IvLength::Twelve => 0,
        IvLength::Sixteen => 1,
    }
}

/// 48 or 64.
fn half_bits(length: IvLength) -> u32 {
    length.bytes() as u32 * 4
}

fn halves(whole: u128, length: IvLength) -> (u64, u64) {
    let bits = half_bits(length);
    ((whole >> bits) as u64, (whole & ((1 << bits) - 1)) as u64)
}

fn joined(left: u64, right: u64, length: IvLength) -> u128 {
    u128::from(left) << half_bits(length) | u128::from(right)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const LENGTHS: [IvLength; 2] = [IvLength::Twelve, IvLength::Sixteen];

    fn source(seed: u64) -> IvSource {
        IvSource::new(&mut StdRng::seed_from_u64(seed))
    }

    #[test]
    fn no_iv_is_given_twice() {
        let mut source = source(1);
        for length in LENGTHS {
            let given: HashSet<Iv> = (0..200_000).map(|_| source.fresh(length)).collect();
            assert_eq!(given.len(), 200_000);
            assert!(given.iter().all(|iv| iv.len() == length));
        }
    }

    #[test]
    fn what_was_given_is_known_again_and_what_will_be_is_not_yet() {
        let mut source = source(2);
        for length in LENGTHS {
            let given: Vec<Iv> = (0..1000).map(|_| source.fresh(length)).collect();
            assert!(given.iter().all(|iv| source.has_given(iv)));
            let next = source.iv_of(1000, length);
            assert!(!source.has_given(&next));
            assert!(source.fresh(length) == next && source.has_given(&next));
        }
    }

    #[test]
    fn an_iv_of_one_length_says_nothing_of_the_other() {
        let mut source = source(3);
        let given: Vec<Iv> = (0..1000).map(|_| source.fresh(IvLength::Sixteen)).collect();
        let cut = |iv: &Iv| Iv::from_slice(&iv.as_bytes()[..12]).unwrap();
        assert!(given.iter().all(|iv| !source.has_given(&cut(iv))));
        assert_eq!(source.next, [0, 1000]);
    }

    #[test]
    fn foreign_ivs_are_not_taken_for_ones_own() {
        let (mut own, mut other, mut rng) = (source(4), source(5), StdRng::seed_from_u64(6));
        for length in LENGTHS {
            for _ in 0..10_000 {
                own.fresh(length);
                assert!(!own.has_given(&other.fresh(length)));
                assert!(!own.has_given(&Iv::random(length, &mut rng)));
            }
        }
    }

    #[test]
    fn an_iv_with_any_bit_changed_is_no_longer_known() {
        let mut source = source(7);
        for length in LENGTHS {
            let iv = source.fresh(length);
            for bit in 0..length.bytes() * 8 {
                let mut bytes = iv.as_bytes().to_vec();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(!source.has_given(&Iv::from_slice(&bytes).unwrap()), "bit {bit}");
            }
        }
    }

    #[test]
    fn every_bit_is_set_in_about_half_of_the_ivs() {
        const COUNT: usize = 20_000;
        let mut source = source(8);
        for length in LENGTHS {
            let ivs: Vec<Iv> = (0..COUNT).map(|_| source.fresh(length)).collect();
            for bit in 0..length.bytes() * 8 {
                let set = ivs.iter().filter(|iv| iv.as_bytes()[bit / 8] >> (bit % 8) & 1 == 1).count();
                // Seven standard deviations.
                assert!(set.abs_diff(COUNT / 2) < 500, "bit {bit} of {length:?}: {set}");
            }
        }
    }

    #[test]
    fn neighbours_differ_in_about_half_of_their_bits() {
        let mut source = source(9);
        for length in LENGTHS {
            let ivs: Vec<Iv> = (0..2000).map(|_| source.fresh(length)).collect();
            let differing = |pair: &[Iv]| -> u32 {
                let bytes = pair[0].as_bytes().iter().zip(pair[1].as_bytes());
                bytes.map(|(one, other)| (one ^ other).count_ones()).sum()
            };
            let bits = length.bytes() as f64 * 8.0;
            let mean = ivs.windows(2).map(|pair| f64::from(differing(pair))).sum::<f64>() / 1999.0;
            assert!((mean / bits - 0.5).abs() < 0.02, "{mean} of {bits}");
        }
    }

    #[test]
    fn an_iv_of_zeros_is_passed_over() {
        let mut source = source(10);
        for length in LENGTHS {
            let zeros = Iv::from_slice(&[0; 16][..length.bytes()]).unwrap();
            let number = source.number_of(&zeros);
            assert!(source.iv_of(number, length) == zeros);
            source.next[index(length)] = number;
            assert!(source.fresh(length) == source.iv_of(number + 1, length));
        }
    }

    proptest! {
        #[test]
        fn every_number_is_found_again(seed: u64, whole: u128, short: bool) {
            let source = source(seed);
            let length = if short { IvLength::Twelve } else { IvLength::Sixteen };
            let number = if short { whole >> 32 } else { whole };
            prop_assert_eq!(source.number_of(&source.iv_of(number, length)), number);
        }
    }
}
