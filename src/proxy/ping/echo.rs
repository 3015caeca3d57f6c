//! The far end of a WebSocket that says what it hears: what stands in the application's place in a session of pings.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::websocket::{Decoder, Encoder, Event, Role};

/// Bytes that may wait to be heard before nothing more is taken.
const HIGH_WATER: usize = 64 * 1024;

/// A stream without a socket: frames of a client are written to it, and those of a server are read from it.
///
/// Whoever writes sees to it that no message is long: what is under way is in nobody's account.
pub(crate) struct Echo {
    decoder: Decoder,
    heard: BytesMut,
    said: BytesMut,
    /// Nothing more will be said.
    ended: bool,
    /// Who waits for something to be said, and who for it to be heard.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Echo {
    pub(crate) fn new() -> Self {
        Self {
            decoder: Decoder::new(Role::Client, u64::MAX),
            heard: BytesMut::new(),
            said: BytesMut::new(),
            ended: false,
            reader: None,
            writer: None,
        }
    }

    fn answer(&mut self) -> io::Result<()> {
        let encoder = Encoder::new(Role::Server);
        let rng = &mut rand::rng();
        loop {
            let event = self.decoder.decode(&mut self.heard);
            match event.map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))? {
                Some(Event::Message(message)) => {
                    encoder.message(message.kind, &message.payload, &mut self.said, rng);
                }
                Some(Event::Ping(payload)) => encoder.pong(&payload, &mut self.said, rng),
                Some(Event::Pong(_)) => {}
                Some(Event::Close(close)) => {
                    encoder.close(close.as_ref(), &mut self.said, rng);
                    self.ended = true;
                }
                None => return Ok(()),
            }
        }
    }
}

impl AsyncRead for Echo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.said.is_empty() && !self.ended {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buffer.remaining().min(self.said.len());
        buffer.put_slice(&self.said[..count]);
        self.said.advance(count);
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Echo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.said.len() >= HIGH_WATER {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.heard.extend_from_slice(bytes);
        self.answer()?;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ended = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::websocket::{Close, Kind};

    /// What is said to `heard` up to the end.
    async fn said_to(heard: &[u8]) -> Vec<Event> {
        let mut echo = Echo::new();
        echo.write_all(heard).await.unwrap();
        echo.shutdown().await.unwrap();
        let mut said = BytesMut::new();
        while echo.read_buf(&mut said).await.unwrap() > 0 {}
        let mut decoder = Decoder::new(Role::Server, u64::MAX);
        std::iter::from_fn(|| decoder.decode(&mut said).unwrap()).collect()
    }

    #[tokio::test]
    async fn messages_pings_and_a_close_come_back() {
        let (encoder, mut heard) = (Encoder::new(Role::Client), BytesMut::new());
        let rng = &mut rand::rng();
        encoder.message(Kind::Text, b"soup", &mut heard, rng);
        encoder.ping(b"?", &mut heard, rng);
        encoder.message(Kind::Binary, b"\xff", &mut heard, rng);
        encoder.close(Close::new(1000, "done").as_ref(), &mut heard, rng);
        let said = said_to(&heard).await;
        let message = |kind, payload: &[u8]| {
            Event::Message(crate::websocket::Message { kind, payload: BytesMut::from(payload) })
        };
        assert_eq!(
            said,
            [
                message(Kind::Text, b"soup"),
                Event::Pong((&b"?"[..]).into()),
                message(Kind::Binary, b"\xff"),
                Event::Close(Close::new(1000, "done")),
            ]
        );
    }

    #[tokio::test]
    async fn nothing_more_is_taken_while_much_waits_to_be_heard() {
        let (encoder, mut heard) = (Encoder::new(Role::Client), BytesMut::new());
        encoder.message(Kind::Binary, &[0; HIGH_WATER], &mut heard, &mut rand::rng());
        let mut echo = Echo::new();
        echo.write_all(&heard).await.unwrap();
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut echo).poll_write(&mut context, b"x").is_pending());
        let mut said = vec![0; HIGH_WATER];
        echo.read_exact(&mut said).await.unwrap();
        assert!(Pin::new(&mut echo).poll_write(&mut context, &heard[..1]).is_ready());
    }

    #[tokio::test]
    async fn what_is_no_frame_is_an_error() {
        let mut echo = Echo::new();
        let error = echo.write_all(b"\xff\xff").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
