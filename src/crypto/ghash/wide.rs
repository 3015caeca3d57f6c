//! GHASH by VPCLMULQDQ, two or four blocks to a register and sixteen to a reduction.
//!
//! Blocks are read with their bytes reversed, and H is multiplied by x once; the product of two such elements
//! then needs no shift (RFC 8452, appendix A: GHASH in terms of POLYVAL). `dot` is RFC 8452's: a·b·x⁻¹²⁸.
//!
//! The one `unsafe` of the crate is here, in [`Powers::absorb`] and [`Powers::of`]: the call of a function that is
//! compiled for processor features. A [`Powers`] can only be had from [`Powers::of`], which has asked the processor
//! for each of these features first, and notes there which width it has; features do not go away while a process
//! runs, so where a `Powers` exists the call is sound. The functions themselves are safe Rust: no pointer is read, and
//! vectors are built from values.

#![allow(
    unsafe_code,
    reason = "calls into code for processor features that were detected; the proof stands above"
)]

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_shuffle_epi32,
    _mm_unpackhi_epi64, _mm_xor_si128, _mm256_castsi256_si128, _mm256_clmulepi64_epi128,
    _mm256_extracti128_si256, _mm256_set_epi8, _mm256_set_epi64x, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_xor_si256, _mm512_castsi512_si256, _mm512_clmulepi64_epi128, _mm512_extracti64x4_epi64,
    _mm512_set_epi64, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_xor_si512,
};

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Blocks to one reduction.
const LANES: usize = 16;

/// H¹⁶ down to H¹. That one exists proves that the processor has what [`absorb`] is compiled for.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(in crate::crypto) struct Powers {
    powers: [u128; LANES],
    /// Proves that the processor has what [`absorb_by_four`] is compiled for.
    four_to_a_register: bool,
}

impl Powers {
    /// The powers of `h`, if this processor can use them.
    pub(super) fn of(h: &[u8; 16]) -> Option<Self> {
        let able = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("vpclmulqdq");
        if !able {
            return None;
        }
        // SAFETY: `raise` is compiled for just the features that were detected.
        let powers = unsafe { raise(mulx(u128::from_be_bytes(*h))) };
        let four_to_a_register = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        Some(Self { powers, four_to_a_register })
    }

    /// The same powers, two blocks to a register whatever the processor has.
    #[cfg(test)]
    pub(super) fn narrowed(mut self) -> Self {
        self.four_to_a_register = false;
        self
    }

    /// The hash `sum` after the blocks of `data`, whose length is a multiple of 16.
    pub(super) fn absorb(&self, sum: u128, data: &[u8]) -> u128 {
        if self.four_to_a_register {
            // SAFETY: `self` exists and says so, so `of` has detected what `absorb_by_four` is compiled for.
            unsafe { absorb_by_four(&self.powers, sum, data) }
        } else {
            // SAFETY: `self` exists, so `of` has detected what `absorb` is compiled for.
            unsafe { absorb(&self.powers, sum, data) }
        }
    }
}

/// Multiplies by x in the field of POLYVAL, in constant time.
fn mulx(h: u128) -> u128 {
    let carry = 0_u128.wrapping_sub(h >> 127);
    (h << 1) ^ (carry & 0xc200_0000_0000_0000_0000_0000_0000_0001)
}

#[target_feature(enable = "avx2,pclmulqdq,vpclmulqdq")]
fn raise(h: u128) -> [u128; LANES] {
    let mut powers = [h; LANES];
    for lane in (0..LANES - 1).rev() {
        let mut product = Product::zero();
        product.add(powers[lane + 1], h);
        powers[lane] = product.reduce();
    }
    powers
}

#[target_feature(enable = "avx2,pclmulqdq,vpclmulqdq")]
fn absorb(powers: &[u128; LANES], mut sum: u128, data: &[u8]) -> u128 {
    let (strides, rest) = data.as_chunks::<{ 16 * LANES }>();
    for stride in strides {
        sum = absorb_stride(powers, sum, stride);
    }
    absorb_rest(powers, sum, rest)
}

#[target_feature(enable = "avx2,pclmulqdq,vpclmulqdq,avx512f,avx512bw")]
fn absorb_by_four(powers: &[u128; LANES], mut sum: u128, data: &[u8]) -> u128 {
    let (strides, rest) = data.as_chunks::<{ 16 * LANES }>();
    for stride in strides {
        sum = absorb_stride_by_four(powers, sum, stride);
    }
    absorb_rest(powers, sum, rest)
}

/// Fewer than sixteen blocks, one by one, and one reduction.
#[target_feature(enable = "avx2,pclmulqdq,vpclmulqdq")]
fn absorb_rest(powers: &[u128; LANES], mut sum: u128, rest: &[u8]) -> u128 {
    let (blocks, _) = rest.as_chunks::<16>();
    if blocks.is_empty() {
        return sum;
    }
    let mut product = Product::zero();
    for (block, power) in blocks.iter().zip(&powers[LANES - blocks.len()..]) {
        product.add(u128::from_be_bytes(*block) ^ std::mem::take(&mut sum), *power);
    }
    product.reduce()
}

/// Sixteen blocks: the sum of their products with H¹⁶ … H¹, reduced once.
#[target_feature(enable = "avx2,pclmulqdq,vpclmulqdq")]
fn absorb_stride(powers: &[u128; LANES], sum: u128, stride: &[u8; 16 * LANES]) -> u128 {
    let reverse = _mm256_set_epi8(
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
        14, 15,
    );
    let zero = _mm256_setzero_si256();
    let (mut low, mut middle, mut high) = (zero, zero, zero);
    // What was hashed so far joins the first block.
    let mut carried = pair(sum, 0);
    let (pairs, _) = stride.as_chunks::<32>();
    let (powers, _) = powers.as_chunks::<2>();
    for (bytes, &[even, odd]) in pairs.iter().zip(powers) {
        let blocks = _mm256_xor_si256(_mm256_shuffle_epi8(load(bytes), reverse), carried);
        carried = zero;
        let power = pair(even, odd);
        low = _mm256_xor_si256(low, _mm256_clmulepi64_epi128::<0x00>(blocks, power));
        high = _mm256_xor_si256(high, _mm256_clmulepi64_epi128::<0x11>(blocks, power));
        let crossed = _mm256_xor_si256(
            _mm256_clmulepi64_epi128::<0x01>(blocks, power),
            _mm256_clmulepi64_epi128::<0x10>(blocks, power),
        );
        middle = _mm256_xor_si256(middle, crossed);
    }
    Product { low: folded(low), middle: folded(middle), high: folded(high) }.reduce()
}

/// As [`absorb_stride`], four blocks to a register.
#[target_feature(enable = "avx2,pclmulqdq,vpclmulqdq,avx512f,avx512bw")]
fn absorb_stride_by_four(powers: &[u128; LANES], sum: u128, stride: &[u8; 16 * LANES]) -> u128 {
    let reverse = _mm512_set_epi64(
        0x0001_0203_0405_0607,
        0x0809_0a0b_0c0d_0e0f,
        0x0001_0203_0405_0607,
        0x0809_0a0b_0c0d_0e0f,
        0x0001_0203_0405_0607,
        0x0809_0a0b_0c0d_0e0f,
        0x0001_0203_0405_0607,
        0x0809_0a0b_0c0d_0e0f,
    );
    let zero = _mm512_setzero_si512();
    let (mut low, mut middle, mut high) = (zero, zero, zero);
    let mut carried = four([sum, 0, 0, 0]);
    let (quarters, _) = stride.as_chunks::<64>();
    let (powers, _) = powers.as_chunks::<4>();
    for (bytes, &power) in quarters.iter().zip(powers) {
        let blocks = _mm512_xor_si512(_mm512_shuffle_epi8(load_four(bytes), reverse), carried);
        carried = zero;
        let power = four(power);
        low = _mm512_xor_si512(low, _mm512_clmulepi64_epi128::<0x00>(blocks, power));
        high = _mm512_xor_si512(high, _mm512_clmulepi64_epi128::<0x11>(blocks, power));
        let crossed = _mm512_xor_si512(
            _mm512_clmulepi64_epi128::<0x01>(blocks, power),
            _mm512_clmulepi64_epi128::<0x10>(blocks, power),
        );
        middle = _mm512_xor_si512(middle, crossed);
    }
    Product { low: folded_four(low), middle: folded_four(middle), high: folded_four(high) }.reduce()
}

/// A 256-bit product in three overlapping parts, not yet reduced.
struct Product {
    low: __m128i,
    middle: __m128i,
    high: __m128i,
}

impl Product {
    #[target_feature(enable = "avx2")]
    fn zero() -> Self {
        let zero = vector(0);
        Self { low: zero, middle: zero, high: zero }
    }

    #[target_feature(enable = "avx2,pclmulqdq,vpclmulqdq")]
    fn add(&mut self, a: u128, b: u128) {
        let (a, b) = (vector(a), vector(b));
        self.low = _mm_xor_si128(self.low, _mm_clmulepi64_si128::<0x00>(a, b));
        self.high = _mm_xor_si128(self.high, _mm_clmulepi64_si128::<0x11>(a, b));
        self.middle = _mm_xor_si128(self.middle, _mm_clmulepi64_si128::<0x01>(a, b));
        self.middle = _mm_xor_si128(self.middle, _mm_clmulepi64_si128::<0x10>(a, b));
    }

    /// Folds the low quarter into the middle and that into the high half (Montgomery's reduction by
    /// x¹²⁸ + x¹²⁷ + x¹²⁶ + x¹²¹ + 1).
    #[target_feature(enable = "avx2,pclmulqdq,vpclmulqdq")]
    fn reduce(self) -> u128 {
        let polynomial = _mm_set_epi64x(0xc200_0000_0000_0000_u64.cast_signed(), 1);
        let fold = |upper: __m128i, lower: __m128i| {
            let multiple = _mm_clmulepi64_si128::<0x01>(polynomial, lower);
            let swapped = _mm_shuffle_epi32::<0x4e>(lower);
            _mm_xor_si128(upper, _mm_xor_si128(multiple, swapped))
        };
        number(fold(self.high, fold(self.middle, self.low)))
    }
}

#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; 32]) -> __m256i {
    let word = |at: usize| {
        let (words, _) = bytes.as_chunks::<8>();
        i64::from_le_bytes(words[at])
    };
    _mm256_set_epi64x(word(3), word(2), word(1), word(0))
}

/// `first` in the low lane, `second` in the high one.
#[target_feature(enable = "avx2")]
fn pair(first: u128, second: u128) -> __m256i {
    _mm256_set_epi64x((second >> 64) as i64, second as i64, (first >> 64) as i64, first as i64)
}

#[target_feature(enable = "avx512f")]
fn load_four(bytes: &[u8; 64]) -> __m512i {
    let word = |at: usize| {
        let (words, _) = bytes.as_chunks::<8>();
        i64::from_le_bytes(words[at])
    };
    _mm512_set_epi64(word(7), word(6), word(5), word(4), word(3), word(2), word(1), word(0))
}

/// The first in the lowest lane.
#[target_feature(enable = "avx512f")]
fn four(numbers: [u128; 4]) -> __m512i {
    let [first, second, third, fourth] = numbers;
    _mm512_set_epi64(
        (fourth >> 64) as i64,
        fourth as i64,
        (third >> 64) as i64,
        third as i64,
        (second >> 64) as i64,
        second as i64,
        (first >> 64) as i64,
        first as i64,
    )
}

#[target_feature(enable = "avx2,avx512f")]
fn folded_four(all: __m512i) -> __m128i {
    folded(_mm256_xor_si256(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64::<1>(all)))
}

#[target_feature(enable = "avx2")]
fn folded(both: __m256i) -> __m128i {
    _mm_xor_si128(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both))
}

#[target_feature(enable = "avx2")]
fn vector(number: u128) -> __m128i {
    _mm_set_epi64x((number >> 64) as i64, number as i64)
}

#[target_feature(enable = "avx2")]
fn number(vector: __m128i) -> u128 {
    let low = _mm_cvtsi128_si64(vector).cast_unsigned();
    let high = _mm_cvtsi128_si64(_mm_unpackhi_epi64(vector, vector)).cast_unsigned();
    (u128::from(high) << 64) | u128::from(low)
}
