//! The protocol without I/O: a request head and its body opened, a reply sealed.
//!
//! Clauses P1–P10 stand in docs/PROTOCOL.md.

mod refusal;
mod reply;
mod request;

pub use refusal::Refusal;
pub use reply::{ReplySealing, SealedReply};
pub use request::{BodyOpening, Opened, OpenedRequest, open_request};
