//! The JSON of an envelope, read and written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::BytesMut;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::Refusal;
use crate::crypto::encoding::IvText;
use crate::metrics::AleReason;

/// The three members of an envelope (P7).
pub(super) struct Members<'e> {
    pub(super) iv: Cow<'e, str>,
    pub(super) fingerprint: Cow<'e, str>,
    pub(super) message: Cow<'e, [u8]>,
}

impl<'e> Members<'e> {
    /// Takes one JSON object that has each member once, and as a string; other members are passed over, whatever
    /// they are.
    pub(super) fn read(text: &'e [u8]) -> Result<Self, Refusal> {
        Self::at_a_glance(text).map_or_else(|| Self::judge(text), Ok)
    }

    /// Reads an envelope that is laid out as [`Frame`] lays it out, and faster; `None` says nothing against
    /// any other.
    fn at_a_glance(text: &'e [u8]) -> Option<Self> {
        let (iv, rest) = plain_up_to_quote(text.strip_prefix(BEFORE_IV)?)?;
        let (fingerprint, rest) = plain_up_to_quote(rest.strip_prefix(BEFORE_FINGERPRINT)?)?;
        let message = rest.strip_prefix(BEFORE_MESSAGE)?.strip_suffix(END)?;
        let iv = Cow::Borrowed(iv);
        is_plain(message).then_some(Self { iv, fingerprint: fingerprint.into(), message: message.into() })
    }

    fn judge(text: &'e [u8]) -> Result<Self, Refusal> {
        let found: Found<'e> = read_object(text).ok_or(Refusal::headers(AleReason::BadEnvelope))?;
        let member = |found: Option<Text<'e>>, missing| Ok(found.ok_or(Refusal::headers(missing))?.0);
        Ok(Self {
            iv: member(found.iv, AleReason::MissingIv)?,
            fingerprint: member(found.fingerprint, AleReason::MissingFingerprint)?,
            message: match member(found.message, AleReason::MissingMessage)? {
                Cow::Borrowed(message) => Cow::Borrowed(message.as_bytes()),
                Cow::Owned(message) => Cow::Owned(message.into_bytes()),
            },
        })
    }
}

/// The text before the first quote, if it needs no reading, and what begins with that quote.
fn plain_up_to_quote(text: &[u8]) -> Option<(&str, &[u8])> {
    let (before, rest) = text.split_at(text.iter().position(|byte| *byte == b'"')?);
    if is_plain(before) { Some((std::str::from_utf8(before).ok()?, rest)) } else { None }
}

/// Whether JSON takes these bytes within a string for what they are. Looks at all of them, since without a way out in the
/// middle the compiler compares many at once.
fn is_plain(text: &[u8]) -> bool {
    let odd = |byte: u8| u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\') | byte >> 7;
    text.iter().fold(0, |any, byte| any | odd(*byte)) == 0
}

/// Reads JSON that is one object and nothing else. serde's structs would come from arrays as well.
pub(in crate::ale) fn read_object<'e, T: Deserialize<'e>>(text: &'e [u8]) -> Option<T> {
    let text = std::str::from_utf8(text).ok()?;
    let begins = text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{');
    if begins { serde_json::from_str(text).ok() } else { None }
}

/// Whether a text is an object with the members that make an envelope one, whatever they are (P7).
pub fn bears_envelope(text: &[u8]) -> bool {
    let members: Option<BTreeMap<Cow<'_, str>, IgnoredAny>> = read_object(text);
    members.is_some_and(|members| members.contains_key("iv") && members.contains_key("fingerprint"))
}

/// A repeated member is an error of serde's, one that is not there or `null` is none.
#[derive(Deserialize)]
struct Found<'e> {
    #[serde(borrow)]
    iv: Option<Text<'e>>,
    #[serde(borrow)]
    fingerprint: Option<Text<'e>>,
    #[serde(borrow)]
    message: Option<Text<'e>>,
}

/// A string, borrowed unless it bears escapes. Within an `Option` serde would copy a `Cow` always.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'e>(#[serde(borrow)] Cow<'e, str>);

/// An envelope around its ciphertext.
pub(super) struct Frame<'k> {
    pub(super) iv: IvText,
    pub(super) fingerprint: &'k str,
}

const BEFORE_IV: &[u8] = br#"{"iv":""#;
const BEFORE_FINGERPRINT: &[u8] = br#"","fingerprint":""#;
const BEFORE_MESSAGE: &[u8] = br#"","message":""#;
const END: &[u8] = br#""}"#;

impl Frame<'_> {
    /// Bytes before and behind the ciphertext's base64.
    pub(super) fn len(&self) -> usize {
        let escapes = self.fingerprint.bytes().filter(|byte| must_be_escaped(*byte)).count();
        let names = BEFORE_IV.len() + BEFORE_FINGERPRINT.len() + BEFORE_MESSAGE.len() + END.len();
        names + self.iv.as_bytes().len() + self.fingerprint.len() + escapes
    }

    /// Appends what comes before the ciphertext.
    pub(super) fn open(&self, out: &mut BytesMut) {
        for part in [BEFORE_IV, self.iv.as_bytes(), BEFORE_FINGERPRINT] {
            out.extend_from_slice(part);
        }
        for piece in self.fingerprint.as_bytes().split_inclusive(|byte| must_be_escaped(*byte)) {
            match piece.split_last() {
                Some((last, before)) if must_be_escaped(*last) => {
                    for part in [before, b"\\", &[*last]] {
                        out.extend_from_slice(part);
                    }
                }
                _ => out.extend_from_slice(piece),
            }
        }
        out.extend_from_slice(BEFORE_MESSAGE);
    }

    /// Appends what comes behind it.
    pub(super) fn close(out: &mut BytesMut) {
        out.extend_from_slice(END);
    }
}

/// A fingerprint has no controls, so these are all that JSON cannot hold as they are.
fn must_be_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts<'m>(members: &'m Members<'_>) -> [&'m [u8]; 3] {
        [members.iv.as_bytes(), members.fingerprint.as_bytes(), &members.message]
    }

    #[test]
    fn envelope_of_the_usual_layout_is_read_at_a_glance() {
        for message in ["", "Zm9v", "\u{7f}~ !#[]{}:,"] {
            let text = format!(r#"{{"iv":"AAAA","fingerprint":"k-1","message":"{message}"}}"#);
            let read = Members::at_a_glance(text.as_bytes()).unwrap();
            assert_eq!(parts(&read), [&b"AAAA"[..], b"k-1", message.as_bytes()]);
        }
    }

    #[test]
    fn envelope_that_asks_for_more_reading_is_left_to_the_reader_of_all_json() {
        for text in [
            r#"{"iv":"A\/AA","fingerprint":"k","message":""}"#,
            r#"{"iv":"A","fingerprint":"k\"","message":""}"#,
            r#"{"iv":"A","fingerprint":"k","message":"\/"}"#,
            r#"{"iv":"A","fingerprint":"k","message":"A","message":"B"}"#,
            r#"{"iv":"A","fingerprint":"k","message":"A","n":"B"}"#,
            r#"{"iv":"A","fingerprint":"é","message":""}"#,
            "{\"iv\":\"A\",\"fingerprint\":\"k\",\"message\":\"\n\"}",
            r#" {"iv":"A","fingerprint":"k","message":""}"#,
            r#"{"iv":"A","fingerprint":"k","message":""} "#,
            r#"{"iv":"A","fingerprint":"k","message":"}"#,
        ] {
            assert!(Members::at_a_glance(text.as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_at_a_glance_is_what_the_reader_of_all_json_reads(
            values in proptest::array::uniform3("[ -~é\u{1}]{0,9}"),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3),
            cut in 0..3usize,
        ) {
            let [iv, fingerprint, message] = values;
            let text = format!(r#"{{"iv":"{iv}","fingerprint":"{fingerprint}","message":"{message}"}}"#);
            let mut text = text.into_bytes();
            for (place, byte) in changes {
                let place = place.index(text.len());
                text[place] = byte;
            }
            text.truncate(text.len() - cut);
            if let Some(glanced) = Members::at_a_glance(&text) {
                let judged = Members::judge(&text).expect("a reader of all JSON takes it too");
                prop_assert_eq!(parts(&glanced), parts(&judged));
            }
        }
    }
}
