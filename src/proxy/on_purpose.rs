//! Faults that a developer asks for, to see how a client takes them. None is made but for exchanges that are kept.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use tokio::time::sleep;

use super::exchange::Shared;
use super::respond::Failure;
use super::websocket::Side;
use crate::ale::{Refusal, ReplyFault};
use crate::capture::Fault;
use crate::metrics::{AleCode, AleReason};

/// What a request is refused with instead of being handed on.
pub(super) fn refusal(fault: Fault, shared: &Shared) -> Option<Failure> {
    match shared.sealed {
        Side::Client => refused_here(fault, shared),
        Side::Server => refused_by_peer(fault),
    }
}

fn refused_here(fault: Fault, shared: &Shared) -> Option<Failure> {
    let unable = |reason| Refusal { code: AleCode::UnableToDecrypt, reason };
    let tells_unknown = shared.profile.as_ref().is_some_and(|profile| profile.terms().credential_mismatch);
    let refusal = match fault {
        Fault::UnknownFingerprint if tells_unknown => {
            Refusal { code: AleCode::CredentialMismatch, reason: AleReason::UnknownFingerprint }
        }
        Fault::UnknownFingerprint => unable(AleReason::UnknownFingerprint),
        Fault::ExpiredKey => unable(AleReason::Expired),
        Fault::ErrorCode1 => Refusal::headers(AleReason::BadIv),
        Fault::ErrorCode2 => unable(AleReason::NotAuthentic),
        Fault::WrongTag | Fault::TruncatedBody | Fault::Delay(_) | Fault::DropReply => return None,
    };
    Some(refusal.into())
}

/// As if it had come from the other end, which says no more than its errorCode.
fn refused_by_peer(fault: Fault) -> Option<Failure> {
    let code = match fault {
        Fault::WrongTag => return Some(Failure::Unbelieved(ReplyFault::NotAuthentic)),
        Fault::ErrorCode1 => 1,
        Fault::UnknownFingerprint | Fault::ExpiredKey | Fault::ErrorCode2 => 2,
        Fault::TruncatedBody | Fault::Delay(_) | Fault::DropReply => return None,
    };
    Some(Failure::Peer { status: StatusCode::BAD_REQUEST, code: Some(code) })
}

/// What comes before a reply that there is.
pub(super) async fn before_reply(fault: Fault) {
    if let Fault::Delay(by) = fault {
        sleep(by).await;
    }
}

/// A piece of a reply, spoiled.
pub(super) enum Spoiled {
    /// It goes out so.
    Piece(Bytes),
    /// It goes out so, and nothing after it.
    Last(Bytes),
}

/// What becomes of a piece of the reply's body; `ends` says whether it is the last.
pub(super) fn spoil(fault: Fault, piece: Bytes, ends: bool) -> Spoiled {
    match fault {
        Fault::WrongTag if ends => {
            let mut changed = BytesMut::from(&piece[..]);
            if let Some(last) = changed.last_mut() {
                *last ^= 1;
            }
            Spoiled::Piece(changed.freeze())
        }
        Fault::TruncatedBody => {
            let half = piece.len() / 2;
            Spoiled::Last(piece.slice(..half))
        }
        _ => Spoiled::Piece(piece),
    }
}
