//! The protocol without I/O: a request opened and its reply sealed, or a request sealed and its reply opened; and
//! the messages of WebSocket.
//!
//! Clauses P1–P12 stand in docs/PROTOCOL.md.

mod client;
mod context;
mod envelope;
mod iv_watch;
mod message;
mod receipt;
mod refusal;
mod replay;
mod reply;
mod request;
mod session;
#[cfg(test)]
mod tests;
mod whole;

pub use client::{
    ClearError, OpenedReply, ReplyBodyOpening, ReplyFault, ReplyOpening, RequestSealing, seal_request,
};
pub use context::request_context;
pub use iv_watch::IvWatch;
pub use message::{MessageSealing, OpenedMessage, bears_envelope, open_message};
pub use receipt::{Mark, Receipt};
pub use refusal::Refusal;
pub use replay::{Admission, ReplayWindow};
pub use reply::{ReplySealing, SealedReply};
pub use request::{BodyOpening, Opened, OpenedRequest, RequestEnvelope, open_request};
pub use session::{MessageSession, NoSealingKey};
pub use whole::{
    EnvelopePart, OpenedWhole, OpenedWholeReply, PlainBody, SealedWhole, WholeEnvelope, WholeFault,
    WholeReplyOpening, WholeReplySealing, bears_sealed, look_at_whole, open_whole, reopen_whole, seal_whole,
    whole_sealing_key, would_refuse,
};
