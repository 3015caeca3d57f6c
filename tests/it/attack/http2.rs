//! HTTP/2 as frames, to send what no client library would.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use alewife::crypto::encoding;

use crate::support::{Origin, PATIENCE, Sidecar, TestKey, eventually};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

/// One connection, with its preface and settings sent.
struct Frames {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Frames {
    fn to(sidecar: &Sidecar) -> Self {
        let stream = TcpStream::connect(sidecar.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut frames = Self { stream, unread: Vec::new() };
        frames.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        frames.send(SETTINGS, 0, 0, b"");
        frames
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).unwrap();
    }

    /// The head of a sealed `POST /` that states no length.
    fn post(&mut self, stream: u32, key: &TestKey) {
        // :method POST, :scheme http, :path /
        let mut block = vec![0x83, 0x86, 0x84];
        let iv = encoding::base64_encode(&key.fresh_iv());
        for (name, value) in
            [(":authority", "kitchen.test"), ("sec-iv", &iv), ("sec-fingerprint", &key.fingerprint)]
        {
            block.push(0);
            for text in [name, value] {
                block.push(u8::try_from(text.len()).unwrap());
                block.extend(text.bytes());
            }
        }
        self.send(HEADERS, END_HEADERS, stream, &block);
    }

    /// The kind of the next frame of `stream`, if one comes within the read time-out.
    fn next_of(&mut self, stream: u32) -> Option<u8> {
        loop {
            while self.unread.len() >= 9 {
                let length = u32::from_be_bytes([0, self.unread[0], self.unread[1], self.unread[2]]) as usize;
                if self.unread.len() < 9 + length {
                    break;
                }
                let frame: Vec<u8> = self.unread.drain(..9 + length).collect();
                if u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]) == stream {
                    return Some(frame[3]);
                }
            }
            let mut buffer = [0; 4096];
            match crate::support::uninterrupted(|| self.stream.read(&mut buffer)) {
                Ok(read) if read > 0 => self.unread.extend_from_slice(&buffer[..read]),
                Ok(_) => panic!("the connection closed"),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return None;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Sends frames of no bytes on an unfinished body until the sidecar answers the stream.
fn drip_nothing(algorithm: &str) {
    let (origin, key) = (Origin::echo(), TestKey::new(algorithm));
    let sidecar = Sidecar::inbound()
        .keys(&[&key])
        .proxy("timeouts = { body = \"500ms\" }")
        .upstream(origin.address())
        .start();
    let mut client = Frames::to(&sidecar);
    client.post(1, &key);
    client.send(DATA, 0, 1, &[7; 1000]);
    let begun = Instant::now();
    while client.next_of(1) != Some(HEADERS) {
        assert!(begun.elapsed() < PATIENCE, "empty frames count as progress");
        client.send(DATA, 0, 1, b"");
        client.send(DATA, PADDED, 1, &[3, 0, 0, 0]);
    }
    eventually("it timed out", || sidecar.log().contains("\"timed_out\""));
    eventually("nothing is held any more", || sidecar.metric("alewife_held_bytes") == 0.0);
}

#[test]
fn empty_frames_do_not_keep_a_held_body_alive() {
    drip_nothing("AES-256-GCM");
}

#[test]
fn empty_frames_do_not_keep_a_streamed_body_alive() {
    drip_nothing("AES-256-CTR");
}
