//! The kinds of values that a profile bears.

use std::fmt::Display;
use std::str::FromStr;

use http::{HeaderValue, StatusCode};

use crate::crypto::encoding::Encoding;
use crate::crypto::{Algorithm, IvLength, TagLength};
use crate::document::{Refusal, Value};
use crate::payload::PointerPattern;
use crate::profile::{
    Aad, Becomes, IvLengths, IvPlace, KeyNaming, PRESETS, Padding, Preset, ScopePlace, Selector, TagPlace,
};

/// Reads what has a text of its own.
fn parsed<T: FromStr>(text: &str, what: &str, expected: impl Display) -> Result<T, Refusal> {
    let refusal = |_| Refusal::new(format!("{text:?} is {what}"), format!("write {expected}"));
    text.parse().map_err(refusal)
}

macro_rules! places {
    ($($type:ty),*) => { $(
        impl Value for $type {
            const EXPECTED: &'static str = "a place in quotes";

            fn from_text(text: &str) -> Result<Self, Refusal> {
                parsed(text, "no place", <$type>::EXPECTED)
            }
        }
    )* };
}

places!(Aad, IvPlace, KeyNaming, ScopePlace, TagPlace, Selector);

impl Value for PointerPattern {
    const EXPECTED: &'static str = "a JSON pointer in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        parsed(
            text,
            "no JSON pointer",
            "\"/MEMBER/MEMBER\", where * is any member and ** at the end any path",
        )
    }
}

impl Value for Encoding {
    const EXPECTED: &'static str = "an encoding in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        parsed(text, "no encoding", "\"raw\", \"base64\", \"base64url\" or \"hex\"")
    }
}

impl Value for Padding {
    const EXPECTED: &'static str = "a padding in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let known = Self::ALL.into_iter().find(|known| known.label() == text);
        known.ok_or_else(|| Refusal::new(format!("{text:?} is no padding"), "write \"none\" or \"pkcs7\""))
    }
}

impl Value for Becomes {
    const EXPECTED: &'static str = "what becomes of the plaintext, in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let known = Self::ALL.into_iter().find(|known| known.label() == text);
        known.ok_or_else(|| {
            let remedy = "write \"body\", \"text\" or \"json\"";
            Refusal::new(format!("{text:?} is nothing that plaintext can become"), remedy)
        })
    }
}

/// An algorithm, or that each key has its own.
pub(in crate::config) struct AlgorithmName(pub(in crate::config) Option<Algorithm>);

impl Value for AlgorithmName {
    const EXPECTED: &'static str = "an algorithm in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if text == "key" {
            return Ok(Self(None));
        }
        let expected =
            "AES-128, AES-192 or AES-256 with -GCM, -CFB, -CFB8 or -CTR, or \"key\" for each key's own";
        parsed(text, "no algorithm", expected).map(|algorithm| Self(Some(algorithm)))
    }
}

/// 12, 16, or "any".
pub(in crate::config) struct IvLengthValue(pub(in crate::config) IvLengths);

impl Value for IvLengthValue {
    const EXPECTED: &'static str = "12, 16 or \"any\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if text == "any" {
            return Ok(Self(IvLengths::Any));
        }
        Err(Refusal::new(format!("{text:?} is no length of an iv"), format!("write {}", Self::EXPECTED)))
    }

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        match number {
            12 => Ok(Self(IvLengths::Only(IvLength::Twelve))),
            16 => Ok(Self(IvLengths::Only(IvLength::Sixteen))),
            _ => Err(Refusal::new(
                format!("{number} is no length of an iv"),
                format!("write {}", Self::EXPECTED),
            )),
        }
    }
}

/// 12 to 16.
pub(in crate::config) struct TagLengthValue(pub(in crate::config) TagLength);

impl Value for TagLengthValue {
    const EXPECTED: &'static str = "12 to 16";

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        let length = usize::try_from(number).ok().and_then(TagLength::new);
        length.map(Self).ok_or_else(|| {
            let remedy = "write 12 to 16; a shorter tag can be guessed";
            Refusal::new(format!("{number} is no length of a tag"), remedy)
        })
    }
}

/// A `content-type`; the empty text is none.
pub(in crate::config) struct MediaType(pub(in crate::config) Option<HeaderValue>);

impl Value for MediaType {
    const EXPECTED: &'static str = "a content-type in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let is_type = text.split_once('/').is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty());
        let value = HeaderValue::from_str(text).ok().filter(|_| is_type && text.trim() == text);
        value.map(|value| Self(Some(value))).ok_or_else(|| {
            Refusal::new(format!("{text:?} is no content-type"), "write for example \"application/json\"")
        })
    }
}

/// The status of an error.
pub(in crate::config) struct Status(pub(in crate::config) StatusCode);

impl Value for Status {
    const EXPECTED: &'static str = "a status of 400 to 599";

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        let status = u16::try_from(number).ok().and_then(|number| StatusCode::from_u16(number).ok());
        let status = status.filter(|status| status.is_client_error() || status.is_server_error());
        status
            .map(Self)
            .ok_or_else(|| Refusal::new(format!("{number} is no status of an error"), "write 400 to 599"))
    }
}

/// A preset.
pub(in crate::config) struct PresetName(pub(in crate::config) &'static Preset);

impl Value for PresetName {
    const EXPECTED: &'static str = "the name of a preset in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        Preset::named(text).map(Self).ok_or_else(|| {
            let known: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
            Refusal::new(format!("{text:?} is no preset"), format!("write one of {}", known.join(", ")))
        })
    }
}
