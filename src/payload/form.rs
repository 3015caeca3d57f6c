//! Queries and forms (`application/x-www-form-urlencoded`), which are written alike.

use std::borrow::Cow;
use std::ops::Range;

use zeroize::Zeroizing;

/// One `name=value` as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair<'t> {
    text: &'t [u8],
    /// Where it stands.
    pub span: Range<usize>,
    /// Where its value stands; absent without a `=`.
    pub value: Option<Range<usize>>,
}

impl<'t> Pair<'t> {
    /// The name as it is written.
    pub fn name(&self) -> Cow<'t, [u8]> {
        let end = self.value.as_ref().map_or(self.span.end, |value| value.start - 1);
        Cow::Borrowed(&self.text[self.span.start..end])
    }

    /// Whether it is called so, however that is escaped.
    pub fn name_is(&self, name: &str) -> bool {
        let written = self.name();
        *written == *name.as_bytes() && !written.iter().any(|byte| matches!(byte, b'%' | b'+'))
            || decode(&written).is_some_and(|decoded| **decoded == *name.as_bytes())
    }
}

/// The pairs of a query or form, which stand between `&`; empty ones are none.
pub fn pairs(text: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    let mut start = 0;
    text.split(|&byte| byte == b'&').filter_map(move |piece| {
        let span = start..start + piece.len();
        start = span.end + 1;
        let equals = piece.iter().position(|&byte| byte == b'=');
        let value = equals.map(|at| span.start + at + 1..span.end);
        (!piece.is_empty()).then_some(Pair { text, span, value })
    })
}

/// What is written: `+` is a space, and `%` is followed by two hexadecimal digits. `None` where it is not.
pub fn decode(raw: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(raw.len()));
    let mut bytes = raw.iter();
    while let Some(&byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(*bytes.next()?)? << 4 | hex_digit(*bytes.next()?)?,
            other => other,
        });
    }
    Some(decoded)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// Escapes everything but the unreserved characters of RFC 3986 §2.3, so that it means the same in a query and in a form.
pub fn encode(value: &[u8]) -> Zeroizing<Vec<u8>> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let escaped = value.iter().filter(|byte| !is_plain(byte)).count();
    let mut encoded = Zeroizing::new(Vec::with_capacity(value.len() + 2 * escaped));
    for byte in value {
        if is_plain(byte) {
            encoded.push(*byte);
        } else {
            let digit = |at: u8| DIGITS[usize::from(at)];
            encoded.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

/// The text without the pairs of these names, and without one `&` for each; the rest stays byte for byte.
pub fn without(text: &[u8], names: &[&str]) -> Vec<u8> {
    let is_cut =
        |piece: &&[u8]| pairs(piece).next().is_some_and(|pair| names.iter().any(|name| pair.name_is(name)));
    let kept: Vec<&[u8]> = text.split(|&byte| byte == b'&').filter(|piece| !is_cut(piece)).collect();
    kept.join(&b'&')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(String, Option<&str>)> {
        let name = |pair: &Pair<'_>| String::from_utf8_lossy(&pair.name()).into_owned();
        pairs(text.as_bytes()).map(|pair| (name(&pair), pair.value.map(|value| &text[value]))).collect()
    }

    #[test]
    fn pairs_stand_between_ampersands_and_end_their_name_at_the_first_equals_sign() {
        assert_eq!(
            read("a=1&&b&=2&c=&d=x=y&"),
            [
                ("a".into(), Some("1")),
                ("b".into(), None),
                (String::new(), Some("2")),
                ("c".into(), Some("")),
                ("d".into(), Some("x=y")),
            ]
        );
        assert_eq!(read(""), []);
    }

    #[test]
    fn name_is_compared_by_what_it_means() {
        let is = |text: &str, name| pairs(text.as_bytes()).next().unwrap().name_is(name);
        assert!(
            is("phone=1", "phone") && is("ph%6fne=1", "phone") && is("a+b=1", "a b") && is("a%2Bb", "a+b")
        );
        assert!(!is("a+b=1", "a+b") && !is("Phone=1", "phone") && !is("ph%6=1", "ph%6") && !is("=1", "1"));
    }

    #[test]
    fn escapes_that_are_none_are_refused() {
        for text in ["%", "%4", "%g0", "%+1", "a%4"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
        assert_eq!(&**decode(b"a%2Bb+c%7e").unwrap(), b"a+b c~");
    }

    #[test]
    fn pairs_are_cut_with_one_ampersand_each() {
        let cut = |text: &str| String::from_utf8(without(text.as_bytes(), &["iv", "tag"])).unwrap();
        assert_eq!(cut("iv=1&a=2&%69v=3&b&tag"), "a=2&b");
        assert_eq!(cut("a=2&&b=%zz&"), "a=2&&b=%zz&");
        assert_eq!(cut("iv=1"), "");
    }

    proptest! {
        #[test]
        fn every_value_is_read_back_and_is_one_pair(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let encoded = encode(&bytes);
            prop_assert!(encoded.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(byte)));
            prop_assert_eq!(&**decode(&encoded).unwrap(), &bytes);
            let text = [b"name=", &encoded[..]].concat();
            prop_assert_eq!(pairs(&text).count(), 1);
        }

        #[test]
        fn whatever_stands_there_pairs_and_what_is_between_them_are_the_text(
            text in proptest::collection::vec(prop_oneof![Just(b'&'), Just(b'='), any::<u8>()], 0..60),
        ) {
            let mut rebuilt = Vec::new();
            for pair in pairs(&text) {
                rebuilt.resize(pair.span.start, b'&');
                rebuilt.extend_from_slice(&text[pair.span.clone()]);
                prop_assert!(pair.value.is_none_or(|value| value.end == pair.span.end && text[value.start - 1] == b'='));
            }
            rebuilt.resize(text.len(), b'&');
            prop_assert_eq!(&rebuilt, &text);
            prop_assert_eq!(without(&text, &[]), text);
        }
    }
}
