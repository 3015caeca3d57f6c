//! WebSocket's framing (RFC 6455), without I/O: bytes in, messages and control frames out, and back.
//!
//! A [`Decoder`] reads the frames of one side, an [`Encoder`] writes those of the other. Neither answers anything by
//! itself: whoever carries the bytes decides what a Ping or a Close is followed by.

mod close;
mod decode;
mod encode;
mod fault;
mod handshake;
mod header;
mod mask;
#[cfg(test)]
mod tests;
mod utf8;

use bytes::{Bytes, BytesMut};

pub use close::Close;
pub use decode::Decoder;
pub use encode::Encoder;
pub use fault::FrameFault;
pub use handshake::accept_key;

/// Whose frames: a client masks each of them, a server none (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The side that asked for the connection.
    Client,
    /// The side that was asked.
    Server,
}

/// What the payload of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// A message, whole. Its text has no printed form: it may be somebody's plaintext.
#[derive(PartialEq, Eq)]
pub struct Message {
    /// What it holds; a [`Kind::Text`] is UTF-8, and was checked.
    pub kind: Kind,
    /// Unmasked. It may lie in the very memory that it was read into: not meant to be kept.
    pub payload: BytesMut,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of {} bytes", self.kind, self.payload.len())
    }
}

/// What a [`Decoder`] finds in the bytes of a peer.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// All fragments of a message have come.
    Message(Message),
    /// To be answered with a Pong of the same payload, of at most 125 bytes.
    Ping(Bytes),
    /// The answer to a Ping, or unasked for.
    Pong(Bytes),
    /// The last word of this side, perhaps without a code.
    Close(Option<Close>),
}
