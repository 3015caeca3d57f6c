//! WebSockets through the real process, with both of its peers in the test's hands (P7).

mod closing;
mod handshake;
mod hostile;
mod keys;
mod limits;
mod messages;
mod outbound;
mod ping;
mod refusals;
mod replay;

use std::io;
use std::net::TcpListener;

use alewife::crypto::encoding;

use crate::support::{
    Connection, Event, Frame, Message, Opcode, Sidecar, SidecarBuilder, TestKey, accept_of, field,
};

/// The key of the standard's example; what is random about it concerns nobody here.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A sidecar, and an application that the test plays itself.
struct Stage {
    sidecar: Sidecar,
    application: TcpListener,
    key: TestKey,
}

impl Stage {
    fn set(algorithm: &str) -> Self {
        Self::with(algorithm, |builder| builder)
    }

    fn with(algorithm: &str, settings: impl FnOnce(SidecarBuilder) -> SidecarBuilder) -> Self {
        Self::of(Sidecar::inbound(), algorithm, settings)
    }

    fn of(
        builder: SidecarBuilder,
        algorithm: &str,
        settings: impl FnOnce(SidecarBuilder) -> SidecarBuilder,
    ) -> Self {
        let key = TestKey::new(algorithm);
        let application = TcpListener::bind("127.0.0.1:0").unwrap();
        let builder = builder.keys(&[&key]).upstream(application.local_addr().unwrap());
        Self { sidecar: settings(builder).start(), application, key }
    }

    /// A session under the stage's key.
    fn open(&self) -> (Peer, Peer) {
        self.open_with(&self.key, "")
    }

    /// A session whose handshake bears more headers, each with its CRLF.
    fn open_with(&self, key: &TestKey, headers: &str) -> (Peer, Peer) {
        let mut client = self.sidecar.connect();
        client.send(handshake(&format!("{}{headers}", key.envelope(&key.fresh_iv()))).as_bytes());
        let (application, _) = self.agree("");
        let head = client.read_head().unwrap();
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        (Peer { wire: client, masks: true, partial: None }, application)
    }

    /// The application takes the next handshake, and shows it.
    fn take(&self) -> (Connection, String) {
        let mut wire = Connection::over(self.application.accept().unwrap().0);
        let head = wire.read_head().unwrap();
        (wire, head.into_iter().map(char::from).collect())
    }

    /// The application agrees to the next handshake, with more headers in its answer.
    fn agree(&self, headers: &str) -> (Peer, String) {
        let (mut wire, head) = self.take();
        let accept = accept_of(field(&head, "sec-websocket-key").expect("a handshake"));
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-accept: {accept}\r\n{headers}\r\n"
        );
        wire.send(answer.as_bytes());
        (Peer { wire, masks: false, partial: None }, head)
    }

    fn metric(&self, name: &str, labels: &str) -> f64 {
        let comma = if labels.is_empty() { "" } else { "," };
        self.sidecar.metric(&format!("alewife_websocket_{name}{{proxy=\"kitchen\"{comma}{labels}}}"))
    }

    /// The log's line about the only session so far; waits for it.
    fn session_line(&self) -> serde_json::Value {
        let find = || {
            let log = self.sidecar.log();
            log.lines().find(|line| line.contains("\"message\":\"session\"")).map(str::to_owned)
        };
        crate::support::eventually("the session is logged", || find().is_some());
        serde_json::from_str(&find().unwrap()).unwrap()
    }
}

/// A client's handshake with these headers, each with its CRLF.
fn handshake(headers: &str) -> String {
    handshake_to("/orders", headers)
}

fn handshake_to(target: &str, headers: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nhost: kitchen.test\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-key: {KEY}\r\nsec-websocket-version: 13\r\n{headers}\r\n"
    )
}

/// One end of a session.
struct Peer {
    wire: Connection,
    masks: bool,
    partial: Option<Message>,
}

impl Peer {
    fn send(&mut self, frame: Frame) {
        let bytes = self.bytes(frame);
        self.wire.send(&bytes);
    }

    /// A frame as this end puts it on the wire.
    fn bytes(&self, frame: Frame) -> Vec<u8> {
        if self.masks { frame.masked().bytes() } else { frame.bytes() }
    }

    fn text(&mut self, text: &str) {
        self.send(Frame::new(Opcode::Text, text));
    }

    fn try_next(&mut self) -> io::Result<Event> {
        self.wire.read_event(&mut self.partial)
    }

    fn next(&mut self) -> Event {
        self.try_next().expect("another frame")
    }

    /// The next is this text.
    fn gets_text(&mut self, text: &str) {
        assert_eq!(self.next(), Event::Message(Message::Text(text.into())));
    }

    /// The next opens to this.
    fn gets_sealed(&mut self, key: &TestKey, expected: &Message) {
        let opened = match self.next() {
            Event::Message(Message::Text(envelope)) => Message::Text(open(key, &envelope)),
            Event::Message(Message::Binary(envelope)) => Message::Binary(open(key, &envelope)),
            other => panic!("{other:?}"),
        };
        assert!(opened == *expected, "{} bytes are other than expected", length(&opened));
    }

    /// The next is a Close with this code and reason, or without any.
    fn gets_close(&mut self, expected: Option<(u16, &str)>) {
        let payload = expected
            .map_or(Vec::new(), |(code, reason)| [&code.to_be_bytes()[..], reason.as_bytes()].concat());
        let got = self.next();
        assert_eq!(got, Event::Close(payload));
    }

    /// The connection ends here, in order.
    fn gets_end(&mut self) {
        assert_eq!(self.try_next().expect_err("the end").kind(), io::ErrorKind::UnexpectedEof);
    }
}

fn length(message: &Message) -> usize {
    match message {
        Message::Text(payload) | Message::Binary(payload) => payload.len(),
    }
}

fn text(text: &str) -> Message {
    Message::Text(text.into())
}

/// An envelope as a client writes it.
fn sealed(key: &TestKey, plain: &[u8]) -> String {
    sealed_with(key, &key.fresh_iv(), plain)
}

fn sealed_with(key: &TestKey, iv: &[u8], plain: &[u8]) -> String {
    let message = encoding::base64_encode(&key.seal_with(iv, plain));
    let iv = encoding::base64_encode(iv);
    format!(r#"{{"iv":"{iv}","fingerprint":"{}","message":"{message}"}}"#, key.fingerprint)
}

/// The members of an envelope: IV, fingerprint, ciphertext.
fn members(envelope: &[u8]) -> (Vec<u8>, String, Vec<u8>) {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(envelope).unwrap();
    assert_eq!(object.len(), 3, "{object:?}");
    let member = |name: &str| object[name].as_str().unwrap().to_owned();
    let bytes = |name: &str| encoding::base64_decode(member(name).as_bytes()).expect("base64");
    (bytes("iv"), member("fingerprint"), bytes("message"))
}

fn open(key: &TestKey, envelope: &[u8]) -> Vec<u8> {
    let (iv, fingerprint, message) = members(envelope);
    assert_eq!(fingerprint, key.fingerprint);
    key.open_with(&iv, &message).expect("it opens")
}
