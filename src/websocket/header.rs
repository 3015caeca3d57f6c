//! The head of a frame (RFC 6455 §5.2).

use bytes::{Buf, BytesMut};

use super::{FrameFault, Role};

/// Two bytes, eight of length, four of mask.
pub(super) const LONGEST: usize = 14;
/// RFC 6455 §5.5.
pub(super) const LONGEST_CONTROL: usize = 125;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
pub(super) const MASKED: u8 = 0x80;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn parse(bits: u8) -> Result<Self, FrameFault> {
        [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong]
            .into_iter()
            .find(|known| *known as u8 == bits)
            .ok_or(FrameFault::ReservedOpcode(bits))
    }

    fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// A head, read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) fin: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: Option<[u8; 4]>,
    pub(super) length: u64,
}

/// A head on its way in.
#[derive(Debug, Default)]
pub(super) struct HeaderReader {
    bytes: [u8; LONGEST],
    have: usize,
}

impl HeaderReader {
    /// Whether nothing of a head has come.
    pub(super) fn is_empty(&self) -> bool {
        self.have == 0
    }

    /// Takes from `input` what belongs to the head; `None` where there is more to come.
    pub(super) fn read(&mut self, input: &mut BytesMut, sender: Role) -> Result<Option<Header>, FrameFault> {
        if !self.fill(2, input) {
            return Ok(None);
        }
        // What two bytes tell is judged before more of them are awaited.
        let (fin, opcode) = self.check_start(sender)?;
        let short = self.bytes[1] & !MASKED;
        let wide = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let is_masked = self.bytes[1] & MASKED != 0;
        if !self.fill(2 + wide, input) {
            return Ok(None);
        }
        let length = self.length(short, wide)?;
        let all = 2 + wide + if is_masked { 4 } else { 0 };
        if !self.fill(all, input) {
            return Ok(None);
        }
        self.have = 0;
        let mask = is_masked.then(|| std::array::from_fn(|index| self.bytes[all - 4 + index]));
        Ok(Some(Header { fin, opcode, mask, length }))
    }

    fn fill(&mut self, wanted: usize, input: &mut BytesMut) -> bool {
        let count = wanted.saturating_sub(self.have).min(input.len());
        input.copy_to_slice(&mut self.bytes[self.have..self.have + count]);
        self.have += count;
        self.have >= wanted
    }

    fn check_start(&self, sender: Role) -> Result<(bool, Opcode), FrameFault> {
        let [first, second, ..] = self.bytes;
        if first & RESERVED != 0 {
            return Err(FrameFault::ReservedBit);
        }
        let (fin, opcode) = (first & FIN != 0, Opcode::parse(first & 0x0f)?);
        if opcode.is_control() && !fin {
            return Err(FrameFault::FragmentedControl);
        }
        if opcode.is_control() && usize::from(second & !MASKED) > LONGEST_CONTROL {
            return Err(FrameFault::LongControl);
        }
        match (sender, second & MASKED != 0) {
            (Role::Client, false) => Err(FrameFault::Unmasked),
            (Role::Server, true) => Err(FrameFault::Masked),
            _ => Ok((fin, opcode)),
        }
    }

    /// RFC 6455 §5.2: in as few bytes as it takes, and no more than 63 bits.
    fn length(&self, short: u8, wide: usize) -> Result<u64, FrameFault> {
        let written = self.bytes[2..2 + wide].iter().fold(0, |length, &byte| length << 8 | u64::from(byte));
        match wide {
            0 => Ok(u64::from(short)),
            2 if written > 125 => Ok(written),
            8 if written > 0xffff && written < 1 << 63 => Ok(written),
            _ => Err(FrameFault::Length),
        }
    }
}

/// Appends a head for a frame that is all of its message.
pub(super) fn write(opcode: Opcode, mask: Option<[u8; 4]>, length: usize, out: &mut BytesMut) {
    out.extend_from_slice(&[FIN | opcode as u8]);
    let masked = if mask.is_some() { MASKED } else { 0 };
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short <= 125 => out.extend_from_slice(&[masked | short]),
        (_, Ok(medium)) => {
            out.extend_from_slice(&[masked | 126]);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[masked | 127]);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if let Some(mask) = mask {
        out.extend_from_slice(&mask);
    }
}
