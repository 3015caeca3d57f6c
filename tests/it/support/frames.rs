//! Bodies for clients of HTTP/2.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// A request body as a list of frames; its length is not stated.
pub(crate) struct Frames(std::vec::IntoIter<Frame<Bytes>>);

impl Frames {
    pub(crate) fn new(pieces: &[&[u8]], trailers: Option<HeaderMap>) -> Self {
        let data = pieces.iter().map(|piece| Frame::data(Bytes::copy_from_slice(piece)));
        Self(data.chain(trailers.map(Frame::trailers)).collect::<Vec<_>>().into_iter())
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.len() == 0
    }
}
