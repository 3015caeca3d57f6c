//! Messages to bytes.

use bytes::BytesMut;
use rand::CryptoRng;

use super::header::{self, LONGEST_CONTROL, Opcode};
use super::{Close, Kind, Role, mask};

/// Writes the frames of one side. Each message is one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoder {
    sender: Role,
}

impl Encoder {
    /// Writes what `sender` sends.
    pub fn new(sender: Role) -> Self {
        Self { sender }
    }

    /// Appends a message to `out`.
    pub fn message<R: CryptoRng>(self, kind: Kind, payload: &[u8], out: &mut BytesMut, rng: &mut R) {
        self.frame(kind.into(), payload, out, rng);
    }

    /// Appends the head of a message to `out` and masks `payload` where it lies; the caller writes it after the head.
    pub fn message_in_place<R: CryptoRng>(
        self,
        kind: Kind,
        payload: &mut [u8],
        out: &mut BytesMut,
        rng: &mut R,
    ) {
        let mask = self.fresh_mask(rng);
        header::write(kind.into(), mask, payload.len(), out);
        if let Some(mask) = mask {
            mask::apply(mask, 0, payload);
        }
    }

    /// Appends a message whose payload `write` appends to `out`. The head is made for `expected` bytes and made again
    /// where there come others; where `write` fails, `out` is left as it was.
    pub fn message_with<R: CryptoRng, E>(
        self,
        kind: Kind,
        expected: usize,
        out: &mut BytesMut,
        rng: &mut R,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = out.len();
        let mask = self.fresh_mask(rng);
        out.reserve(header::LONGEST.saturating_add(expected));
        header::write(kind.into(), mask, expected, out);
        let start = out.len();
        if let Err(fault) = write(out) {
            out.truncate(before);
            return Err(fault);
        }
        if out.len() - start == expected {
            if let Some(mask) = mask {
                mask::apply(mask, 0, &mut out[start..]);
            }
        } else {
            let payload = out.split_off(start);
            out.truncate(before);
            self.message(kind, &payload, out, rng);
        }
        Ok(())
    }

    /// Appends a Ping; of the payload only what a control frame bears.
    pub fn ping<R: CryptoRng>(self, payload: &[u8], out: &mut BytesMut, rng: &mut R) {
        self.frame(Opcode::Ping, &payload[..payload.len().min(LONGEST_CONTROL)], out, rng);
    }

    /// Appends a Pong; of the payload only what a control frame bears.
    pub fn pong<R: CryptoRng>(self, payload: &[u8], out: &mut BytesMut, rng: &mut R) {
        self.frame(Opcode::Pong, &payload[..payload.len().min(LONGEST_CONTROL)], out, rng);
    }

    /// Appends a Close, after which this side may send nothing more.
    pub fn close<R: CryptoRng>(self, close: Option<&Close>, out: &mut BytesMut, rng: &mut R) {
        let mut payload = BytesMut::with_capacity(LONGEST_CONTROL);
        if let Some(close) = close {
            payload.extend_from_slice(&close.code().to_be_bytes());
            payload.extend_from_slice(close.reason().as_bytes());
        }
        self.frame(Opcode::Close, &payload, out, rng);
    }

    fn frame<R: CryptoRng>(self, opcode: Opcode, payload: &[u8], out: &mut BytesMut, rng: &mut R) {
        let mask = self.fresh_mask(rng);
        out.reserve(header::LONGEST + payload.len());
        header::write(opcode, mask, payload.len(), out);
        let start = out.len();
        out.extend_from_slice(payload);
        if let Some(mask) = mask {
            mask::apply(mask, 0, &mut out[start..]);
        }
    }

    /// RFC 6455 §5.3: a client masks, with what nobody can foresee.
    fn fresh_mask<R: CryptoRng>(self, rng: &mut R) -> Option<[u8; 4]> {
        (self.sender == Role::Client).then(|| rng.next_u32().to_ne_bytes())
    }
}

impl From<Kind> for Opcode {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Binary => Self::Binary,
        }
    }
}
