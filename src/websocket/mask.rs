//! Masking, which is its own inverse (RFC 6455 §5.3).

/// Masks or unmasks `bytes`, which begin `offset` bytes into their frame.
pub(super) fn apply(mask: [u8; 4], offset: u64, bytes: &mut [u8]) {
    let turned = u32::from_be_bytes(mask).rotate_left((offset % 4) as u32 * 8).to_be_bytes();
    let wide: [u8; 16] = std::array::from_fn(|index| turned[index % 4]);
    let wide = u128::from_ne_bytes(wide);
    let (blocks, rest) = bytes.as_chunks_mut::<16>();
    for block in blocks {
        *block = (u128::from_ne_bytes(*block) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(turned.iter().cycle()) {
        *byte ^= mask;
    }
}
