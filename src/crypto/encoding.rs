//! Base64 and hex, strict: what is decoded has exactly one text, but for the padding of base64url.

use std::fmt;
use std::str::FromStr;

use base64_simd::{Out, STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use bytes::BytesMut;

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

/// Characters of so many bytes in base64, padding included.
pub fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3).saturating_mul(4)
}

/// Appends standard base64, padded.
pub fn base64_append(bytes: &[u8], out: &mut BytesMut) {
    let start = out.len();
    out.resize(start.saturating_add(base64_len(bytes.len())), 0);
    let _written = STANDARD.encode(bytes, Out::from_slice(&mut out[start..]));
}

/// Decodes as [`base64_decode`] does into the beginning of `out`; also `None` if that is too short.
pub fn base64_decode_into<'o>(text: &[u8], out: &'o mut [u8]) -> Option<&'o [u8]> {
    if out.len() < STANDARD.decoded_length(text).ok()? {
        return None;
    }
    STANDARD.decode(text, Out::from_slice(out)).ok().map(|bytes| &*bytes)
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

/// How a part of a message is written where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// The bytes themselves.
    Raw,
    /// Standard base64, padded and canonical.
    Base64,
    /// Base64 with `-` and `_`, written without padding, read with it or without.
    Base64Url,
    /// Pairs of digits, written small, read in either case.
    Hex,
}

impl Encoding {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Raw, Self::Base64, Self::Base64Url, Self::Hex];

    /// Its name in a configuration.
    pub fn label(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Hex => "hex",
        }
    }

    /// The bytes that `text` stands for.
    pub fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Raw => Some(text.to_vec()),
            Self::Base64 => base64_decode(text),
            Self::Base64Url if text.ends_with(b"=") => URL_SAFE.decode_to_vec(text).ok(),
            Self::Base64Url => URL_SAFE_NO_PAD.decode_to_vec(text).ok(),
            Self::Hex => hex_decode(text),
        }
    }

    /// The text of `bytes`.
    pub fn encode(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Raw => bytes.to_vec(),
            Self::Base64 => base64_encode(bytes).into_bytes(),
            Self::Base64Url => URL_SAFE_NO_PAD.encode_to_string(bytes).into_bytes(),
            Self::Hex => hex_encode(bytes).into_bytes(),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|known| known.label() == name).ok_or(UnknownEncoding)
    }
}

/// The name is none of [`Encoding::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown encoding; one of raw, base64, base64url and hex is expected")]
pub struct UnknownEncoding;

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

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD as ORACLE;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn base64_that_is_not_canonical_is_refused() {
        assert_eq!(base64_decode(b"Zg=="), Some(b"f".to_vec()));
        assert_eq!(base64_decode(b"Zm8="), Some(b"fo".to_vec()));
        assert_eq!(base64_decode(b""), Some(Vec::new()));
        let refused: [&[u8]; 19] = [
            b"Zh==",
            b"Zm9=", // bits beyond the last byte
            b"Zg",
            b"Zg=",
            b"Zm8",
            b"Zg===",
            b"Zm9v=",
            b"Zm9v====",
            b"=",
            b"====",
            b"Z===",
            b"Zg==Zg==", // padding
            b"Zg==\n",
            b" Zg==",
            b"Zm\n8=",
            b"Zm9v\r\n", // white space
            b"-_-_",
            b"Zm9\xff",
            b"Zm9\0", // alphabet
        ];
        for text in refused {
            assert_eq!(base64_decode(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn every_byte_outside_the_alphabet_is_refused_at_every_place() {
        for place in 0..64 {
            for byte in 0..=255 {
                let mut text = [b'A'; 64];
                text[place] = byte;
                assert_eq!(base64_decode(&text), ORACLE.decode(text).ok(), "{byte} at {place}");
            }
        }
    }

    #[test]
    fn all_endings_are_judged_as_by_the_oracle() {
        let alphabet: Vec<u8> =
            (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"+/=-_ ").collect();
        for first in &alphabet {
            for second in &alphabet {
                for ending in
                    [[b'A', *first, *second, b'='], [b'A', *first, b'=', b'='], [b'A', b'A', *first, *second]]
                {
                    for text in [ending.to_vec(), [&[b'A'; 32][..], &ending].concat()] {
                        assert_eq!(
                            base64_decode(&text),
                            ORACLE.decode(&text).ok(),
                            "{}",
                            text.escape_ascii()
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn hex_takes_either_case_and_neither_prefix_nor_odd_digits() {
        assert_eq!(hex_encode(&[0x0a, 0xFF]), "0aff");
        assert_eq!(hex_decode(b"0aFf"), Some(vec![0x0a, 0xff]));
        assert_eq!(hex_decode(b""), Some(Vec::new()));
        for text in [&b"0x0a"[..], b"0X0a", b"0a0", b"0", b"0g", b" 0a", b"0a\n", b"0a:0b", b"\xff\xff"] {
            assert_eq!(hex_decode(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn iv_text_of_any_other_length_than_16_or_24_characters_is_refused() {
        for len in 0..40 {
            let text = base64_encode(&vec![7; len]);
            assert_eq!(iv_from_base64(text.as_bytes()).is_some(), len == 12 || len == 16, "{len} bytes");
        }
    }

    #[test]
    fn iv_text_in_a_second_spelling_is_refused() {
        assert!(iv_from_base64(b"AAAAAAAAAAAAAAAAAAAAAg==").is_some());
        for text in [
            &b"AAAAAAAAAAAAAAAAAAAAAh=="[..],
            b"AAAAAAAAAAAAAAAAAAAAAg",
            b"________________",
            b"AAAAAAAAAAAAAAA=",
        ] {
            assert!(iv_from_base64(text).is_none(), "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn base64_is_that_of_the_base64_crate(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = base64_encode(&bytes);
            prop_assert_eq!(&text, &ORACLE.encode(&bytes));
            let mut appended = BytesMut::from("before");
            base64_append(&bytes, &mut appended);
            prop_assert_eq!(&appended[6..], text.as_bytes());
            prop_assert_eq!(base64_len(bytes.len()), text.len());
            let mut room = vec![0; bytes.len()];
            prop_assert_eq!(base64_decode_into(text.as_bytes(), &mut room), Some(&bytes[..]));
            if !room.is_empty() {
                let short = room.len() - 1;
                prop_assert_eq!(base64_decode_into(text.as_bytes(), &mut room[..short]), None);
            }
            prop_assert_eq!(base64_decode(text.as_bytes()), Some(bytes));
        }

        #[test]
        fn altered_base64_is_judged_as_by_the_base64_crate(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
            cut in 0usize..4,
        ) {
            let mut text = base64_encode(&bytes).into_bytes();
            for (place, byte) in changes {
                if !text.is_empty() {
                    let place = place.index(text.len());
                    text[place] = byte;
                }
            }
            text.truncate(text.len().saturating_sub(cut));
            prop_assert_eq!(base64_decode(&text), ORACLE.decode(&text).ok());
        }

        #[test]
        fn text_of_the_alphabet_is_judged_as_by_the_base64_crate(text in "[A-Za-z0-9+/]{0,40}={0,3}") {
            prop_assert_eq!(base64_decode(text.as_bytes()), ORACLE.decode(&text).ok());
        }

        #[test]
        fn hex_is_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = hex_encode(&bytes);
            prop_assert_eq!(hex_decode(text.to_uppercase().as_bytes()), Some(bytes.clone()));
            prop_assert_eq!(hex_decode(text.as_bytes()), Some(bytes));
        }

        #[test]
        fn every_encoding_is_read_back_by_its_name(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            for encoding in Encoding::ALL {
                prop_assert_eq!(encoding.label().parse(), Ok(encoding));
                prop_assert_eq!(encoding.decode(&encoding.encode(&bytes)), Some(bytes.clone()));
            }
            let padded = base64::engine::general_purpose::URL_SAFE.encode(&bytes);
            prop_assert_eq!(Encoding::Base64Url.decode(padded.as_bytes()), Some(bytes));
        }

        #[test]
        fn iv_is_read_back_from_its_text(bytes in any::<[u8; 16]>(), short in any::<bool>()) {
            let len = if short { 12 } else { 16 };
            let iv = Iv::from_slice(&bytes[..len]).unwrap();
            let text = iv_to_base64(&iv);
            prop_assert_eq!(text.as_str(), &ORACLE.encode(&bytes[..len]));
            prop_assert_eq!(text.as_bytes(), text.as_str().as_bytes());
            prop_assert!(iv_from_base64(text.as_bytes()) == Some(iv));
        }
    }
}
