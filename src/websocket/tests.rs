mod cases;
mod coding;
mod random;

use bytes::BytesMut;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Close, Decoder, Encoder, Event, FrameFault, Kind, Role};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CONTINUATION: u8 = 0;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FIN: u8 = 0x80;

/// A frame by hand, its first byte as given; masked as the role has it.
fn frame(sender: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let (bit, mask) = match sender {
        Role::Client => (0x80, vec![0x37, 0xfa, 0x21, 0x3d]),
        Role::Server => (0, Vec::new()),
    };
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(bit | length as u8),
        length @ ..0x1_0000 => {
            bytes.push(bit | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(bit | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(&mask);
    let masked = payload.iter().enumerate().map(|(at, byte)| byte ^ mask.get(at % 4).unwrap_or(&0));
    bytes.extend(masked);
    bytes
}

/// What a decoder finds, in the end perhaps a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Fault(FrameFault),
}

impl From<Event> for Seen {
    fn from(event: Event) -> Self {
        match event {
            Event::Message(message) => match message.kind {
                Kind::Text => Self::Text(String::from_utf8(message.payload.to_vec()).unwrap()),
                Kind::Binary => Self::Binary(message.payload.to_vec()),
            },
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(close) => {
                Self::Close(close.map(|close: Close| (close.code(), close.reason().to_owned())))
            }
        }
    }
}

/// All that `decoder` finds in `bytes`, which come in `pieces`.
fn decode_all<'a>(decoder: &mut Decoder, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Seen> {
    let mut seen = Vec::new();
    for piece in pieces {
        let mut input = BytesMut::from(piece);
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(event)) => seen.push(event.into()),
                Ok(None) => break assert!(input.is_empty(), "bytes were left"),
                Err(fault) => seen.push(Seen::Fault(fault)),
            }
        }
    }
    seen
}

fn encoder(sender: Role) -> (Encoder, StdRng) {
    (Encoder::new(sender), StdRng::seed_from_u64(7))
}
