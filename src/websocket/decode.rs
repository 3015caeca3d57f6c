//! Bytes to messages.

use bytes::{Buf, Bytes, BytesMut};

use super::header::{Header, HeaderReader, Opcode};
use super::utf8::{Invalid, Utf8};
use super::{Close, Event, FrameFault, Kind, Message, Role, mask};

/// Reads the frames of one side, in whatever pieces they come.
///
/// Text is checked as it comes, so a bad byte is refused before its frame is there. Memory is taken for what has come
/// and not for what a head promises, and a message that is too long is refused by its head.
#[derive(Debug)]
pub struct Decoder {
    sender: Role,
    max_message: u64,
    header: HeaderReader,
    frame: Option<Frame>,
    message: Option<Assembly>,
    /// The payload of a control frame so far.
    control: BytesMut,
    /// After a Close or a fault nothing counts any more.
    ended: bool,
}

/// A frame whose payload comes in.
#[derive(Clone, Copy, Debug)]
struct Frame {
    header: Header,
    taken: u64,
}

/// A message so far.
#[derive(Debug)]
struct Assembly {
    kind: Kind,
    payload: BytesMut,
    utf8: Utf8,
}

impl From<Invalid> for FrameFault {
    fn from(Invalid: Invalid) -> Self {
        Self::NotUtf8
    }
}

impl Decoder {
    /// Reads what `sender` sends, messages of at most `max_message` bytes.
    pub fn new(sender: Role, max_message: u64) -> Self {
        Self {
            sender,
            max_message,
            header: HeaderReader::default(),
            frame: None,
            message: None,
            control: BytesMut::new(),
            ended: false,
        }
    }

    /// Takes bytes from `input` up to the end of what it returns; all of them where that is `None`.
    ///
    /// After a Close or a fault everything that comes is thrown away.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Event>, FrameFault> {
        if self.ended {
            input.clear();
            return Ok(None);
        }
        let decoded = self.next(input);
        if matches!(decoded, Err(_) | Ok(Some(Event::Close(_)))) {
            self.ended = true;
            self.message = None;
        }
        decoded
    }

    /// Bytes of an unfinished message that are held.
    pub fn held(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.payload.len())
    }

    /// Whether nothing is unfinished: neither a message nor the head of a frame.
    pub fn is_between_messages(&self) -> bool {
        self.message.is_none() && self.frame.is_none() && self.header.is_empty()
    }

    /// Bytes that are set aside for an unfinished message.
    #[cfg(test)]
    pub(super) fn reserved(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.payload.capacity())
    }

    fn next(&mut self, input: &mut BytesMut) -> Result<Option<Event>, FrameFault> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.header.read(input, self.sender)? {
                    Some(header) => self.admit(header)?,
                    None => return Ok(None),
                },
            };
            let event = match frame.header.opcode {
                Opcode::Continuation | Opcode::Text | Opcode::Binary => self.take_data(&mut frame, input)?,
                Opcode::Close | Opcode::Ping | Opcode::Pong => self.take_control(&mut frame, input)?,
            };
            if event.is_some() {
                return Ok(event);
            }
            if frame.left() > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
        }
    }

    /// RFC 6455 §5.4: a message ends before the next begins. Its length is judged before any of it is awaited.
    fn admit(&mut self, header: Header) -> Result<Frame, FrameFault> {
        let kind = match header.opcode {
            Opcode::Text => Some(Kind::Text),
            Opcode::Binary => Some(Kind::Binary),
            Opcode::Continuation => None,
            Opcode::Close | Opcode::Ping | Opcode::Pong => return Ok(Frame { header, taken: 0 }),
        };
        match (kind, &self.message) {
            (None, None) => return Err(FrameFault::Continuation),
            (Some(_), Some(_)) => return Err(FrameFault::Interleaved),
            (None, Some(_)) => {}
            (Some(kind), None) => self.message = Some(Assembly::begin(kind)),
        }
        let before = self.held() as u64;
        if before.saturating_add(header.length) > self.max_message {
            return Err(FrameFault::TooLong);
        }
        Ok(Frame { header, taken: 0 })
    }

    fn take_data(&mut self, frame: &mut Frame, input: &mut BytesMut) -> Result<Option<Event>, FrameFault> {
        let mut message = self.message.take().expect("a frame of a message is admitted with one");
        if frame.left() <= input.len() as u64 && frame.header.fin && message.payload.is_empty() {
            // Nothing of it was copied yet, and nothing need be.
            let mut payload = input.split_to(frame.left() as usize);
            frame.unmask(&mut payload);
            message.payload = payload;
            message.check_from(0)?;
            return message.finish().map(Some);
        }
        let count = frame.available(input);
        let start = message.payload.len();
        message.payload.extend_from_slice(&input[..count]);
        input.advance(count);
        frame.unmask(&mut message.payload[start..]);
        message.check_from(start)?;
        if frame.left() == 0 && frame.header.fin {
            return message.finish().map(Some);
        }
        self.message = Some(message);
        Ok(None)
    }

    fn take_control(&mut self, frame: &mut Frame, input: &mut BytesMut) -> Result<Option<Event>, FrameFault> {
        let count = frame.available(input);
        let start = self.control.len();
        self.control.extend_from_slice(&input[..count]);
        input.advance(count);
        frame.unmask(&mut self.control[start..]);
        if frame.left() > 0 {
            return Ok(None);
        }
        // Copied, since an answer may wait for long and would hold on to more memory than it needs.
        let payload = Bytes::copy_from_slice(&self.control);
        self.control.clear();
        Ok(Some(match frame.header.opcode {
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            _ => Event::Close(Close::parse(&payload)?),
        }))
    }
}

impl Frame {
    fn left(&self) -> u64 {
        self.header.length - self.taken
    }

    /// How much of the payload is there.
    fn available(&self, input: &BytesMut) -> usize {
        usize::try_from(self.left()).unwrap_or(usize::MAX).min(input.len())
    }

    /// Notes the next piece of the payload as taken, and makes it readable.
    fn unmask(&mut self, piece: &mut [u8]) {
        if let Some(mask) = self.header.mask {
            mask::apply(mask, self.taken, piece);
        }
        self.taken += piece.len() as u64;
    }
}

impl Assembly {
    fn begin(kind: Kind) -> Self {
        Self { kind, payload: BytesMut::new(), utf8: Utf8::default() }
    }

    /// Looks at what came last.
    fn check_from(&mut self, start: usize) -> Result<(), Invalid> {
        if self.kind == Kind::Text { self.utf8.feed(&self.payload[start..]) } else { Ok(()) }
    }

    fn finish(self) -> Result<Event, FrameFault> {
        self.utf8.finish()?;
        Ok(Event::Message(Message { kind: self.kind, payload: self.payload }))
    }
}
