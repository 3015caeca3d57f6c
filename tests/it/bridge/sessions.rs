//! WebSocket sessions as no one would hold them by hand: what each end sends, and what it hears of the other.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex};
use std::thread;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::generated::{Bytes, long};
use crate::support::{Connection, Event, Frame, Message, Opcode, PATIENCE};

/// What an end sends.
#[derive(Clone, Debug)]
pub(super) struct Script {
    steps: Vec<Step>,
    /// Payload of the Close: nothing, or code and reason.
    close: Bytes,
    when: When,
}

/// When an end sends its Close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Right behind its messages.
    Eagerly,
    /// Once it has all messages of the other side, and the pong for its last ping.
    Served,
    /// Behind its messages, once the other side's Close came.
    Answering,
}

#[derive(Clone, Debug)]
enum Step {
    Message {
        opcode: Opcode,
        fragments: Vec<Bytes>,
        /// A ping after the first fragment.
        ping: Option<Bytes>,
    },
    Ping(Bytes),
    /// A pong that nobody asked for.
    Pong(Bytes),
}

/// What an end heard of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeardSession {
    pub(super) messages: Vec<Message>,
    /// `None` if the connection ended without one.
    pub(super) close: Option<Bytes>,
}

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

impl Script {
    pub(super) fn messages(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::Message { .. })).count()
    }

    fn pings(&self) -> Vec<&Bytes> {
        let pings = self.steps.iter().filter_map(|step| match step {
            Step::Message { ping, .. } => ping.as_ref(),
            Step::Ping(payload) => Some(payload),
            Step::Pong(_) => None,
        });
        pings.collect()
    }
}

/// Holds one end of a session; `theirs` is how many messages the other end sends.
pub(super) fn hold(mut connection: Connection, side: Side, script: &Script, theirs: usize) -> HeardSession {
    let writer = Writer {
        stream: Mutex::new((connection.stream.try_clone().unwrap(), false)),
        masked: side == Side::Client,
    };
    let progress = Progress::default();
    let heard = thread::scope(|scope| {
        scope.spawn(|| act(&writer, script, theirs, &progress));
        let heard = listen(&mut connection, &writer, script, &progress);
        progress.note(|seen| seen.over = true);
        heard
    });
    if side == Side::Server {
        let _ = connection.stream.shutdown(Shutdown::Write);
    }
    // The server ends the connection first (RFC 6455 §7.1.1); a late pong may still come.
    while connection.read_frame().is_ok() {}
    heard
}

fn act(writer: &Writer, script: &Script, theirs: usize, progress: &Progress) {
    for step in &script.steps {
        match step {
            Step::Message { opcode, fragments, ping } => writer.message(*opcode, fragments, ping.as_ref()),
            Step::Ping(payload) => writer.send(Frame::new(Opcode::Ping, &*payload.0)),
            Step::Pong(payload) => writer.send(Frame::new(Opcode::Pong, &*payload.0)),
        }
    }
    let last_ping = script.pings().last().copied();
    match script.when {
        When::Eagerly => {}
        When::Served => progress.wait(|seen| {
            seen.messages == theirs && last_ping.is_none_or(|ping| seen.last_pong.as_ref() == Some(&ping.0))
        }),
        When::Answering => progress.wait(|seen| seen.close),
    }
    writer.close(&script.close.0);
}

/// Reads up to the other side's Close or the end.
fn listen(from: &mut Connection, writer: &Writer, script: &Script, progress: &Progress) -> HeardSession {
    let mut heard = HeardSession { messages: Vec::new(), close: None };
    let pings = script.pings();
    let mut unanswered = &pings[..];
    let mut partial = None;
    while let Ok(event) = from.read_event(&mut partial) {
        match event {
            Event::Message(message) => {
                heard.messages.push(message);
                progress.note(|seen| seen.messages += 1);
            }
            Event::Ping(payload) => writer.send(Frame::new(Opcode::Pong, payload)),
            Event::Pong(payload) => {
                // "Ping and pong are answered per leg": in their order, some left out (RFC 6455 §5.5.3).
                if let Some(answered) = unanswered.iter().position(|ping| ping.0 == payload) {
                    unanswered = &unanswered[answered + 1..];
                    progress.note(|seen| seen.last_pong = Some(payload));
                }
            }
            Event::Close(payload) => {
                heard.close = Some(Bytes(payload));
                progress.note(|seen| seen.close = true);
                break;
            }
        }
    }
    heard
}

/// The sending half, in whole frames; after its Close it sends nothing.
struct Writer {
    stream: Mutex<(TcpStream, bool)>,
    masked: bool,
}

impl Writer {
    fn message(&self, opcode: Opcode, fragments: &[Bytes], ping: Option<&Bytes>) {
        for (at, fragment) in fragments.iter().enumerate() {
            let frame = Frame::new(if at == 0 { opcode } else { Opcode::Continuation }, &*fragment.0);
            self.send(if at + 1 == fragments.len() { frame } else { frame.unfinished() });
            if let (0, Some(ping)) = (at, ping) {
                self.send(Frame::new(Opcode::Ping, &*ping.0));
            }
        }
    }

    fn send(&self, frame: Frame) {
        let frame = if self.masked { frame.masked() } else { frame };
        let (stream, closed) = &mut *self.stream.lock().unwrap();
        if !*closed {
            // What the other end heard is what counts.
            let _ = stream.write_all(&frame.bytes());
        }
    }

    fn close(&self, payload: &[u8]) {
        self.send(Frame::new(Opcode::Close, payload));
        self.stream.lock().unwrap().1 = true;
    }
}

#[derive(Default)]
struct Progress {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    messages: usize,
    last_pong: Option<Vec<u8>>,
    close: bool,
    over: bool,
}

impl Progress {
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap());
        self.changed.notify_all();
    }

    /// Waits until `enough`, or until there is nothing more to hear.
    fn wait(&self, enough: impl Fn(&Seen) -> bool) {
        let seen = self.seen.lock().unwrap();
        let waited = self.changed.wait_timeout_while(seen, PATIENCE, |seen| !enough(seen) && !seen.over);
        assert!(!waited.unwrap().1.timed_out(), "the other end fell silent");
    }
}

/// What both ends do. One of them answers the other's Close, or both send theirs by themselves.
pub(super) fn scripts() -> impl Strategy<Value = (Script, Script)> {
    let closing = select(vec![
        (When::Eagerly, When::Answering),
        (When::Served, When::Answering),
        (When::Answering, When::Eagerly),
        (When::Answering, When::Served),
        (When::Eagerly, When::Eagerly),
    ]);
    (vec(steps(), 0..8), closes(), vec(steps(), 0..8), closes(), closing).prop_map(
        |(client, client_close, server, server_close, (client_when, server_when))| {
            let script = |steps, close, when| Script { steps, close, when };
            (script(client, client_close, client_when), script(server, server_close, server_when))
        },
    )
}

fn steps() -> impl Strategy<Value = Step> {
    let ping = || vec(any::<u8>(), 0..=125).prop_map(Bytes);
    let message = (payloads(), vec(any::<prop::sample::Index>(), 0..4), option::weighted(0.2, ping()));
    let message = message.prop_map(|((opcode, payload), cuts, ping)| Step::Message {
        opcode,
        fragments: cut(&payload, &cuts),
        ping,
    });
    prop_oneof![8 => message, 1 => ping().prop_map(Step::Ping), 1 => ping().prop_map(Step::Pong)]
}

fn payloads() -> impl Strategy<Value = (Opcode, Vec<u8>)> {
    let length = prop_oneof![Just(0usize), Just(125), Just(126), Just(65_535), Just(65_536)];
    prop_oneof![
        6 => "\\PC{0,60}|[\u{0}-\u{10ffff}]{0,20}".prop_map(|text| (Opcode::Text, text.into_bytes())),
        6 => vec(any::<u8>(), 0..200).prop_map(|bytes| (Opcode::Binary, bytes)),
        1 => (any::<u8>(), 1usize..150_000).prop_map(|(seed, length)| (Opcode::Binary, long(seed, length).0)),
        1 => length.prop_map(|length| (Opcode::Text, vec![b'x'; length])),
    ]
}

/// Fragments, some of them empty, and cut in the middle of characters too.
fn cut(payload: &[u8], cuts: &[prop::sample::Index]) -> Vec<Bytes> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
    at.extend([0, payload.len()]);
    at.sort_unstable();
    at.windows(2).map(|ends| Bytes(payload[ends[0]..ends[1]].to_vec())).collect()
}

fn closes() -> impl Strategy<Value = Bytes> {
    let code = prop_oneof![
        3 => select(vec![1000u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]),
        1 => 3000u16..=4999,
    ];
    let reason = "\\PC{0,30}|[a-zä🍜]{0,30}"
        .prop_filter("a control frame has 125 bytes", |reason| reason.len() <= 123);
    let coded =
        (code, reason).prop_map(|(code, reason)| [&code.to_be_bytes()[..], reason.as_bytes()].concat());
    prop_oneof![5 => coded.prop_map(Bytes), 1 => Just(Bytes(Vec::new()))]
}
