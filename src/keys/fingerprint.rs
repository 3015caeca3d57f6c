//! The name of a key on the wire.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderValue;

/// The opaque identifier by which a message names its key: 1–255 visible ASCII characters (P2).
///
/// It cannot be computed from the key and is not secret; it is compared exactly.
#[derive(Clone)]
pub struct Fingerprint {
    text: Box<str>,
    /// The same, ready for a head: each sealed message bears it.
    value: HeaderValue,
}

impl Fingerprint {
    /// The identifier as it stands in the header.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first 8 hexadecimal digits of its SHA-256, where what a peer wrote is too long or too strange to stand.
    pub fn short(&self) -> String {
        const_hex::encode(&digest(&SHA256, self.text.as_bytes()).as_ref()[..4])
    }

    /// The identifier as the value of a header.
    pub fn header_value(&self) -> &HeaderValue {
        &self.value
    }
}

impl Borrow<str> for Fingerprint {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Fingerprint {}

impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As `str` does, or `Borrow` would not hold.
        self.text.hash(state);
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let visible = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if text.is_empty() || text.len() > 255 || !visible {
            return Err(NotAFingerprint);
        }
        let value = HeaderValue::from_str(text).map_err(|_| NotAFingerprint)?;
        Ok(Self { text: text.into(), value })
    }
}

/// The text is empty, too long, or bears characters that a header field cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 1 to 255 visible ASCII characters without spaces")]
pub struct NotAFingerprint;
