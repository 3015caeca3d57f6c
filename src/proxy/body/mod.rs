//! Bodies on their way through: held until verified, opened as they stream, sealed as they stream.

mod arriving;
mod flow;
mod held;
mod hold;
mod peek;
mod reply;
mod stall;
mod upload;

pub(crate) use arriving::Arriving;
pub(crate) use flow::{Change, Flow};
pub(crate) use held::HeldBody;
pub(crate) use hold::{HoldFault, HoldLimits, Opening, hold};
pub(crate) use peek::{Peeked, peek};
pub(crate) use reply::{ReplyBody, Stated, UpstreamReply};
pub(crate) use upload::{RequestBody, Upload, UploadEnd};
