//! Why a session is ended here.

use super::Side;
use crate::ale::{NoSealingKey, Refusal};
use crate::metrics::MessageRefusal;
use crate::net::NoCapacity;
use crate::websocket::{Close, FrameFault};

/// What one side did, or could not be given. The table of codes stands in docs/PROTOCOL.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// Its frames are not as RFC 6455 has them.
    #[error(transparent)]
    Frame(FrameFault),
    /// P1–P3, P7: what it sent is no envelope, or does not open.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A plain session of a service that is secured again.
    #[error("the service is secured again, and this session is plain")]
    Secured,
    /// A plain session whose client may be plain no longer.
    #[error("plain messages pass no longer, and this session is plain")]
    NoLongerPlain,
    /// P7: a text message opened to something else, and its tag says that it was meant so.
    #[error("a sealed text that is not UTF-8")]
    SealedNotUtf8,
    /// A message of more than `max_message`, sealed or plain.
    #[error("a message that is too long")]
    TooLong,
    /// P7: the sealed peer could not read what this one sent, and said so in clear.
    #[error("the peer answered a message with errorCode {0}")]
    PeerError(u64),
    /// Too many bytes are held already.
    #[error(transparent)]
    NoCapacity(#[from] NoCapacity),
    /// There is nothing to seal its message with.
    #[error(transparent)]
    NoSealingKey(#[from] NoSealingKey),
    /// P11: nobody can say whether its message has been opened before.
    #[error("the replay store did not say whether a message was opened before")]
    ReplayStore,
}

impl From<FrameFault> for Fault {
    fn from(fault: FrameFault) -> Self {
        if fault == FrameFault::TooLong { Self::TooLong } else { Self::Frame(fault) }
    }
}

impl Fault {
    /// Whose fault it is that came up with a message of `sender`.
    pub(super) fn falls_on(self, sender: Side) -> Side {
        match self {
            Self::PeerError(_) => sender.other(),
            Self::NoLongerPlain => Side::Client,
            _ => sender,
        }
    }

    /// What the side is told.
    pub(super) fn close(self) -> Option<Close> {
        let reason = match self {
            Self::Refused(refusal) => format!("errorCode {}", refusal.code.label()),
            Self::PeerError(code) => format!("errorCode {code}"),
            Self::ReplayStore => "errorCode 113".to_owned(),
            _ => String::new(),
        };
        Close::new(self.code(), &reason)
    }

    pub(super) fn code(self) -> u16 {
        match self {
            Self::Frame(fault) => fault.close_code(),
            Self::Refused(_) | Self::PeerError(_) | Self::Secured | Self::NoLongerPlain => Close::POLICY,
            Self::SealedNotUtf8 => Close::NOT_UTF8,
            Self::TooLong => Close::TOO_LONG,
            Self::NoCapacity(_) | Self::ReplayStore => Close::TRY_AGAIN,
            Self::NoSealingKey(_) => Close::INTERNAL,
        }
    }

    /// Under what it is counted.
    pub(super) fn refusal(self) -> MessageRefusal {
        match self {
            Self::TooLong => MessageRefusal::TooLong,
            Self::Frame(FrameFault::NotUtf8) | Self::SealedNotUtf8 => MessageRefusal::NotUtf8,
            Self::Frame(_) => MessageRefusal::Protocol,
            Self::Refused(_) | Self::Secured | Self::NoLongerPlain => MessageRefusal::Envelope,
            Self::PeerError(_) => MessageRefusal::PeerError,
            Self::NoCapacity(_) => MessageRefusal::NoCapacity,
            Self::NoSealingKey(_) => MessageRefusal::NoKey,
            Self::ReplayStore => MessageRefusal::ReplayStore,
        }
    }
}
