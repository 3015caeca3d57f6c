//! A body that is there as a whole.

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use super::hold::Held;

/// Bytes that may go out, in pieces, with the trailers that may follow them.
#[derive(Clone)]
pub(crate) struct HeldBody {
    pieces: VecDeque<Bytes>,
    left: u64,
    trailers: Option<HeaderMap>,
}

impl<O> From<Held<O>> for HeldBody {
    /// Verified plaintext.
    fn from(held: Held<O>) -> Self {
        Self { pieces: held.pieces, left: held.length, trailers: held.trailers }
    }
}

impl HeldBody {
    /// A body of these pieces.
    pub(crate) fn new(pieces: VecDeque<Bytes>, trailers: Option<HeaderMap>) -> Self {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces, left, trailers }
    }

    /// Nothing at all.
    pub(crate) fn empty() -> Self {
        Self::new(VecDeque::new(), None)
    }

    /// Bytes still to be handed on.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Whether trailers follow.
    pub(crate) fn has_trailers(&self) -> bool {
        self.trailers.is_some()
    }

    /// Whether the last frame was handed on.
    pub(super) fn is_spent(&self) -> bool {
        self.pieces.is_empty() && self.trailers.is_none()
    }

    pub(super) fn next(&mut self) -> Option<Frame<Bytes>> {
        if let Some(piece) = self.pieces.pop_front() {
            self.left -= piece.len() as u64;
            return Some(Frame::data(piece));
        }
        self.trailers.take().map(Frame::trailers)
    }
}
