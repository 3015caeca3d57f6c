//! Bodies on their way through: held until verified, opened as they stream, sealed as they stream.

mod hold;
mod reply;
mod request;
mod stall;

pub(crate) use hold::{Held, HoldLimits, hold};
pub(crate) use reply::{BrokenReply, ReplyBody};
pub(crate) use request::{BrokenUpload, RequestBody, Upload, UploadEnd};
