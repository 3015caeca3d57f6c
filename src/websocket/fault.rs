//! What a peer's frames can have wrong with them.

use super::Close;

/// Why nothing more is read from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// RFC 6455 §7.4: a code that may not be sent.
    #[error("a close with code {0}, which may not be sent")]
    CloseCode(u16),
    /// RFC 6455 §5.5.1: half a code.
    #[error("a close of one byte")]
    CloseLength,
    /// RFC 6455 §5.5.1: a reason that is not UTF-8.
    #[error("a close whose reason is not UTF-8")]
    CloseReason,
    /// RFC 6455 §5.4: a fragment of no message.
    #[error("a continuation of nothing")]
    Continuation,
    /// RFC 6455 §5.5: a control frame in fragments.
    #[error("a control frame in fragments")]
    FragmentedControl,
    /// RFC 6455 §5.4: a message begins before the last one has ended.
    #[error("a message within another")]
    Interleaved,
    /// RFC 6455 §5.5: a control frame bears 125 bytes at most.
    #[error("a control frame of more than 125 bytes")]
    LongControl,
    /// RFC 6455 §5.1: a server's frame is masked.
    #[error("a server's frame that is masked")]
    Masked,
    /// RFC 6455 §5.2: a length in more bytes than it takes, or of more than 63 bits.
    #[error("a length that is not written as it must be")]
    Length,
    /// RFC 6455 §5.6: a text that is not UTF-8.
    #[error("a text that is not UTF-8")]
    NotUtf8,
    /// RFC 6455 §5.2: a bit that no extension gave a meaning.
    #[error("a reserved bit is set")]
    ReservedBit,
    /// RFC 6455 §5.2: a kind of frame that nobody has defined.
    #[error("a frame of the unknown kind {0}")]
    ReservedOpcode(u8),
    /// The message is longer than is taken here.
    #[error("a message that is too long")]
    TooLong,
    /// RFC 6455 §5.1: a client's frame is not masked.
    #[error("a client's frame that is not masked")]
    Unmasked,
}

impl FrameFault {
    /// What the peer is to be told (RFC 6455 §7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Self::CloseReason | Self::NotUtf8 => Close::NOT_UTF8,
            Self::TooLong => Close::TOO_LONG,
            _ => Close::PROTOCOL_ERROR,
        }
    }
}
