//! HTTP/1 or HTTP/2 with prior knowledge: told by the first bytes, within a deadline.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};

use super::activity::LOOK;
use super::{Activity, ConnectionEnd, Stop};
use crate::net::socket::PlainSocket;

/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What a stop leaves a connection that has not yet sent its first byte.
const STOPPING: Duration = Duration::from_secs(1);

/// The bytes read so far, and what they begin.
pub(super) enum Sniffed {
    Http1(Bytes),
    Http2(Bytes),
}

impl Sniffed {
    pub(super) fn into_prefix(self) -> Bytes {
        match self {
            Self::Http1(prefix) | Self::Http2(prefix) => prefix,
        }
    }
}

/// `prefix` is what has been read already.
pub(super) async fn sniff(
    stream: &mut PlainSocket,
    mut prefix: BytesMut,
    activity: &Activity,
    stop: &Stop,
) -> Result<Sniffed, ConnectionEnd> {
    let limits = *activity.limits();
    if prefix.is_empty() {
        prefix.reserve(PREFACE.len());
        first_byte(stream, &mut prefix, activity, stop).await?;
    }
    match timeout(limits.headers, decide(stream, &mut prefix)).await {
        Ok(Ok(true)) => Ok(Sniffed::Http2(prefix.freeze())),
        Ok(Ok(false)) => Ok(Sniffed::Http1(prefix.freeze())),
        Ok(Err(_gone)) => Err(ConnectionEnd::Closed),
        Err(_elapsed) => Err(ConnectionEnd::TimedOut("head unfinished")),
    }
}

/// Reads at least one byte, as many as `prefix` has room for.
pub(super) async fn first_byte(
    stream: &mut PlainSocket,
    prefix: &mut BytesMut,
    activity: &Activity,
    stop: &Stop,
) -> Result<(), ConnectionEnd> {
    let stopping = async {
        stop.heard().await;
        tokio::time::sleep(STOPPING).await;
    };
    tokio::select! {
        read = stream.read_buf(prefix) => match read {
            Ok(read) if read > 0 => Ok(()),
            _closed => Err(ConnectionEnd::Closed),
        },
        () = silent_for_too_long(activity) => Err(ConnectionEnd::TimedOut("no first byte")),
        () = stopping => Err(ConnectionEnd::Closed),
    }
}

async fn silent_for_too_long(activity: &Activity) {
    let (usual, began) = (activity.limits().first_byte, Instant::now());
    loop {
        let left = activity.patience(usual).saturating_sub(began.elapsed());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK)).await;
    }
}

/// Reads on for as long as the bytes could still be the preface of HTTP/2.
async fn decide(stream: &mut PlainSocket, prefix: &mut BytesMut) -> io::Result<bool> {
    loop {
        if prefix.starts_with(PREFACE) {
            return Ok(true);
        }
        if !PREFACE.starts_with(prefix) {
            return Ok(false);
        }
        let mut rest = stream.take((PREFACE.len() - prefix.len()) as u64);
        if rest.read_buf(prefix).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
