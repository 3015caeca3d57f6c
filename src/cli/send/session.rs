//! A WebSocket after its handshake: lines out, messages in, each sealed (P7).

use std::io::Write;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use tokio::time::{sleep, timeout};

use super::super::complain;
use super::super::key_file::KeysArg;
use super::super::pipe::{PIECE, harmless};
use super::fault::SendFault;
use super::output::Output;
use super::show::Show;
use crate::ale::{ClearError, MessageSession, OpenedMessage};
use crate::crypto::encoding;
use crate::keys::KeyRing;
use crate::websocket::{Close, Decoder, Encoder, Event, Kind, Message, Role};

/// The longest message that is taken, sealed; it is held in memory.
const LONGEST_MESSAGE: u64 = 64 * 1024 * 1024;

/// With more than this still to be written, no further line is read.
const WAITING: usize = 256 * 1024;

/// How long nothing may move once this side has sent its Close.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How long a server is given to take what is still to be written.
const FAREWELL: Duration = Duration::from_secs(1);

/// The end that both sides meant.
const NORMAL: u16 = 1000;

/// How a message that is no text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Binary {
    /// A line of hex
    Hex,
    /// Its bytes, and no line end
    Raw,
}

/// Both directions of one session.
pub(super) struct Session<'k, W> {
    pub(super) keys: &'k KeysArg,
    pub(super) ring: KeyRing,
    pub(super) messages: MessageSession,
    pub(super) binary: Binary,
    pub(super) silent: bool,
    pub(super) output: Output,
    pub(super) show: Show<W>,
}

impl<W: Write> Session<'_, W> {
    /// Goes on until both sides have said Close.
    pub(super) async fn run(self, stream: TokioIo<Upgraded>) -> Result<(), SendFault> {
        let (reader, writer) = tokio::io::split(stream);
        let mut legs = Legs { reader, writer, read: BytesMut::new(), out: BytesMut::new() };
        let mut talk = Talk { session: self, refused: 0, said_close: false };
        let ended = talk.run(&mut legs).await;
        match &ended {
            Ok(()) | Err(SendFault::Closed(_) | SendFault::Connection(_) | SendFault::NoClose) => {}
            Err(SendFault::Frame(fault)) => talk.close(fault.close_code(), &mut legs.out),
            Err(_) => talk.close(Close::GOING_AWAY, &mut legs.out),
        }
        // A Close above all.
        let _ = timeout(FAREWELL, legs.finish()).await;
        match (ended, talk.refused) {
            (Ok(()), 1..) => Err(SendFault::Messages(talk.refused)),
            (ended, _) => ended,
        }
    }
}

/// The connection, and what is on its way.
struct Legs {
    reader: ReadHalf<TokioIo<Upgraded>>,
    writer: WriteHalf<TokioIo<Upgraded>>,
    read: BytesMut,
    out: BytesMut,
}

impl Legs {
    async fn finish(&mut self) -> std::io::Result<()> {
        self.writer.write_all_buf(&mut self.out).await?;
        self.writer.shutdown().await
    }
}

/// A session under way.
struct Talk<'k, W> {
    session: Session<'k, W>,
    /// Messages that did not open.
    refused: u64,
    said_close: bool,
}

impl<W: Write> Talk<'_, W> {
    /// Reads, writes and takes lines, whichever can go on: a server that waits for us to read must not wait for long.
    async fn run(&mut self, legs: &mut Legs) -> Result<(), SendFault> {
        let mut frames = Decoder::new(Role::Server, LONGEST_MESSAGE);
        let mut lines = BufReader::new(tokio::io::stdin()).split(b'\n');
        loop {
            legs.read.reserve(PIECE);
            tokio::select! {
                read = legs.reader.read_buf(&mut legs.read) => {
                    if read.map_err(SendFault::Connection)? == 0 {
                        return Err(SendFault::NoClose);
                    }
                    while let Some(event) = frames.decode(&mut legs.read)? {
                        if self.take(event, &mut legs.out)? == Course::Over {
                            return Ok(());
                        }
                    }
                }
                written = legs.writer.write_buf(&mut legs.out), if legs.out.has_remaining() => {
                    written.map_err(SendFault::Connection)?;
                }
                line = lines.next_segment(), if !self.said_close && legs.out.len() < WAITING => {
                    let named = |source| SendFault::File { name: "standard input".to_owned(), source };
                    match line.map_err(named)? {
                        Some(line) => self.say(&line, &mut legs.out)?,
                        None => self.close(NORMAL, &mut legs.out),
                    }
                }
                () = sleep(LAST_WORDS), if self.said_close => return Err(SendFault::TimedOut(LAST_WORDS)),
            }
        }
    }

    /// Seals one line.
    fn say(&mut self, line: &[u8], out: &mut BytesMut) -> Result<(), SendFault> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if std::str::from_utf8(line).is_err() {
            return Err(SendFault::LineNotUtf8);
        }
        let Session { messages, ring, keys, show, .. } = &mut self.session;
        let sealing = messages.sealing(ring, Timestamp::now());
        let sealing = sealing.map_err(|_none| keys.no_sealing_key())?;
        let mut envelope = BytesMut::with_capacity(sealing.sealed_len(line.len()));
        let about = format!("a text, sealed under {}:", sealing.key().fingerprint);
        sealing.seal(line, &mut envelope)?;
        show.sent_message(&about, &envelope);
        Encoder::new(Role::Client).message(Kind::Text, &envelope, out, &mut rand::rng());
        Ok(())
    }

    fn close(&mut self, code: u16, out: &mut BytesMut) {
        if !self.said_close {
            self.said_close = true;
            Encoder::new(Role::Client).close(Close::new(code, "").as_ref(), out, &mut rand::rng());
            self.session.show.note(&format!("a close with {code} goes out"));
        }
    }

    fn take(&mut self, event: Event, out: &mut BytesMut) -> Result<Course, SendFault> {
        match event {
            Event::Message(message) => self.hear(&message)?,
            // A server that takes nothing is owed no answers (RFC 6455 §5.5.3 asks for one to the latest only).
            Event::Ping(_) if out.len() >= WAITING => self.session.show.note("a ping"),
            Event::Ping(payload) => {
                Encoder::new(Role::Client).pong(&payload, out, &mut rand::rng());
                self.session.show.note("a ping, which is answered");
            }
            Event::Pong(_) => self.session.show.note("a pong"),
            Event::Close(close) => return self.end(close, out),
        }
        Ok(Course::On)
    }

    /// RFC 6455 §5.5.1: a Close is answered with its own code, unless it is an answer itself.
    fn end(&mut self, close: Option<Close>, out: &mut BytesMut) -> Result<Course, SendFault> {
        let code = close.as_ref().map_or(NORMAL, Close::code);
        self.session.show.note(&format!("a close with {code} came"));
        self.close(code, out);
        match close {
            Some(close) if !matches!(code, NORMAL | Close::GOING_AWAY) => Err(SendFault::Closed(close)),
            _ => Ok(Course::Over),
        }
    }

    /// Prints what a message says; one that says nothing that can be believed is counted and told.
    fn hear(&mut self, message: &Message) -> Result<(), SendFault> {
        let Session { messages, ring, show, .. } = &mut self.session;
        show.received_message(message.kind, &message.payload);
        match messages.open(&message.payload, ring, Timestamp::now()) {
            Ok(opened) => self.print(message.kind, &opened),
            Err(refusal) => {
                match ClearError::in_message(&message.payload) {
                    Some(error) => self.complain_of_clear(&error),
                    None => self.refuse(&refusal),
                }
                Ok(())
            }
        }
    }

    fn print(&mut self, kind: Kind, opened: &OpenedMessage) -> Result<(), SendFault> {
        let is_text = kind == Kind::Text && std::str::from_utf8(&opened.plaintext).is_ok();
        if kind == Kind::Text && !is_text && opened.is_authenticated() {
            self.refuse(&"it is a text, and yet not UTF-8");
            return Ok(());
        }
        let output = &mut self.session.output;
        match self.session.binary {
            _ if is_text => output.write(&[&opened.plaintext[..], b"\n"].concat()),
            Binary::Hex => output.write(format!("{}\n", encoding::hex_encode(&opened.plaintext)).as_bytes()),
            Binary::Raw => output.write(&opened.plaintext),
        }
    }

    fn refuse(&mut self, why: &dyn std::fmt::Display) {
        self.refused += 1;
        self.say_on_stderr(&format!("a message is not shown, it does not open: {why}"));
    }

    /// P5: nothing vouches for such an error.
    fn complain_of_clear(&self, error: &ClearError) {
        let error = harmless(error);
        self.say_on_stderr(&format!(
            "an error in clear, which anybody on the way could have written: {error}"
        ));
    }

    fn say_on_stderr(&self, what: &str) {
        if !self.session.silent {
            complain(&format!("alewife send: {what}"));
        }
    }
}

/// Whether a session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    On,
    Over,
}
