//! HTTP/2 as frames on a socket, so that a test can be a client that no library would be.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::{PATIENCE, TestKey};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const INITIAL_WINDOW_SIZE: u16 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection with prior knowledge of HTTP/2.
pub(crate) struct RawHttp2 {
    pub(crate) stream: TcpStream,
}

/// One frame as it came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

impl RawHttp2 {
    /// Connects; `window` is how much of each reply may be sent unasked.
    pub(crate) fn connect(address: SocketAddr, window: Option<u32>) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut this = Self { stream };
        this.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let settings =
            window.map(|window| [&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &window.to_be_bytes()].concat());
        this.frame(SETTINGS, 0, 0, &settings.unwrap_or_default());
        this
    }

    /// Sends a head, sealed for `key`; a body follows unless it `ends`.
    pub(crate) fn head(&mut self, stream: u32, method: &str, key: &TestKey, iv: &[u8], ends: bool) {
        self.head_with(stream, method, key, iv, &[], ends);
    }

    /// The same with more fields.
    pub(crate) fn head_with(
        &mut self,
        stream: u32,
        method: &str,
        key: &TestKey,
        iv: &[u8],
        more: &[(&str, &str)],
        ends: bool,
    ) {
        let mut block = Vec::new();
        let envelope = key.envelope(iv);
        let envelope = envelope.lines().filter_map(|line| line.split_once(": "));
        let pseudo =
            [(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "kitchen.test")];
        for (name, value) in pseudo.into_iter().chain(envelope).chain(more.iter().copied()) {
            // HPACK: a literal that is not indexed, nothing coded by Huffman.
            block.push(0);
            for text in [name, value] {
                match text.len().checked_sub(127) {
                    None => block.push(text.len() as u8),
                    Some(rest) => {
                        block.extend([127, (u8::try_from(rest).unwrap() & 0x7f) | 0x80, (rest >> 7) as u8])
                    }
                }
                block.extend_from_slice(text.as_bytes());
            }
        }
        self.frame(HEADERS, END_HEADERS | if ends { END_STREAM } else { 0 }, stream, &block);
    }

    pub(crate) fn data(&mut self, stream: u32, bytes: &[u8], ends: bool) {
        self.frame(DATA, u8::from(ends), stream, bytes);
    }

    /// Lets the other side send `more` bytes on `stream` and on the connection.
    pub(crate) fn open_window(&mut self, stream: u32, more: u32) {
        self.frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes());
        self.frame(WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
    }

    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.write(&[&head, payload].concat());
    }

    pub(crate) fn read(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload)?;
        let frame = Frame { kind: head[3], flags: head[4], payload };
        if frame.kind == SETTINGS && frame.flags & 1 == 0 {
            self.frame(SETTINGS, 1, 0, &[]);
        }
        Ok(frame)
    }

    /// The first frame of this kind; the others are skipped.
    pub(crate) fn read_until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.read().unwrap();
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Waits for the head of a reply.
    pub(crate) fn reply_begins(&mut self) {
        self.read_until(HEADERS);
    }

    /// All that comes until a stream ends.
    pub(crate) fn body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let frame = self.read().unwrap();
            let ends = frame.ends_stream();
            if frame.kind == DATA {
                body.extend_from_slice(&frame.payload);
            }
            if ends {
                return body;
            }
        }
    }

    /// Reads on until the connection is closed, ignoring what it is told; says whether it was told to go.
    pub(crate) fn closed(&mut self) -> bool {
        let mut told = false;
        loop {
            match self.read() {
                Ok(frame) => told |= frame.kind == GOAWAY,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    panic!("the connection stays open")
                }
                Err(_closed) => return told,
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        // A connection that is being closed may refuse; the reading side tells.
        let _ = self.stream.write_all(bytes);
    }
}
