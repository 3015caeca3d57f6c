//! How likely it is that bytes are what somebody wrote, and not what a wrong key makes.
//!
//! A wrong key gives even random bytes. So each byte that stays within a small alphabet is worth the bits by which that
//! alphabet is smaller than 256, and what an alphabet gives is set off against the number of trials.

use crate::payload::json::Json;

/// What bytes look like, and how many bits speak for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Evidence {
    pub(super) bits: f64,
    pub(super) looks: Looks,
}

/// What bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// A file of a known kind, by its first bytes.
    File(&'static str),
    /// A JSON object or array.
    Json,
    /// Digits and signs, as in numbers and dates.
    Number,
    /// Text that can be shown.
    Text,
}

impl Looks {
    /// In words.
    pub fn label(self) -> &'static str {
        match self {
            Self::File(kind) => kind,
            Self::Json => "JSON",
            Self::Number => "digits",
            Self::Text => "text",
        }
    }
}

/// Beginnings of files, at least four bytes each.
const FILES: [(&[u8], &str); 5] = [
    (b"\x1f\x8b\x08\x00", "gzip"),
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff\xe0", "a JPEG image"),
];

/// Whether a byte is in an alphabet, and how many are.
type Alphabet = (fn(u8) -> bool, f64);

/// From the smallest on; each byte within one is worth `8 - log2(size)` bits.
const ALPHABETS: [Alphabet; 4] =
    [(is_of_number, 18.0), (is_lower, 37.0), (is_of_name, 73.0), (is_printable, 98.0)];

/// What speaks for `bytes`; `None` where they are no text and no known file.
pub(super) fn judge(bytes: &[u8]) -> Option<Evidence> {
    if let Some((magic, kind)) = FILES.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        let bits = 8.0 * magic.len() as f64 - 2.0;
        return Some(Evidence { bits, looks: Looks::File(kind) });
    }
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())?;
    if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r') || c == '\u{feff}') {
        return None;
    }
    // One byte all along is what a register of zeros makes under any key.
    if bytes.len() > 2 && bytes.iter().all(|byte| *byte == bytes[0]) {
        return None;
    }
    let length = bytes.len() as f64;
    let of_alphabets = ALPHABETS
        .iter()
        .filter(|(is_in, _)| bytes.iter().all(|byte| is_in(*byte)))
        .map(|(_, size)| length * (8.0 - size.log2()))
        .fold(None::<f64>, |most, bits| Some(most.map_or(bits, |most| most.max(bits))));
    // Beyond ASCII, a character is worth what it takes to be valid UTF-8 at all.
    let bits = of_alphabets.unwrap_or(text.chars().count() as f64 * 1.28) - 2.0;
    let is_json = matches!(bytes.trim_ascii().first(), Some(b'{' | b'[')) && Json::parse(bytes).is_ok();
    let looks = match text.bytes().all(is_of_number) {
        _ if is_json => Looks::Json,
        true => Looks::Number,
        false => Looks::Text,
    };
    Some(Evidence { bits: bits + if is_json { 12.0 } else { 0.0 }, looks })
}

/// Whether the beginning of a message can be what [`judge`] takes: an early way out for long messages.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    if FILES.iter().any(|(magic, _)| bytes.starts_with(magic)) {
        return true;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // A character may be cut in two by the end of the beginning.
        Err(fault) if fault.error_len().is_none() => {
            std::str::from_utf8(&bytes[..fault.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    // Of a padded message the last bytes are its padding.
    text.trim_end_matches(|c: char| ('\u{1}'..='\u{10}').contains(&c))
        .chars()
        .all(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'))
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || b" +-.:,/T".contains(&byte)
}

fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b' '
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" -_.@,:/+'=".contains(&byte)
}

fn is_printable(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte) || b"\t\r\n".contains(&byte)
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn what_people_write_is_worth_more_than_ten_bits_and_random_bytes_are_not() {
        for text in [
            &b"+491701234567"[..],
            b"{\"dish\":\"soup\"}",
            b"Gr\xc3\xbc\xc3\x9fe aus der K\xc3\xbcche",
            b"2026-01-31",
        ] {
            assert!(judge(text).unwrap().bits > 10.0, "{text:?}");
            assert!(may_begin(text));
        }
        let mut rng = StdRng::seed_from_u64(7);
        for length in 4..40 {
            for _ in 0..200 {
                let mut bytes = vec![0; length];
                rng.fill_bytes(&mut bytes);
                // One in a thousand is what ten bits mean; of these none.
                assert!(judge(&bytes).is_none_or(|evidence| evidence.bits < 20.0), "{bytes:?}");
            }
        }
        assert_eq!(judge(b""), None);
    }
}
