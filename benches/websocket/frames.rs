//! As much of RFC 6455 as echo server and load generator need, for little CPU: whole messages in one frame.

use std::io;
use std::ops::Range;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wire::header;

const INITIAL: usize = 1024;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text,
    Close,
    Ping,
    Other,
}

/// Reads one head or frame after the other off a connection.
pub(crate) struct Frames {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; INITIAL], start: 0, end: 0 }
    }

    /// Reads a head and what `look` makes of its bytes.
    pub(crate) async fn head<T>(
        &mut self,
        from: &mut TcpStream,
        look: impl FnOnce(&[u8]) -> T,
    ) -> io::Result<T> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(at) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let seen = look(&unread[..at + 2]);
                self.start += at + 4;
                return Ok(seen);
            }
            self.fill(from, 1).await?;
        }
    }

    /// Reads a frame; its payload, unmasked, stands in the buffer until the next call.
    pub(crate) async fn next<R: AsyncRead + Unpin>(
        &mut self,
        from: &mut R,
    ) -> io::Result<(Opcode, Range<usize>)> {
        self.fill_to(from, 2).await?;
        let (first, second) = (self.at(0), self.at(1));
        let (length_at, length_size) = match second & 0x7f {
            126 => (2, 2),
            127 => (2, 8),
            _ => (1, 1),
        };
        let mask_at = length_at + length_size;
        let payload_at = mask_at + if second & 0x80 == 0 { 0 } else { 4 };
        self.fill_to(from, payload_at).await?;
        let length = (length_at..mask_at).fold(0u64, |length, at| length << 8 | u64::from(self.at(at)));
        let length = if length_size == 1 { length & 0x7f } else { length };
        let length = usize::try_from(length).map_err(io::Error::other)?;
        self.fill_to(from, payload_at + length).await?;
        let payload = self.start + payload_at..self.start + payload_at + length;
        if second & 0x80 != 0 {
            let mask = [0, 1, 2, 3].map(|at| self.at(mask_at + at));
            unmask(mask, &mut self.buffer[payload.clone()]);
        }
        self.start = payload.end;
        let opcode = match first & 15 {
            1 => Opcode::Text,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            _ => Opcode::Other,
        };
        Ok((opcode, payload))
    }

    pub(crate) fn payload(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    fn at(&self, offset: usize) -> u8 {
        self.buffer[self.start + offset]
    }

    async fn fill_to<R: AsyncRead + Unpin>(&mut self, from: &mut R, unread: usize) -> io::Result<()> {
        while self.end - self.start < unread {
            self.fill(from, unread).await?;
        }
        Ok(())
    }

    /// Reads once, with room for `unread` bytes in all.
    async fn fill<R: AsyncRead + Unpin>(&mut self, from: &mut R, unread: usize) -> io::Result<()> {
        if self.start > 0 && self.start + unread >= self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() || unread > self.buffer.len() {
            self.buffer.resize((self.buffer.len() * 2).max(unread), 0);
        }
        let read = from.read(&mut self.buffer[self.end..]).await?;
        self.end += read;
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

fn unmask(mask: [u8; 4], payload: &mut [u8]) {
    let wide = u64::from_ne_bytes([mask, mask].concat().try_into().unwrap_or_default());
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let word = u64::from_ne_bytes(chunk.try_into().unwrap_or_default()) ^ wide;
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    chunks.into_remainder().iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
}

/// A whole message or control frame as a server sends it (`opcode` is the RFC's), or a client, masked with zeros.
pub(crate) fn frame(opcode: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
    let mask_bit = if masked { 0x80 } else { 0 };
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        length @ ..126 => bytes.push(mask_bit | length as u8),
        length @ ..65_536 => {
            bytes.push(mask_bit | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(mask_bit | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    if masked {
        bytes.extend([0; 4]);
    }
    bytes.extend(payload);
    bytes
}

/// Opens a WebSocket as a client; `fields` end in CRLF each. Whether the other side accepted.
pub(crate) async fn open(stream: &mut TcpStream, frames: &mut Frames, fields: &str) -> io::Result<bool> {
    let request = format!(
        "GET /tables HTTP/1.1\r\nhost: kitchen\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n{fields}\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    frames.head(stream, |head| head.starts_with(b"HTTP/1.1 101 ")).await
}

/// Accepts a WebSocket as a server.
pub(crate) async fn accept(stream: &mut TcpStream, frames: &mut Frames) -> io::Result<()> {
    let key = frames.head(stream, |head| header(head, "sec-websocket-key").map(str::to_owned)).await?;
    let key = key.ok_or(io::ErrorKind::InvalidData)?;
    let proof = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    let reply = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {}\r\n\r\n",
        BASE64_STANDARD.encode(proof)
    );
    stream.write_all(reply.as_bytes()).await
}
