//! The name of a key on the wire.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// The opaque identifier by which a message names its key: 1–255 visible ASCII characters (P2).
///
/// It cannot be computed from the key and is not secret; it is compared exactly.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(Box<str>);

impl Fingerprint {
    /// The identifier as it stands in the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Fingerprint {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let visible = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if text.is_empty() || text.len() > 255 || !visible {
            return Err(NotAFingerprint);
        }
        Ok(Self(text.into()))
    }
}

/// The text is empty, too long, or bears characters that a header field cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 1 to 255 visible ASCII characters without spaces")]
pub struct NotAFingerprint;
