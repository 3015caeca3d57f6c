//! One text of the configuration file is told from another.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

/// The beginning of the SHA-256 of a configuration file, in hex: `sha256sum` shows the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigDigest(Arc<str>);

/// As many bytes of it as nobody mistakes for others.
const LENGTH: usize = 8;

impl ConfigDigest {
    /// Of a text.
    pub fn of(text: &[u8]) -> Self {
        Self(const_hex::encode(&digest(&SHA256, text).as_ref()[..LENGTH]).into())
    }

    /// Of the file there, if it can be read.
    pub fn of_file(path: &Path) -> Option<Self> {
        std::fs::read(path).ok().map(|text| Self::of(&text))
    }
}

impl fmt::Display for ConfigDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_what_sha256sum_shows_first() {
        assert_eq!(ConfigDigest::of(b"abc").to_string(), "ba7816bf8f01cfea");
        assert_ne!(ConfigDigest::of(b"abc"), ConfigDigest::of(b"abd"));
    }
}
