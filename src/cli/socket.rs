//! A plain WebSocket, as `ping` and `demo` need one: either role, one message at a time.

use std::io;

use bytes::{Bytes, BytesMut};
use http::header::{
    CONNECTION, HOST, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use rand::Rng;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::crypto::encoding::base64_encode;
use crate::websocket::{Close, Decoder, Encoder, Event, FrameFault, Kind, Message, Role, accept_key};

/// No message here is longer.
const LONGEST: u64 = 1024 * 1024;

/// What is kept of the answer to a handshake that was refused.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// A WebSocket whose handshake is done.
pub(super) struct Socket {
    stream: TokioIo<Upgraded>,
    decoder: Decoder,
    encoder: Encoder,
    unread: BytesMut,
}

impl Socket {
    /// Asks for a WebSocket at `path` over `stream`.
    pub(super) async fn open(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        host: &str,
        path: &str,
    ) -> Result<Self, SocketFault> {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(SocketFault::Broke)?;
        // What goes wrong with the connection is told to the request.
        tokio::spawn(connection.with_upgrades());
        let mut nonce = [0; 16];
        rand::rng().fill_bytes(&mut nonce);
        let key = base64_encode(&nonce);
        let request = handshake(host, path, &key).ok_or(SocketFault::Target)?;
        let response = sender.send_request(request).await.map_err(SocketFault::Broke)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LONGEST_REFUSAL).collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            return Err(SocketFault::Refused { status: head.status, body });
        }
        let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT);
        if accept.is_none_or(|accept| accept.as_bytes() != accept_key(key.as_bytes())) {
            return Err(SocketFault::Accept);
        }
        let stream = hyper::upgrade::on(response).await.map_err(SocketFault::Broke)?;
        Ok(Self::over(stream, Role::Client))
    }

    /// Waits for a connection on which [`agree`] has answered.
    pub(super) async fn accepted(upgrade: OnUpgrade) -> Result<Self, SocketFault> {
        Ok(Self::over(upgrade.await.map_err(SocketFault::Broke)?, Role::Server))
    }

    fn over(stream: Upgraded, own: Role) -> Self {
        let peer = match own {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        Self {
            stream: TokioIo::new(stream),
            decoder: Decoder::new(peer, LONGEST),
            encoder: Encoder::new(own),
            unread: BytesMut::new(),
        }
    }

    pub(super) async fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), SocketFault> {
        self.write(|encoder, out| encoder.message(kind, payload, out, &mut rand::rng())).await
    }

    /// The next message. Pings are answered meanwhile, and so is a Close, which ends the socket.
    pub(super) async fn receive(&mut self) -> Result<Message, SocketFault> {
        loop {
            match self.decoder.decode(&mut self.unread)? {
                Some(Event::Message(message)) => return Ok(message),
                Some(Event::Ping(payload)) => {
                    self.write(|encoder, out| encoder.pong(&payload, out, &mut rand::rng())).await?;
                }
                Some(Event::Pong(_)) => {}
                Some(Event::Close(close)) => {
                    self.write(|encoder, out| encoder.close(close.as_ref(), out, &mut rand::rng())).await?;
                    return Err(SocketFault::Closed(close));
                }
                None => {
                    if self.stream.read_buf(&mut self.unread).await? == 0 {
                        return Err(SocketFault::Ended);
                    }
                }
            }
        }
    }

    /// Says Close and waits for the other side's.
    pub(super) async fn close(mut self) -> Result<(), SocketFault> {
        let close = Close::new(1000, "");
        self.write(|encoder, out| encoder.close(close.as_ref(), out, &mut rand::rng())).await?;
        loop {
            match self.decoder.decode(&mut self.unread)? {
                Some(Event::Close(_)) => return Ok(()),
                Some(_) => {}
                None => {
                    if self.stream.read_buf(&mut self.unread).await? == 0 {
                        return Err(SocketFault::Ended);
                    }
                }
            }
        }
    }

    async fn write(&mut self, frame: impl FnOnce(Encoder, &mut BytesMut)) -> Result<(), SocketFault> {
        let mut out = BytesMut::new();
        frame(self.encoder, &mut out);
        self.stream.write_all(&out).await?;
        Ok(self.stream.flush().await?)
    }
}

/// RFC 6455 §4.1; `None` for a host or a path that cannot be sent.
fn handshake(host: &str, path: &str, key: &str) -> Option<Request<Empty<Bytes>>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = path.parse::<Uri>().ok()?;
    let fields = [
        (HOST, host),
        (CONNECTION, "Upgrade"),
        (UPGRADE, "websocket"),
        (SEC_WEBSOCKET_VERSION, "13"),
        (SEC_WEBSOCKET_KEY, key),
    ];
    for (name, value) in fields {
        request.headers_mut().insert(name, HeaderValue::from_str(value).ok()?);
    }
    Some(request)
}

/// The 101 to a request that asks for a WebSocket (RFC 6455 §4.2.2); `None` for another request.
pub(super) fn agree(headers: &HeaderMap) -> Option<Response<()>> {
    let asked = headers.get(UPGRADE)?.as_bytes().eq_ignore_ascii_case(b"websocket");
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| asked)?;
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = accept_key(key.as_bytes());
    for (name, value) in
        [(CONNECTION, &b"Upgrade"[..]), (UPGRADE, b"websocket"), (SEC_WEBSOCKET_ACCEPT, &accept)]
    {
        response.headers_mut().insert(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(response)
}

/// Why a socket has no message.
#[derive(Debug, thiserror::Error)]
pub(super) enum SocketFault {
    #[error("the handshake was answered by somebody who did not read it")]
    Accept,
    #[error("the connection broke: {0}")]
    Broke(#[source] hyper::Error),
    #[error("the other side closed{}", said(.0.as_ref()))]
    Closed(Option<Close>),
    #[error("the connection ended without a Close")]
    Ended,
    #[error("the other side broke the rules of WebSocket: {0}")]
    Frame(#[from] FrameFault),
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error("the handshake was answered with {status}")]
    Refused { status: StatusCode, body: Bytes },
    #[error("a target that cannot be asked for")]
    Target,
}

fn said(close: Option<&Close>) -> String {
    let Some(close) = close else { return " without a code".to_owned() };
    let reason: String = close.reason().chars().filter(|character| !character.is_control()).collect();
    format!(" with {}{}{reason}", close.code(), if reason.is_empty() { "" } else { ", " })
}
