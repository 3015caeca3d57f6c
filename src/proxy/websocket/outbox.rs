//! What waits to be written to one leg.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

/// Bytes that may wait for a leg before the other one is read no more.
pub(super) const HIGH_WATER: usize = 64 * 1024;
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
    /// What was written may still lie in the stream: TLS keeps what the socket does not take yet.
    unflushed: bool,
}

impl Outbox {
    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing waits, here or in the stream.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0 && !self.unflushed
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

    /// Ready once nothing is left, in the stream either; pending where the socket takes no more.
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
            self.unflushed = true;
        }
        ready!(Pin::new(wire).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes as much at a time as it is told, and nothing when it is told 0.
    struct Narrow {
        counts: Vec<usize>,
        written: Vec<u8>,
        vectored: bool,
        /// How often it has yet to be asked to flush.
        unflushed: usize,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            match self.counts.pop() {
                Some(0) => Poll::Pending,
                count => {
                    let count = count.unwrap_or(usize::MAX).min(bytes.len());
                    self.written.extend_from_slice(&bytes[..count]);
                    Poll::Ready(Ok(count))
                }
            }
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let length = if self.vectored { slices.len() } else { 1 };
            let bytes: Vec<u8> = slices[..length].iter().flat_map(|slice| slice.to_vec()).collect();
            self.poll_write(cx, &bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.unflushed.checked_sub(1) {
                None => Poll::Ready(Ok(())),
                Some(left) => {
                    self.unflushed = left;
                    Poll::Pending
                }
            }
        }

        fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    proptest! {
        #[test]
        fn everything_is_written_once_and_in_order_however_little_is_taken_at_a_time(
            pieces in prop::collection::vec((any::<bool>(), 1..40_000_usize), 1..40),
            counts in prop::collection::vec(0..50_000_usize, 0..60),
            vectored in any::<bool>(),
        ) {
            let mut outbox = Outbox::default();
            let mut wire = Narrow { counts, written: Vec::new(), vectored, unflushed: 0 };
            let mut expected = Vec::new();
            let mut cx = Context::from_waker(std::task::Waker::noop());
            for (number, (large, length)) in pieces.into_iter().enumerate() {
                let piece = vec![number as u8; length];
                expected.extend_from_slice(&piece);
                if large {
                    outbox.push(BytesMut::from(&piece[..]));
                } else {
                    outbox.append(|out| out.extend_from_slice(&piece));
                }
                let written = outbox.poll_write(&mut wire, &mut cx);
                prop_assert_eq!(outbox.len(), expected.len() - wire.written.len());
                prop_assert_eq!(written.is_ready(), outbox.is_empty());
            }
            wire.counts.clear();
            prop_assert!(outbox.poll_write(&mut wire, &mut cx).is_ready());
            prop_assert!(wire.written == expected);
        }
    }

    #[test]
    fn stream_that_keeps_what_it_was_given_is_asked_to_flush_until_it_has() {
        let mut outbox = Outbox::default();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut wire = Narrow { counts: Vec::new(), written: Vec::new(), vectored: true, unflushed: 2 };
        outbox.append(|out| out.extend_from_slice(b"last words"));
        for _ in 0..2 {
            assert!(outbox.poll_write(&mut wire, &mut cx).is_pending());
            assert_eq!((outbox.len(), outbox.is_empty()), (0, false));
        }
        assert!(outbox.poll_write(&mut wire, &mut cx).is_ready());
        assert!(outbox.is_empty());
        assert_eq!(wire.written, b"last words");
    }

    #[test]
    fn outbox_that_is_never_quite_empty_does_not_grow() {
        let mut outbox = Outbox::default();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut wire = Narrow { counts: Vec::new(), written: Vec::new(), vectored: true, unflushed: 0 };
        outbox.append(|out| out.extend_from_slice(&[0; 60_000]));
        for _ in 0..10_000 {
            outbox.append(|out| out.extend_from_slice(&[1; 1000]));
            wire.counts = vec![0, 1000];
            wire.written.clear();
            assert!(outbox.poll_write(&mut wire, &mut cx).is_pending());
        }
        assert_eq!(outbox.len(), 60_000);
        assert!(outbox.tail.capacity() < 400_000, "{} bytes", outbox.tail.capacity());
    }

    #[test]
    fn empty_outbox_keeps_little() {
        let mut outbox = Outbox::default();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut wire = Narrow { counts: Vec::new(), written: Vec::new(), vectored: true, unflushed: 0 };
        outbox.append(|out| out.extend_from_slice(&[0; 60_000]));
        outbox.push(BytesMut::from(&[1; 60_000][..]));
        assert!(outbox.poll_write(&mut wire, &mut cx).is_ready());
        assert!(outbox.is_empty() && outbox.tail.capacity() <= KEPT && outbox.pieces.capacity() == 0);
    }
}
