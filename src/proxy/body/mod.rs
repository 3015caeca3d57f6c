//! Bodies on their way through: held until verified, opened as they stream, sealed as they stream.

mod hold;
mod reply;
mod request;
mod stall;

pub(crate) use hold::{HoldLimits, hold};
pub(crate) use reply::ReplyBody;
pub(crate) use request::{RequestBody, Upload, UploadEnd};
