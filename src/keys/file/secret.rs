//! Secrets as a key file writes them: always with their encoding, which is never guessed.

use zeroize::Zeroizing;

use crate::crypto::{Algorithm, SecretKey};
use crate::document::{Refusal, Value};
use crate::keys::ValueEncoding;

/// A secret as it is written.
pub(super) enum WrittenSecret {
    /// The bytes of a key, and how they were written.
    Key(WrittenKey),
    /// What a key is to be derived from: any text.
    Passphrase(Zeroizing<Vec<u8>>),
}

/// The bytes of a key and how they were written.
pub(super) struct WrittenKey {
    encoding: ValueEncoding,
    bytes: Zeroizing<Vec<u8>>,
}

impl WrittenKey {
    /// The key under its algorithm, if the length is right.
    pub(super) fn into_key(self, algorithm: Algorithm) -> Result<SecretKey, Refusal> {
        SecretKey::new(algorithm, &self.bytes).map_err(|wrong| {
            let written = self.encoding.label();
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

/// What stands before a passphrase, where otherwise the encoding of a key does.
const PASSPHRASE: &str = "pbkdf2";

fn decode(text: &str) -> Result<WrittenSecret, SecretFault> {
    let nameless = || SecretFault::NoEncoding { characters: text.chars().count() };
    let (prefix, rest) = text.split_once(':').ok_or_else(nameless)?;
    if prefix == PASSPHRASE {
        let passphrase = Zeroizing::new(rest.as_bytes().to_vec());
        return if rest.is_empty() {
            Err(SecretFault::EmptyPassphrase)
        } else {
            Ok(WrittenSecret::Passphrase(passphrase))
        };
    }
    let encoding = prefix.parse::<ValueEncoding>().map_err(|_| nameless())?;
    let undecodable = || SecretFault::NotDecodable { encoding, characters: rest.chars().count() };
    let bytes = encoding.decode(rest).ok_or_else(undecodable)?;
    Ok(WrittenSecret::Key(WrittenKey { encoding, bytes }))
}

/// Why a secret could not be read. Tells its length at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum SecretFault {
    /// Nothing stands where a passphrase should.
    #[error("the passphrase after `pbkdf2:` is empty")]
    EmptyPassphrase,
    /// It does not begin with an encoding.
    #[error("the secret of {characters} characters does not name its encoding")]
    NoEncoding { characters: usize },
    /// It is not written in the encoding that it names.
    #[error("the {characters} characters after `{}:` are not {}", encoding.label(), encoding.description())]
    NotDecodable { encoding: ValueEncoding, characters: usize },
}

impl SecretFault {
    fn remedy(self) -> &'static str {
        match self {
            Self::EmptyPassphrase => "write the passphrase behind the colon",
            Self::NoEncoding { .. } => {
                "write the encoding before it: \"base64:…\", \"hex:…\" or, for ASCII text, \"utf8:…\""
            }
            Self::NotDecodable { .. } => {
                "copy the secret anew, whole and without spaces, or correct the encoding"
            }
        }
    }
}
