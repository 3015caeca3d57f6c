//! One transfer: connect, send what is sealed, open what comes back.

use std::io::Write;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, request, response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use zeroize::Zeroize;

use super::super::complain;
use super::super::key_file::KeysArg;
use super::SealedRequest;
use super::fault::SendFault;
use super::handshake::Handshake;
use super::output::Output;
use super::session::{Binary, Session};
use super::show::{self, Show};
use super::target::{Scheme, Target};
use crate::ale::{ClearError, OpenedReply, ReplyBodyOpening, ReplyFault, ReplyOpening};
use crate::keys::KeyRing;

/// The sidecar's own errors are short.
const LARGEST_CLEAR: usize = 64 * 1024;

/// P5: nothing vouches for such an error.
const IN_CLEAR: &str =
    "alewife send: the reply is an error in clear, which anybody on the way could have written";

/// What a session needs besides its handshake.
pub(super) struct SessionParts<'k> {
    pub(super) keys: &'k KeysArg,
    pub(super) ring: KeyRing,
    pub(super) handshake: Handshake,
    pub(super) binary: Binary,
}

/// A transfer about to begin.
pub(super) struct Transfer<W> {
    pub(super) target: Target,
    pub(super) method: Method,
    pub(super) connect_timeout: Duration,
    pub(super) include: bool,
    pub(super) fail: bool,
    pub(super) silent: bool,
    pub(super) output: Output,
    pub(super) show: Show<W>,
}

impl<W: Write> Transfer<W> {
    /// A request and its reply.
    pub(super) async fn run(mut self, request: SealedRequest) -> Result<(), SendFault> {
        let SealedRequest { head, body, opening } = request;
        let reply = self.exchange(head, body).await?;
        self.take(reply, opening).await
    }

    /// A handshake and its session; a refusal is shown as the reply that it is.
    pub(super) async fn run_session(
        mut self,
        request: SealedRequest,
        session: SessionParts<'_>,
    ) -> Result<(), SendFault> {
        let SealedRequest { head, body, opening } = request;
        let reply = self.exchange(head, body).await?;
        let status = reply.status();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            self.take(reply, opening).await?;
            return Err(SendFault::Refused(status));
        }
        session.handshake.check(reply.headers())?;
        let stream = hyper::upgrade::on(reply).await.map_err(SendFault::Receive)?;
        let session = Session {
            keys: session.keys,
            ring: session.ring,
            messages: opening.into_session(&mut rand::rng()),
            binary: session.binary,
            silent: self.silent,
            output: self.output,
            show: self.show,
        };
        session.run(TokioIo::new(stream)).await
    }

    async fn exchange(&mut self, head: request::Parts, body: Bytes) -> Result<Response<Incoming>, SendFault> {
        let limit = self.connect_timeout;
        let stream = timeout(limit, self.connect()).await.unwrap_or(Err(SendFault::TimedOut(limit)))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(SendFault::of_head)?;
        // What goes wrong with the connection is told to the request.
        match self.target.scheme {
            Scheme::Http => drop(tokio::spawn(connection)),
            Scheme::Ws => drop(tokio::spawn(connection.with_upgrades())),
        }
        let sent = sender.send_request(Request::from_parts(head, Full::new(body))).await;
        let reply = sent.map_err(SendFault::of_head)?;
        self.show.reply_head("the reply as it came:", reply.status(), reply.headers());
        Ok(reply)
    }

    /// Shows the reply, opened if it is sealed.
    async fn take(mut self, reply: Response<Incoming>, opening: ReplyOpening) -> Result<(), SendFault> {
        let (mut head, body) = reply.into_parts();
        let overhead = opening.overhead();
        match opening.open(&self.method, head.status, &mut head.headers, Timestamp::now())? {
            OpenedReply::Bodyless => self.begin(&head),
            OpenedReply::Clear => self.take_clear(&head, body).await,
            OpenedReply::Sealed(opening) => {
                shorten(&mut head.headers, overhead);
                if opening.must_be_held() {
                    self.take_held(&head, body, opening).await
                } else {
                    self.take_stream(&head, body, opening).await
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<TcpStream, SendFault> {
        let Target { host, port, authority, .. } = &self.target;
        let unknown = || SendFault::Host { host: host.clone() };
        let addresses = lookup_host((host.as_str(), *port)).await.map_err(|_| unknown())?;
        let mut fault = unknown();
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    self.show.note(&format!("connected to {authority} ({address})"));
                    return Ok(stream);
                }
                Err(source) => fault = SendFault::Connect { authority: authority.clone(), source },
            }
        }
        Err(fault)
    }

    /// What comes before the body; with `--fail`, the end.
    fn begin(&mut self, head: &response::Parts) -> Result<(), SendFault> {
        if self.fail && head.status.as_u16() >= StatusCode::BAD_REQUEST.as_u16() {
            return Err(SendFault::Status(head.status));
        }
        if self.include {
            self.output.write(&show::head_bytes(head.status, &head.headers))?;
        }
        Ok(())
    }

    /// P5: only the sidecar's own errors come in clear.
    async fn take_clear(mut self, head: &response::Parts, mut body: Incoming) -> Result<(), SendFault> {
        let mut bytes = BytesMut::new();
        while let Some(piece) = next_piece(&mut body).await? {
            if bytes.len() + piece.len() > LARGEST_CLEAR {
                return Err(ReplyFault::Unsealed.into());
            }
            bytes.extend_from_slice(&piece);
        }
        let ClearError { code, message } = ClearError::read(head.status, &bytes)?;
        let message: String = message.chars().filter(|c| !c.is_control()).collect();
        self.show.note(&format!("an error of the sidecar, in clear: errorCode {code}, {message}"));
        if !self.silent {
            complain(IN_CLEAR);
        }
        self.begin(head)?;
        self.output.write(&bytes)
    }

    /// P10: holds the ciphertext, so that no plaintext exists before all of it can be verified.
    async fn take_held(
        mut self,
        head: &response::Parts,
        mut body: Incoming,
        mut opening: ReplyBodyOpening,
    ) -> Result<(), SendFault> {
        let mut sealed = BytesMut::new();
        while let Some(piece) = next_piece(&mut body).await? {
            sealed.extend_from_slice(&piece);
        }
        self.show.sealed_body(&sealed);
        let mut plain = BytesMut::with_capacity(sealed.len());
        if let Err(fault) = opening.update(&sealed, &mut plain).and_then(|()| opening.finish().map(drop)) {
            plain.zeroize();
            return Err(fault.into());
        }
        self.show.reply_head("the reply as it was opened, its tag verified:", head.status, &head.headers);
        self.begin(head)?;
        self.output.write(&plain)
    }

    async fn take_stream(
        mut self,
        head: &response::Parts,
        mut body: Incoming,
        mut opening: ReplyBodyOpening,
    ) -> Result<(), SendFault> {
        let mut plain = BytesMut::new();
        let mut piece = next_piece(&mut body).await?;
        self.show.sealed_body(piece.as_deref().unwrap_or_default());
        let about = "the reply as it is opened, with no proof that it is whole or unchanged:";
        self.show.reply_head(about, head.status, &head.headers);
        self.begin(head)?;
        while let Some(sealed) = piece {
            opening.update(&sealed, &mut plain)?;
            self.output.write(&plain.split())?;
            piece = next_piece(&mut body).await?;
        }
        opening.finish()?;
        Ok(())
    }
}

/// The next bytes; trailers are passed over.
async fn next_piece(body: &mut Incoming) -> Result<Option<Bytes>, SendFault> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(SendFault::of_body)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// The length of the plaintext, where that of the sealed body is stated.
fn shorten(headers: &mut HeaderMap, overhead: u64) {
    let stated = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if let Some(stated) = stated {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(stated.saturating_sub(overhead)));
    }
}
