//! What is left of a message that was opened: which one it was, and nothing of what it said.

use std::sync::Arc;

use crate::crypto::{Iv, NotAuthentic, Opener};
use crate::keys::Key;

/// Which message was opened.
///
/// Has no `Debug`, so that no IV reaches a log.
#[derive(Clone)]
pub struct Receipt {
    /// The key that opened it.
    pub key: Arc<Key>,
    /// The IV that it came under.
    pub iv: Iv,
    /// Tells it from another message under the same key and IV. Without a tag nothing does.
    pub mark: Option<Mark>,
}

impl Receipt {
    /// Ends a message whose last piece has come.
    pub(super) fn of_verified(key: Arc<Key>, iv: Iv, opener: Opener) -> Result<Self, NotAuthentic> {
        let mark = Mark::of_verified(opener)?;
        Ok(Self { key, iv, mark })
    }
}

/// What tells one message under an IV from another: its tag, folded. No secret, since the tag goes over the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

impl Mark {
    /// Ends a message whose last piece has come; `None` where no tag vouches for it.
    pub(super) fn of_verified(opener: Opener) -> Result<Option<Self>, NotAuthentic> {
        let tag = opener.tag();
        opener.finish()?;
        Ok(tag.map(Self::from))
    }

    /// The same as a number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl From<[u8; 16]> for Mark {
    fn from(tag: [u8; 16]) -> Self {
        let folded = u128::from_le_bytes(tag);
        Self((folded >> 64) as u64 ^ folded as u64)
    }
}
