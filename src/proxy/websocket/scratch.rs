//! The buffer that a worker reads into, whichever session it reads for.
//!
//! A session at rest has none of its own: thousands of them cost little, and what is read lies in the cache.

use std::cell::Cell;

use bytes::BytesMut;

/// What one read takes at most.
const SIZE: usize = 64 * 1024;

thread_local! {
    static BUFFER: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// An empty buffer with room for one read.
pub(super) fn take() -> BytesMut {
    let mut buffer = BUFFER.take();
    buffer.clear();
    // Where a piece of it is still in use elsewhere, this makes another.
    buffer.reserve(SIZE);
    buffer
}

/// Lays the buffer by for the next read. Nothing in it counts any more.
pub(super) fn give_back(buffer: BytesMut) {
    BUFFER.set(buffer);
}
