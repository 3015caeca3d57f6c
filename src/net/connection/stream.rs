//! The client's socket, which notes what its connection is doing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Activity;
use super::socket::ClientSocket;

/// How much of a refused upload is read away after closing.
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// A socket with the bytes that were read to tell its HTTP version put back in front.
pub struct ClientStream {
    socket: ClientSocket,
    prefix: Bytes,
    activity: Arc<Activity>,
    write_closed: bool,
    lingered: usize,
}

impl ClientStream {
    pub(super) fn new(socket: ClientSocket, prefix: Bytes, activity: Arc<Activity>) -> Self {
        Self { socket, prefix, activity, write_closed: false, lingered: 0 }
    }

    fn noted<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &written {
            Poll::Pending => self.activity.write_stalls(),
            Poll::Ready(_) => self.activity.bytes_written(),
        }
        written
    }

    /// Reads what still comes after closing: with unread bytes in its queue the kernel would send a reset,
    /// and the client might never see the refusal it was sent.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 8 * 1024];
        loop {
            let mut piece = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.socket).poll_read(cx, &mut piece));
            self.lingered += piece.filled().len();
            if read.is_err() || piece.filled().is_empty() || self.lingered > LINGER_BYTES {
                return Poll::Ready(());
            }
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.prefix.is_empty() {
            let length = self.prefix.len().min(buf.remaining());
            buf.put_slice(&self.prefix[..length]);
            self.prefix.advance(length);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.activity.bytes_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        // Only TLS keeps something back that the client may not take.
        if self.socket.is_tls() { self.noted(flushed) } else { flushed }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.must_reset() {
            // The drop that follows sends the reset.
            return Poll::Ready(self.socket.reset_when_dropped());
        }
        if !self.write_closed {
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
            self.write_closed = true;
        }
        if self.activity.begin_linger() {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        if self.activity.must_reset() {
            // hyper drops a connection that failed without shutting it down.
            let _ = self.socket.reset_when_dropped();
        }
    }
}
