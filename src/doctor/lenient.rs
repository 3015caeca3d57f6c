//! What a text would stand for if it were read less strictly than Alewife does: for near misses.

use crate::crypto::encoding::Encoding;
use crate::payload::form;

/// What has to be overlooked to read a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quirk {
    /// Quotes around it.
    Quotes,
    /// `%2B` and the like where nothing is escaped.
    Percent,
    /// A leading `0x`.
    Prefix,
    /// White space within it.
    Space,
    /// Spaces that were a `+`.
    Plus,
    /// Standard base64 without its `=`.
    Padding,
}

impl Quirk {
    /// What is wrong with the text, after "the text of …".
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Quotes => "stands in quotes, which are no part of it",
            Self::Percent => "is escaped with % where nothing else would take that off",
            Self::Prefix => "begins with 0x",
            Self::Space => "has white space or line ends in it",
            Self::Plus => "has spaces where base64 has +: it went unescaped through a form or query",
            Self::Padding => "is standard base64 without its padding of =",
        }
    }
}

/// Readings of `text` that need something to be overlooked.
pub(super) fn readings(text: &[u8]) -> Vec<(Encoding, Vec<u8>, Quirk)> {
    let inner = |text: &[u8]| text.strip_prefix(b"\"")?.strip_suffix(b"\"").map(<[u8]>::to_vec);
    let spaceless: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let plus: Vec<u8> = text.iter().map(|&byte| if byte == b' ' { b'+' } else { byte }).collect();
    let padded = {
        let mut padded = spaceless.clone();
        padded.resize(spaceless.len().next_multiple_of(4), b'=');
        padded
    };
    let prefix = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X")).map(<[u8]>::to_vec);
    let unescaped = text.contains(&b'%').then(|| form::decode(text)).flatten().map(|text| text.to_vec());
    let texts = [
        (Some(plus).filter(|plus| plus != text), Quirk::Plus),
        (Some(spaceless).filter(|spaceless| spaceless != text), Quirk::Space),
        (Some(padded).filter(|padded| padded != text), Quirk::Padding),
        (prefix, Quirk::Prefix),
        (inner(text), Quirk::Quotes),
        (unescaped, Quirk::Percent),
    ];
    let mut readings: Vec<(Encoding, Vec<u8>, Quirk)> = Vec::new();
    for (text, quirk) in texts.into_iter().filter_map(|(text, quirk)| Some((text?, quirk))) {
        for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Base64Url] {
            if let Some(bytes) = encoding.decode(&text)
                && !bytes.is_empty()
                && !readings.iter().any(|(_, known, _)| *known == bytes)
            {
                readings.push((encoding, bytes, quirk));
            }
        }
    }
    readings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quirk_is_what_has_to_be_overlooked() {
        let cases: [(&[u8], Encoding, Quirk); 6] = [
            (b"+/+ ", Encoding::Base64, Quirk::Plus),
            (b"AQID\r\nBAUG", Encoding::Base64, Quirk::Space),
            (b"+/+/+w", Encoding::Base64, Quirk::Padding),
            (b"0xab12", Encoding::Hex, Quirk::Prefix),
            (b"\"AQID\"", Encoding::Base64, Quirk::Quotes),
            (b"AQ%3D%3D", Encoding::Base64, Quirk::Percent),
        ];
        for (text, encoding, quirk) in cases {
            let found = readings(text);
            assert!(found.iter().any(|(e, _, q)| (*e, *q) == (encoding, quirk)), "{quirk:?}: {found:?}");
        }
        assert!(readings(b"AQID").is_empty(), "nothing is to be overlooked");
    }
}
