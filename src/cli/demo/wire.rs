//! The demo's client: every byte that it sends and gets is kept, to be shown as it was.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, request};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ale::{self, OpenedReply, ReplyFault, ReplyOpening};
use crate::crypto::MessageTooLong;
use crate::keys::Key;
use crate::profile::StreamProfile;

/// The longest wait for a reply on the same machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A message as it went over the wire.
#[derive(Clone)]
pub(super) struct Message {
    /// The first line and the headers, without the empty line.
    pub(super) head: String,
    pub(super) body: Bytes,
}

impl Message {
    /// The bytes of the socket.
    fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), b"\r\n\r\n", &self.body].concat()
    }

    /// Takes the bytes of a socket apart; everything behind the head counts as the body.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, WireFault> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or(WireFault::NotHttp)?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| WireFault::NotHttp)?;
        Ok(Self { head: head.to_owned(), body: Bytes::copy_from_slice(&bytes[end + 4..]) })
    }

    /// The status of a reply.
    pub(super) fn status(&self) -> Option<StatusCode> {
        self.head.split(' ').nth(1)?.parse().ok()
    }

    pub(super) fn headers(&self) -> http::HeaderMap {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields
            .filter_map(|(name, value)| {
                Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?))
            })
            .collect()
    }

    /// The same with one bit of the body changed.
    pub(super) fn tampered(&self) -> Self {
        let mut body = self.body.to_vec();
        if let Some(byte) = body.first_mut() {
            *byte ^= 1;
        }
        Self { head: self.head.clone(), body: body.into() }
    }
}

/// An order as it is sealed.
pub(super) struct SealedOrder {
    pub(super) message: Message,
    opening: ReplyOpening,
}

impl SealedOrder {
    pub(super) fn seal(address: SocketAddr, order: &str, key: &Arc<Key>) -> Result<Self, WireFault> {
        let mut head = order_head();
        let (profile, now) = (Arc::new(StreamProfile::ale()), Timestamp::now());
        let sealing = ale::seal_request(&profile, &mut head, true, key, now, &mut rand::rng());
        let mut body = BytesMut::new();
        if let Some(mut sealer) = sealing.body {
            sealer.update(order.as_bytes(), &mut body)?;
            sealer.finish(&mut body);
        }
        let mut lines = vec![format!("{} {} HTTP/1.1", head.method, head.uri), format!("host: {address}")];
        lines.extend(
            head.headers
                .iter()
                .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))),
        );
        lines.push(format!("content-length: {}", body.len()));
        lines.push("connection: close".to_owned());
        let message = Message { head: lines.join("\r\n"), body: body.freeze() };
        Ok(Self { message, opening: sealing.reply })
    }

    /// The plaintext of the reply.
    pub(super) fn open(self, reply: &Message) -> Result<Bytes, WireFault> {
        let status = reply.status().ok_or(WireFault::NotHttp)?;
        match self.opening.open(&Method::POST, status, &mut reply.headers(), Timestamp::now())? {
            OpenedReply::Sealed(mut opening) => {
                let mut plain = BytesMut::with_capacity(reply.body.len());
                opening.update(&reply.body, &mut plain)?;
                opening.finish()?;
                Ok(plain.freeze())
            }
            OpenedReply::Bodyless | OpenedReply::Clear => Err(ReplyFault::Unsealed.into()),
        }
    }
}

fn order_head() -> request::Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::POST;
    head.uri = http::Uri::from_static("/orders");
    head.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head
}

/// Sends the bytes of `message` and reads until the other side closes.
pub(super) async fn exchange(address: SocketAddr, message: &Message) -> Result<Message, WireFault> {
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&message.bytes()).await?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await?;
        Ok::<_, io::Error>(reply)
    };
    let reply = timeout(PATIENCE, talk).await.map_err(|_| WireFault::TimedOut)??;
    Message::parse(&reply)
}

/// Why an exchange of the demo failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireFault {
    #[error("the reply is forged: {0}")]
    Forged(#[from] ReplyFault),
    #[error("the socket: {0}")]
    Io(#[from] io::Error),
    #[error("the reply is not HTTP")]
    NotHttp,
    #[error("no reply in time")]
    TimedOut,
    #[error(transparent)]
    TooLong(#[from] MessageTooLong),
}
