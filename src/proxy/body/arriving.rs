//! A body as it comes, from whichever side.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::capture::{Half, Side, Tap};

/// What the other end sends, and what notes it on the way.
pub(crate) struct Arriving {
    body: Incoming,
    tap: Tap,
    half: Half,
}

impl Arriving {
    /// A client's request.
    pub(crate) fn request(body: Incoming, tap: Tap) -> Self {
        Self { body, tap, half: Half::Request }
    }

    /// The upstream's reply.
    pub(crate) fn reply(body: Incoming, tap: Tap) -> Self {
        Self { body, tap, half: Half::Reply }
    }

    fn note(&self, frame: &Frame<Bytes>) {
        let side = match self.half {
            Half::Request => Side::Client,
            Half::Reply => Side::Upstream,
        };
        self.tap.frame(self.half, side, frame);
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if self.tap.is_on()
            && let Some(Ok(frame)) = &frame
        {
            self.note(frame);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
