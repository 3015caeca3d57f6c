//! What waits to be written to one leg.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

/// Pieces that go into one write.
const MOST_SLICES: usize = 16;
/// Below this a message is copied behind the one before it, so that several go out in one write; from there on it is
/// written from where it lies.
pub(super) const LARGE: usize = 16 * 1024;
/// What an empty outbox keeps for the next message.
const KEPT: usize = 1024;

/// Bytes in their order. It never refuses any: whoever fills it looks at [`Outbox::len`] first.
#[derive(Default)]
pub(super) struct Outbox {
    /// Before `tail`.
    pieces: VecDeque<BytesMut>,
    /// Where small messages are put together.
    tail: BytesMut,
    /// Bytes of the first piece, or of `tail` if there is none, that were written.
    written: usize,
    length: usize,
}

impl Outbox {
    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Lets `write` append to what waits.
    pub(super) fn append<T>(&mut self, write: impl FnOnce(&mut BytesMut) -> T) -> T {
        if self.pieces.is_empty() && self.written >= LARGE {
            // What is appended can take the place of what was written, or a reader that is never quite done would have
            // it pile up.
            self.tail.advance(std::mem::take(&mut self.written));
        }
        let before = self.tail.len();
        let result = write(&mut self.tail);
        self.length += self.tail.len() - before;
        result
    }

    /// Adds a large piece as it is.
    pub(super) fn push(&mut self, piece: BytesMut) {
        if !self.tail.is_empty() {
            self.pieces.push_back(std::mem::take(&mut self.tail));
        }
        self.length += piece.len();
        self.pieces.push_back(piece);
    }

    /// Throws away what waits.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Ready once nothing is left; pending where the socket takes no more.
    pub(super) fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        wire: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.length > 0 {
            let count = ready!(self.poll_write_once(wire, cx))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(count);
        }
        Pin::new(wire).poll_flush(cx)
    }

    fn poll_write_once<W: AsyncWrite + Unpin>(
        &self,
        wire: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let wire = Pin::new(wire);
        if self.pieces.is_empty() {
            return wire.poll_write(cx, &self.tail[self.written..]);
        }
        let mut slices = [IoSlice::new(&[]); MOST_SLICES];
        let waiting = self.pieces.iter().chain([&self.tail]);
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(waiting) {
            let written = if count == 0 { self.written } else { 0 };
            *slice = IoSlice::new(&piece[written..]);
            count += 1;
        }
        wire.poll_write_vectored(cx, &slices[..count])
    }

    fn advance(&mut self, mut count: usize) {
        self.length -= count;
        while let Some(first) = self.pieces.front() {
            let left = first.len() - self.written;
            if count < left {
                self.written += count;
                return;
            }
            count -= left;
            self.written = 0;
            self.pieces.pop_front();
        }
        self.written += count;
        if self.length > 0 {
            return;
        }
        self.written = 0;
        self.tail.clear();
        if self.tail.capacity() > KEPT {
            self.tail = BytesMut::new();
        }
        if self.pieces.capacity() > 0 {
            self.pieces = VecDeque::new();
        }
    }
}
