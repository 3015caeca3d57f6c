//! The JSON of an envelope, read and written.

use std::borrow::Cow;

use bytes::BytesMut;
use serde::Deserialize;

use super::super::Refusal;
use crate::crypto::encoding::IvText;
use crate::metrics::AleReason;

/// The three members of an envelope (P7).
pub(super) struct Members<'e> {
    pub(super) iv: Cow<'e, str>,
    pub(super) fingerprint: Cow<'e, str>,
    pub(super) message: Cow<'e, str>,
}

impl<'e> Members<'e> {
    /// Takes one JSON object that has each member once, and as a string; other members are passed over, whatever
    /// they are.
    pub(super) fn read(text: &'e [u8]) -> Result<Self, Refusal> {
        let found: Found<'e> = read_object(text).ok_or(Refusal::headers(AleReason::BadEnvelope))?;
        let member = |found: Option<Text<'e>>, missing| Ok(found.ok_or(Refusal::headers(missing))?.0);
        Ok(Self {
            iv: member(found.iv, AleReason::MissingIv)?,
            fingerprint: member(found.fingerprint, AleReason::MissingFingerprint)?,
            message: member(found.message, AleReason::MissingMessage)?,
        })
    }
}

/// Reads JSON that is one object and nothing else. serde's structs would come from arrays as well.
pub(in crate::ale) fn read_object<'e, T: Deserialize<'e>>(text: &'e [u8]) -> Option<T> {
    let text = std::str::from_utf8(text).ok()?;
    let begins = text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{');
    if begins { serde_json::from_str(text).ok() } else { None }
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
