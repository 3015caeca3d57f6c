//! Secrets as a key file writes them: always with their encoding, which is never guessed.

use zeroize::Zeroizing;

use crate::crypto::encoding::{base64_decode, hex_decode};
use crate::crypto::{Algorithm, SecretKey};
use crate::document::{Refusal, Value};

/// The bytes of a secret and how they were written.
pub(super) struct WrittenSecret {
    encoding: Encoding,
    bytes: Zeroizing<Vec<u8>>,
}

impl WrittenSecret {
    /// The key under its algorithm, if the length is right.
    pub(super) fn into_key(self, algorithm: Algorithm) -> Result<SecretKey, Refusal> {
        SecretKey::new(algorithm, &self.bytes).map_err(|wrong| {
            let written = self.encoding.prefix();
            let length = format!("{algorithm} takes {} bytes", wrong.expected);
            Refusal::new(
                format!("{length}, but this {written} secret has {}", wrong.actual),
                "correct the secret or its algorithm, and see that the encoding before the colon is the right one",
            )
        })
    }
}

impl Value for WrittenSecret {
    const EXPECTED: &'static str = "a secret in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        decode(text).map_err(|fault| Refusal::new(fault.to_string(), fault.remedy()))
    }
}

fn decode(text: &str) -> Result<WrittenSecret, SecretFault> {
    let characters = text.chars().count();
    let (prefix, rest) = text.split_once(':').ok_or(SecretFault::NoEncoding { characters })?;
    let encoding = Encoding::ALL
        .into_iter()
        .find(|encoding| encoding.prefix() == prefix)
        .ok_or(SecretFault::NoEncoding { characters })?;
    let characters = rest.chars().count();
    let bytes = encoding.decode(rest).ok_or(SecretFault::NotDecodable { encoding, characters })?;
    Ok(WrittenSecret { encoding, bytes })
}

/// How a secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// Standard alphabet, padded.
    Base64,
    /// Pairs of digits, capital or small.
    Hex,
    /// The ASCII characters themselves.
    Utf8,
}

impl Encoding {
    const ALL: [Self; 3] = [Self::Base64, Self::Hex, Self::Utf8];

    fn prefix(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Utf8 => "utf8",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Base64 => "standard base64 with its padding",
            Self::Hex => "pairs of hexadecimal digits",
            Self::Utf8 => "ASCII",
        }
    }

    fn decode(self, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Base64 => base64_decode(text.as_bytes()),
            Self::Hex => hex_decode(text.as_bytes()),
            Self::Utf8 => text.is_ascii().then(|| text.as_bytes().to_vec()),
        }
        .map(Zeroizing::new)
    }
}

/// Why a secret could not be read. Tells its length at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum SecretFault {
    /// It does not begin with an encoding.
    #[error("the secret of {characters} characters does not name its encoding")]
    NoEncoding { characters: usize },
    /// It is not written in the encoding that it names.
    #[error("the {characters} characters after `{}:` are not {}", encoding.prefix(), encoding.description())]
    NotDecodable { encoding: Encoding, characters: usize },
}

impl SecretFault {
    fn remedy(self) -> &'static str {
        match self {
            Self::NoEncoding { .. } => {
                "write the encoding before it: \"base64:…\", \"hex:…\" or, for ASCII text, \"utf8:…\""
            }
            Self::NotDecodable { .. } => {
                "copy the secret anew, whole and without spaces, or correct the encoding"
            }
        }
    }
}
