//! What a leg is written to and read from.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::{Upgrade, UpgradedStream};
use crate::proxy::ping::{Echo, LARGEST_ECHO};

/// The server's side of a session, before HTTP has ended there.
pub(crate) enum Server {
    /// The upstream's.
    Upstream(Upgrade),
    /// None: what is said comes back from here.
    Echo,
}

impl Server {
    /// How long its messages may be, where `max_message` is what the configuration grants.
    pub(super) fn max_message(&self, max_message: u64) -> u64 {
        match self {
            Self::Upstream(_) => max_message,
            Self::Echo => max_message.min(LARGEST_ECHO as u64),
        }
    }

    /// The stream, unless the connection is gone.
    pub(super) async fn granted(self) -> Option<Wire> {
        match self {
            Self::Upstream(upgrade) => upgrade.granted().await.map(Wire::Socket),
            Self::Echo => Some(Wire::Echo(Box::new(Echo::new()))),
        }
    }
}

/// A stream that bears WebSocket.
pub(super) enum Wire {
    Socket(UpgradedStream),
    Echo(Box<Echo>),
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(socket) => Pin::new(socket).poll_read(cx, buffer),
            Self::Echo(echo) => Pin::new(echo).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Socket(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Echo(echo) => Pin::new(echo).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Socket(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Self::Echo(echo) => Pin::new(echo).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Socket(socket) => socket.is_write_vectored(),
            Self::Echo(echo) => echo.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(socket) => Pin::new(socket).poll_flush(cx),
            Self::Echo(echo) => Pin::new(echo).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Echo(echo) => Pin::new(echo).poll_shutdown(cx),
        }
    }
}
