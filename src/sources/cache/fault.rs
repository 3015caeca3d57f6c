//! Why a cache was not written or not believed.

use std::io;
use std::mem::discriminant;
use std::time::Duration;

use crate::document::Written;
use crate::keys::Roughly;
use crate::sources::SecretFault;

/// Why a cache was not written or not believed. Quotes nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum CacheFault {
    /// It ends before its first byte of content.
    #[error("it was cut short")]
    CutShort,
    /// The document is larger than any that is kept.
    #[error("the document is larger than 64 MiB")]
    DocumentTooLarge,
    /// The key cannot be had.
    #[error("its key cannot be had: {0}")]
    Key(SecretFault),
    /// The key has another number of bytes.
    #[error("its key has {0} bytes instead of 32")]
    KeyLength(usize),
    /// The key is not written as a key is.
    #[error("its key is not written as base64:… or hex:…")]
    KeyNotWritten,
    /// It is authentic, but not as this version writes it.
    #[error("its content is not as it should be")]
    Malformed,
    /// It is something else.
    #[error("it is not a cache of keys")]
    NotACache,
    /// It is a directory, a pipe, a device.
    #[error("it is not a file")]
    NotAFile,
    /// Which of these it is cannot be told: that is what a tag is for.
    #[error("it was changed or cut short, or sealed under another key or for another url")]
    NotAuthentic,
    /// It is too old to be used.
    #[error("its document is {} old, and max_stale is {}", Roughly(*age), Written(*max_stale))]
    Stale {
        /// How old.
        age: Duration,
        /// How old it may be.
        max_stale: Duration,
    },
    /// A later version wrote it.
    #[error("it is of format {0}, which this version does not know")]
    UnknownFormat(u8),
    /// The system refused to read it.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    /// The system refused to write it.
    #[error("it cannot be written: {0}")]
    Unwritable(io::Error),
    /// Everyone on the machine may change it.
    #[error("everyone may write to it")]
    WorldWritable,
}

impl CacheFault {
    /// Whether both are of one kind, so that who was told of one need not be told of the other. Their texts may differ each
    /// time: a file that cannot be made has another name at each attempt.
    pub fn is_like(&self, other: &Self) -> bool {
        let system = |fault: &Self| match fault {
            Self::Unreadable(error) | Self::Unwritable(error) => Some(error.kind()),
            _ => None,
        };
        discriminant(self) == discriminant(other) && system(self) == system(other)
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::CutShort
            | Self::Malformed
            | Self::NotAuthentic
            | Self::Stale { .. }
            | Self::UnknownFormat(_) => "nothing, or remove it: it is written anew with the next fetch",
            Self::DocumentTooLarge => "lower max_answer",
            Self::Key(SecretFault::NotUtf8(_)) | Self::KeyLength(_) | Self::KeyNotWritten => {
                "write 32 random bytes as text: printf 'base64:%s\\n' \"$(openssl rand -base64 32)\""
            }
            Self::Key(_) => {
                "see that the file or variable of cache_key is there, and that this user may read it"
            }
            Self::NotACache | Self::NotAFile => "name a file of its own in cache_file",
            Self::Unreadable(_) => "see that the path of cache_file is right, and that this user may read it",
            Self::Unwritable(_) => {
                "see that the directory of cache_file is there, that this user may write to it, and that it is not full"
            }
            Self::WorldWritable => "chmod o-w the file",
        }
    }
}
