//! Why sealing or opening failed.

use thiserror::Error;

use super::Algorithm;

/// The message outgrows the mode: GCM ends at 2^36 − 32 bytes of plaintext (P8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the message is longer than 2^36 - 32 bytes")]
pub struct MessageTooLong;

/// The tag is missing, cut short or not the message's; which of these is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the message is not authentic")]
pub struct NotAuthentic;

/// Why a message could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The message outgrows the mode.
    #[error(transparent)]
    MessageTooLong(#[from] MessageTooLong),
    /// The tag is missing, cut short or not the message's.
    #[error(transparent)]
    NotAuthentic(#[from] NotAuthentic),
    /// The algorithm takes no IV of this length.
    #[error(transparent)]
    WrongIvLength(#[from] WrongIvLength),
}

/// Why a message could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// The message outgrows the mode.
    #[error(transparent)]
    MessageTooLong(#[from] MessageTooLong),
    /// The algorithm takes no IV of this length.
    #[error(transparent)]
    WrongIvLength(#[from] WrongIvLength),
}

/// The algorithm takes no IV of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{algorithm} takes no IV of {actual} bytes")]
pub struct WrongIvLength {
    /// The algorithm of the key.
    pub algorithm: Algorithm,
    /// The length given.
    pub actual: usize,
}
