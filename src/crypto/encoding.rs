//! Base64 and hex, strict: what is decoded has exactly one text.

use base64_simd::{Out, STANDARD};
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
