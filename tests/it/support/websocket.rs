//! WebSocket as bytes on a socket (RFC 6455), so that a test sees and sends exactly what it means to, faults included.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest, Sha1};

use super::Connection;

/// What a frame holds (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
    Other(u8),
}

impl Opcode {
    fn of(bits: u8) -> Self {
        match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            other => Self::Other(other),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
            Self::Other(bits) => bits,
        }
    }

    pub(crate) fn is_control(self) -> bool {
        self.bits() >= 8
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) last: bool,
    pub(crate) reserved: u8,
    pub(crate) opcode: Opcode,
    /// Unmasked.
    pub(crate) payload: Vec<u8>,
    /// The masking key, on what a client sent.
    pub(crate) mask: Option<[u8; 4]>,
}

impl Frame {
    /// A whole message or control frame, not masked.
    pub(crate) fn new(opcode: Opcode, payload: impl Into<Vec<u8>>) -> Self {
        Self { last: true, reserved: 0, opcode, payload: payload.into(), mask: None }
    }

    /// A Close with a code and a reason.
    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::new(Opcode::Close, [&code.to_be_bytes()[..], reason.as_bytes()].concat())
    }

    /// More frames follow.
    pub(crate) fn unfinished(mut self) -> Self {
        self.last = false;
        self
    }

    /// As a client sends it.
    pub(crate) fn masked(mut self) -> Self {
        self.mask = Some(rand::random());
        self
    }

    /// The frame on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.last) << 7 | self.reserved << 4 | self.opcode.bits()];
        let mask_bit = u8::from(self.mask.is_some()) << 7;
        match self.payload.len() {
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
        bytes.extend(self.mask.iter().flatten());
        let start = bytes.len();
        bytes.extend(&self.payload);
        if let Some(mask) = self.mask {
            apply(mask, &mut bytes[start..]);
        }
        bytes
    }
}

fn apply(mask: [u8; 4], bytes: &mut [u8]) {
    bytes.chunks_mut(4).for_each(|four| four.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask));
}

/// A message, put together from its frames.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Message {
    Text(Vec<u8>),
    Binary(Vec<u8>),
}

impl Message {
    /// The message in one frame, not masked.
    pub(crate) fn frame(&self) -> Frame {
        match self {
            Self::Text(text) => Frame::new(Opcode::Text, &text[..]),
            Self::Binary(bytes) => Frame::new(Opcode::Binary, &bytes[..]),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({})", shown(text)),
            Self::Binary(bytes) => write!(f, "Binary({})", shown(bytes)),
        }
    }
}

/// The beginning of bytes, and how many they are.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let ellipsis = if bytes.len() > 60 { "…" } else { "" };
    format!("{} bytes: {}{ellipsis}", bytes.len(), bytes[..bytes.len().min(60)].escape_ascii())
}

/// What the other side of a connection sends, frames of a message joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Message(Message),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// With its payload: nothing, or code and reason.
    Close(Vec<u8>),
}

impl Connection {
    pub(crate) fn send_frame(&mut self, frame: &Frame) {
        self.send(&frame.bytes());
    }

    /// Reads one frame; an end before it is `UnexpectedEof`. Its length must be in the shortest form (§5.2).
    pub(crate) fn read_frame(&mut self) -> io::Result<Frame> {
        let head = self.read_some(2)?;
        let length = match head[1] & 0x7f {
            126 => {
                let length = u16::from_be_bytes(self.read_some(2)?.try_into().unwrap());
                assert!(length >= 126, "a length that is not in its shortest form: {length}");
                usize::from(length)
            }
            127 => {
                let length = u64::from_be_bytes(self.read_some(8)?.try_into().unwrap());
                assert!(length >= 65_536, "a length that is not in its shortest form: {length}");
                usize::try_from(length).unwrap()
            }
            length => usize::from(length),
        };
        let mask: Option<[u8; 4]> = match head[1] >> 7 {
            0 => None,
            _ => Some(self.read_some(4)?.try_into().unwrap()),
        };
        let mut payload = self.read_some(length)?;
        if let Some(mask) = mask {
            apply(mask, &mut payload);
        }
        let opcode = Opcode::of(head[0] & 15);
        Ok(Frame { last: head[0] >> 7 == 1, reserved: head[0] >> 4 & 7, opcode, payload, mask })
    }

    /// Reads the next whole message or control frame.
    pub(crate) fn read_event(&mut self, partial: &mut Option<Message>) -> io::Result<Event> {
        loop {
            let frame = self.read_frame()?;
            assert_eq!(frame.reserved, 0, "{frame:?}");
            match frame.opcode {
                Opcode::Ping => return Ok(Event::Ping(frame.payload)),
                Opcode::Pong => return Ok(Event::Pong(frame.payload)),
                Opcode::Close => return Ok(Event::Close(frame.payload)),
                Opcode::Text if partial.is_none() => *partial = Some(Message::Text(frame.payload)),
                Opcode::Binary if partial.is_none() => *partial = Some(Message::Binary(frame.payload)),
                Opcode::Continuation => match partial.as_mut() {
                    Some(Message::Text(text)) => text.extend(frame.payload),
                    Some(Message::Binary(bytes)) => bytes.extend(frame.payload),
                    None => panic!("a continuation of nothing"),
                },
                other => panic!("{other:?} in the middle of {partial:?}"),
            }
            if frame.last {
                return Ok(Event::Message(partial.take().unwrap()));
            }
        }
    }
}

/// What a server answers to a `sec-websocket-key` (RFC 6455 §4.2.2).
pub(crate) fn accept_of(key: &str) -> String {
    let proof = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    BASE64_STANDARD.encode(proof)
}

/// The head that agrees on a WebSocket with the client that sent this `sec-websocket-key`.
pub(crate) fn agreement(key: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {}\r\n\r\n",
        accept_of(key)
    )
}

/// Sends back every message as it came; answers pings and the Close, with which it ends.
pub(crate) fn echo_session(connection: &mut Connection) {
    let mut partial = None;
    while let Ok(event) = connection.read_event(&mut partial) {
        match event {
            Event::Message(message) => connection.send_frame(&message.frame()),
            Event::Ping(payload) => connection.send_frame(&Frame::new(Opcode::Pong, payload)),
            Event::Pong(_) => {}
            Event::Close(payload) => return connection.send_frame(&Frame::new(Opcode::Close, payload)),
        }
    }
}

/// The value of a field in a raw head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.split("\r\n").skip(1);
    let mut found =
        lines.filter_map(|line| line.split_once(':')).filter(|(n, _)| n.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim())
}

/// A plain WebSocket application.
pub(crate) struct WebSocketOrigin {
    address: SocketAddr,
}

impl WebSocketOrigin {
    /// Sends back every message as it came; answers pings and the Close.
    pub(crate) fn echo() -> Self {
        Self::holding(|_, connection| echo_session(connection))
    }

    /// Accepts every handshake; `session` gets its head and holds the session.
    pub(crate) fn holding(session: impl Fn(&str, &mut Connection) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let session = Arc::new(session);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let session = Arc::clone(&session);
                let mut connection = Connection::over(stream.unwrap());
                thread::spawn(move || {
                    let Ok(head) = connection.read_head() else { return };
                    let head: String = head.into_iter().map(char::from).collect();
                    let key = field(&head, "sec-websocket-key").expect("a handshake");
                    connection.send(agreement(key).as_bytes());
                    session(&head, &mut connection);
                });
            }
        });
        Self { address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
