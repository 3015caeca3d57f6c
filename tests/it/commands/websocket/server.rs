//! A server of one WebSocket that opens and seals by itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use alewife::crypto::encoding;
use alewife::websocket::{Close, Decoder, Encoder, Event, Kind, Message, Role, accept_key};
use bytes::BytesMut;
use serde_json::{Value, json};

use crate::support::{PATIENCE, TestKey, uninterrupted};

/// The server, which plays one scene in a thread of its own.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    scene: JoinHandle<()>,
}

impl Server {
    /// Takes one connection, and lets `scene` do the rest.
    pub(super) fn of(key: &TestKey, scene: impl FnOnce(Peer) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, key) = (listener.local_addr().unwrap(), key.clone());
        let scene = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            scene(Peer::over(stream, key));
        });
        Self { address, scene }
    }

    /// What failed in the scene fails here.
    pub(super) fn end(self) {
        self.scene.join().unwrap();
    }
}

/// The client, as the server sees it.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    pub(super) head: String,
    key: TestKey,
    read: BytesMut,
    frames: Decoder,
}

impl Peer {
    fn over(mut stream: TcpStream, key: TestKey) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            assert_eq!(uninterrupted(|| stream.read(&mut byte)).unwrap(), 1, "the head breaks off");
            head.push(byte[0]);
        }
        let frames = Decoder::new(Role::Client, 1 << 30);
        Self { stream, head: String::from_utf8(head).unwrap(), key, read: BytesMut::new(), frames }
    }

    /// The one header line of this name.
    pub(super) fn header(&self, name: &str) -> &str {
        let mut values = self.head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let value = values.next().unwrap_or_else(|| panic!("no {name} in {}", self.head));
        assert_eq!(values.next(), None, "{name} stands there twice");
        value
    }

    pub(super) fn accept(&self) -> String {
        String::from_utf8(accept_key(self.header("sec-websocket-key").as_bytes()).to_vec()).unwrap()
    }

    /// Answers the handshake as it should be; `more` are header lines.
    pub(super) fn upgrade(mut self, more: &str) -> Self {
        let upgrade = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n";
        self.write(format!("{upgrade}sec-websocket-accept: {}\r\n{more}\r\n", self.accept()).as_bytes());
        self
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next event; `None` at the end of the connection.
    pub(super) fn event(&mut self) -> Option<Event> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            if let Some(event) = self.frames.decode(&mut self.read).unwrap() {
                return Some(event);
            }
            match uninterrupted(|| self.stream.read(&mut buffer)).unwrap() {
                0 => return None,
                read => self.read.extend_from_slice(&buffer[..read]),
            }
        }
    }

    /// The next message, opened, which is a text; `None` if a Close comes.
    pub(super) fn hear(&mut self) -> Option<String> {
        let event = self.event().expect("a message or a close");
        let Event::Message(Message { kind: Kind::Text, payload }) = event else {
            assert!(matches!(&event, Event::Close(_)), "{event:?}");
            return None;
        };
        let envelope: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(envelope["fingerprint"], self.key.fingerprint);
        let member =
            |name: &str| encoding::base64_decode(envelope[name].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(member("iv").len(), 16);
        assert_ne!(envelope["iv"], self.header("sec-iv"), "the handshake's opens no message");
        let plain = self.key.open_with(&member("iv"), &member("message")).expect("it opens");
        Some(String::from_utf8(plain).unwrap())
    }

    /// Waits for a Close with this code.
    pub(super) fn expect_close(&mut self, code: u16) {
        let event = self.event();
        let Some(Event::Close(Some(close))) = &event else { panic!("no close but {event:?}") };
        assert_eq!(close.code(), code);
    }

    /// The envelope of `plain`.
    pub(super) fn envelope(&self, plain: &[u8]) -> String {
        let iv = self.key.fresh_iv();
        let message = encoding::base64_encode(&self.key.seal_with(&iv, plain));
        let iv = encoding::base64_encode(&iv);
        json!({"iv": iv, "fingerprint": self.key.fingerprint, "message": message}).to_string()
    }

    pub(super) fn say(&mut self, text: &str) {
        self.send(Kind::Text, &self.envelope(text.as_bytes()));
    }

    pub(super) fn send(&mut self, kind: Kind, payload: &str) {
        self.frame(|frames, out| frames.message(kind, payload.as_bytes(), out, &mut rand::rng()));
    }

    pub(super) fn ping(&mut self, payload: &[u8]) {
        self.frame(|frames, out| frames.ping(payload, out, &mut rand::rng()));
    }

    pub(super) fn close(&mut self, close: Option<Close>) {
        self.frame(|frames, out| frames.close(close.as_ref(), out, &mut rand::rng()));
    }

    fn frame(&mut self, write: impl FnOnce(Encoder, &mut BytesMut)) {
        let mut out = BytesMut::new();
        write(Encoder::new(Role::Server), &mut out);
        self.write(&out);
    }
}
