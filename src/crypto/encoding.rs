//! Base64 and hex, strict: what is decoded has exactly one text.

use base64_simd::{Out, STANDARD};

use super::Iv;

/// Standard base64, padded.
pub fn base64_encode(bytes: &[u8]) -> String {
    STANDARD.encode_to_string(bytes)
}

/// Decodes standard base64 in its canonical form only.
///
/// Refuses missing padding, bits beyond the last byte that are not zero, white space and the URL-safe
/// alphabet (P1).
pub fn base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode_to_vec(text).ok()
}

/// Hex in lower case.
pub fn hex_encode(bytes: &[u8]) -> String {
    const_hex::encode(bytes)
}

/// Decodes hex in either case; no prefix, no separators.
pub fn hex_decode(text: &[u8]) -> Option<Vec<u8>> {
    // `decode` alone would skip a leading `0x`.
    const_hex::check_raw(text).then(|| const_hex::decode(text).ok())?
}

/// Decodes an IV as `sec-iv` bears it (P1), without allocating.
pub fn iv_from_base64(text: &[u8]) -> Option<Iv> {
    let mut bytes = [0; 18];
    if !matches!(text.len(), 16 | 24) {
        return None;
    }
    Iv::from_slice(STANDARD.decode(text, Out::from_slice(&mut bytes)).ok()?)
}

/// Encodes an IV for `sec-iv` (P1), without allocating.
pub fn iv_to_base64(iv: &Iv) -> IvText {
    let mut bytes = [0; 24];
    let len = STANDARD.encode(iv.as_bytes(), Out::from_slice(&mut bytes)).len();
    IvText { bytes, len }
}

/// An IV in base64: 16 or 24 ASCII characters, held inline.
///
/// Has no `Debug`, as [`Iv`] has none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IvText {
    bytes: [u8; 24],
    len: usize,
}

impl IvText {
    /// The characters as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The characters as text.
    pub fn as_str(&self) -> &str {
        // Base64 is ASCII, so the alternative never comes into play.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}
