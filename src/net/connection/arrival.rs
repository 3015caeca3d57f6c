//! From an accepted socket to HTTP: whose connection it is, TLS, and the version that is spoken.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::proxy_head::{self, Parsed, ProxyHeadFault};
use super::sniff::{self, Sniffed};
use super::socket::{Begun, ClientSocket};
use super::{Activity, ConnectionEnd};
use crate::net::socket::PlainSocket;
use crate::net::tls::{H2, TlsAcceptor};
use crate::net::{AcceptedStream, Networks, Peer, Stop};

/// Enough for the head of a proxy without extensions, and for the first bytes of a client after it.
const FIRST_READ: usize = 256;

/// How a listener takes its connections in.
#[derive(Clone, Default)]
pub struct Reception {
    /// Peers that say, by the PROXY protocol, whose connection they pass on, and must.
    pub proxy_protocol_from: Networks,
    /// TLS, if it is spoken.
    pub tls: Option<TlsAcceptor>,
}

/// A connection on which HTTP begins.
pub struct Arrived {
    pub(super) socket: ClientSocket,
    /// What has been read of it already.
    pub(super) prefix: Bytes,
    /// Whose it is, as a proxy in front said if it was to be believed.
    pub peer: Peer,
}

impl Arrived {
    /// Whether it is under TLS.
    pub fn is_tls(&self) -> bool {
        self.socket.is_tls()
    }
}

/// Takes an accepted connection up to where HTTP begins, within the deadlines of `activity`.
pub async fn receive(
    accepted: (AcceptedStream, Peer),
    reception: &Reception,
    activity: &Activity,
    stop: &Stop,
) -> Result<Arrived, ConnectionEnd> {
    let (stream, mut peer) = accepted;
    let Ok(mut socket) = PlainSocket::accepted(stream) else { return Err(ConnectionEnd::Closed) };
    let mut prefix = BytesMut::new();
    // What few listeners do is boxed, so that it is no burden to the others.
    if reception.proxy_protocol_from.contain(peer.ip()) {
        let head = Box::pin(proxy_head(&mut socket, &mut prefix, activity, stop)).await?;
        peer = head.unwrap_or(peer);
    }
    if let Some(tls) = &reception.tls {
        let socket = Box::pin(shake_hands(socket, prefix, tls, activity, stop)).await?;
        return Ok(Arrived { socket, prefix: Bytes::new(), peer });
    }
    let sniffed = sniff::sniff(&mut socket, prefix, activity, stop).await?;
    activity.version_known(matches!(sniffed, Sniffed::Http2(_)), true);
    Ok(Arrived { socket: ClientSocket::Plain(socket), prefix: sniffed.into_prefix(), peer })
}

/// Reads the head of the PROXY protocol, of which nothing stays in `unread`; the peer that it names.
async fn proxy_head(
    socket: &mut PlainSocket,
    unread: &mut BytesMut,
    activity: &Activity,
    stop: &Stop,
) -> Result<Option<Peer>, ConnectionEnd> {
    let limits = *activity.limits();
    unread.reserve(FIRST_READ);
    sniff::first_byte(socket, unread, activity, stop).await?;
    let whole = async {
        loop {
            match proxy_head::parse(unread)? {
                Parsed::Whole { length, source } => return Ok((length, source)),
                Parsed::Unfinished => {
                    unread.reserve(FIRST_READ);
                    match socket.read_buf(unread).await {
                        Ok(read) if read > 0 => {}
                        _closed => return Err(ConnectionEnd::Closed),
                    }
                }
            }
        }
    };
    let unfinished = Err(ProxyHeadFault::Unfinished.into());
    let (length, source) = timeout(limits.headers, whole).await.unwrap_or(unfinished)?;
    let _head = unread.split_to(length);
    Ok(source.map(Peer::Inet))
}

/// TLS, and the version of HTTP that it agrees on: without a word of the client's (ALPN) it is HTTP/1.1.
async fn shake_hands(
    mut socket: PlainSocket,
    mut unread: BytesMut,
    tls: &TlsAcceptor,
    activity: &Activity,
    stop: &Stop,
) -> Result<ClientSocket, ConnectionEnd> {
    let limits = *activity.limits();
    if unread.is_empty() {
        unread.reserve(FIRST_READ);
        sniff::first_byte(&mut socket, &mut unread, activity, stop).await?;
    }
    let shaking = tls.accept(Begun { socket, unread: unread.freeze() });
    let stream = match timeout(limits.headers, shaking).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(ConnectionEnd::NoTls(error)),
        Err(_elapsed) => {
            let unfinished = io::Error::new(io::ErrorKind::TimedOut, "unfinished at its deadline");
            return Err(ConnectionEnd::NoTls(unfinished));
        }
    };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(H2);
    activity.version_known(is_http2, false);
    Ok(ClientSocket::Tls(Box::new(stream)))
}
