//! How bytes are written in texts: always by name, never guessed.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::crypto::encoding::{base64_decode, hex_decode};

/// How a secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueEncoding {
    /// Standard alphabet, padded.
    Base64,
    /// Pairs of digits, capital or small.
    Hex,
    /// The ASCII characters themselves.
    Utf8,
}

impl ValueEncoding {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Base64, Self::Hex, Self::Utf8];

    /// Its name in files, before the colon of a secret too.
    pub fn label(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Utf8 => "utf8",
        }
    }

    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Base64 => "standard base64 with its padding",
            Self::Hex => "pairs of hexadecimal digits",
            Self::Utf8 => "ASCII",
        }
    }

    pub(super) fn decode(self, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Base64 => base64_decode(text.as_bytes()),
            Self::Hex => hex_decode(text.as_bytes()),
            Self::Utf8 => text.is_ascii().then(|| text.as_bytes().to_vec()),
        }
        .map(Zeroizing::new)
    }
}

impl fmt::Display for ValueEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl FromStr for ValueEncoding {
    type Err = UnknownEncoding;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|known| known.label() == name).ok_or(UnknownEncoding)
    }
}

/// The name is none of [`ValueEncoding::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown encoding; one of base64, hex and utf8 is expected")]
pub struct UnknownEncoding;
