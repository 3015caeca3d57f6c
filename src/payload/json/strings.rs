//! Strings of JSON: what they say, and how it is written.

use zeroize::Zeroizing;

/// What a string says, given with its quotes as [`Json::parse`](super::Json::parse) has accepted it.
pub fn unescape(token: &[u8]) -> Zeroizing<Vec<u8>> {
    let inner = inner(token);
    let mut text = Zeroizing::new(Vec::with_capacity(inner.len()));
    let mut rest = inner;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        text.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let Some((&escape, behind)) = rest.split_first() else { break };
        rest = behind;
        match escape {
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'u' => {
                let (character, behind) = character(rest);
                rest = behind;
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => text.push(other),
        }
    }
    text.extend_from_slice(rest);
    text
}

/// The character of `\u…`, whose digits `rest` begins with, and what follows it.
fn character(rest: &[u8]) -> (char, &[u8]) {
    let unit = |digits: &[u8]| {
        digits.iter().fold(0, |unit, byte| unit << 4 | char::from(*byte).to_digit(16).unwrap_or(0))
    };
    let (digits, behind) = rest.split_at(rest.len().min(4));
    let first = unit(digits);
    if let (0xd800..0xdc00, Some((other, behind))) = (first, behind.split_at_checked(6)) {
        let low = unit(&other[2..]);
        let code = 0x10000 + ((first - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), behind);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), behind)
}

/// Whether the string, given with its quotes, says `text`.
pub(super) fn is_text(token: &[u8], text: &str) -> bool {
    let inner = inner(token);
    if inner.contains(&b'\\') { **unescape(token) == *text.as_bytes() } else { inner == text.as_bytes() }
}

fn inner(token: &[u8]) -> &[u8] {
    let token = token.strip_prefix(b"\"").unwrap_or(token);
    token.strip_suffix(b"\"").unwrap_or(token)
}

/// `text` as a string with its quotes. Only what must be is escaped, as common encoders do it.
pub fn escape(text: &str) -> Zeroizing<Vec<u8>> {
    let longer: usize =
        text.bytes().map(|byte| short(byte).map_or(if byte < 0x20 { 5 } else { 0 }, |_| 1)).sum();
    let mut token = Zeroizing::new(Vec::with_capacity(text.len() + longer + 2));
    token.push(b'"');
    for byte in text.bytes() {
        match short(byte) {
            Some(letter) => token.extend([b'\\', letter]),
            None if byte < 0x20 => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digit = |at: u8| DIGITS[usize::from(at)];
                token.extend([b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
            None => token.push(byte),
        }
    }
    token.push(b'"');
    token
}

/// The letter of an escape of two characters.
fn short(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' => byte,
        8 => b'b',
        12 => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => return None,
    })
}
