//! What stands in the place of the tap in a program that keeps nothing: every question is answered by the compiler.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;

use super::body::{Body, Message};
use super::exchange::{Begun, Names, Stages, Summary};
use super::{Fault, Half, Side};
use crate::keys::Key;

/// There is none in a program without the feature `inspector`.
#[derive(Debug)]
pub enum Capture {}

/// Notes nothing. It is no `Copy`, since what notes something is none either.
#[derive(Clone, Default)]
pub(crate) struct Tap;

impl Tap {
    pub(crate) fn begin<'a>(_: Option<&Arc<Capture>>, _: impl FnOnce() -> Begun<'a>) -> Self {
        Self
    }

    pub(crate) fn is_on(&self) -> bool {
        false
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        None
    }

    pub(crate) fn names(&self, _: impl FnOnce() -> Option<Names>) {}

    pub(crate) fn request_head<B>(&self, _: Side, _: &Request<B>) {}

    pub(crate) fn reply_head<B>(&self, _: Side, _: &Response<B>) {}

    pub(crate) fn frame(&self, _: Half, _: Side, _: &Frame<Bytes>) {}

    pub(crate) fn keyed(&self, _: &Key) {}

    pub(crate) fn switches(&self) {}

    pub(crate) fn cut(&self, _: &[u8]) -> Option<Body> {
        None
    }

    pub(crate) fn message(&self, _: impl FnOnce(&dyn Fn(&[u8]) -> Body) -> Message) {}

    pub(crate) fn ended(&self, _: impl FnOnce(&mut Summary, &mut Stages)) {}

    pub(crate) fn session_ended(&self, _: Duration, _: Option<&str>) {}
}
