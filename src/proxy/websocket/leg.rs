//! One of a session's two connections: its frames, and how far they have come.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::held::Held;
use super::liveness::Liveness;
use super::outbox::{HIGH_WATER, LARGE, Outbox};
use super::scratch;
use crate::net::{NoCapacity, PeerAccount};
use crate::websocket::{Close, Decoder, Encoder, Event, FrameFault, Kind, Message, Role};

/// How long a leg whose last word is said is read on, so that it is not lost in a reset.
const LINGER: Duration = Duration::from_secs(2);

/// A leg that speaks WebSocket with `wire`'s other end.
pub(super) struct Leg<W> {
    wire: W,
    own_role: Role,
    decoder: Decoder,
    outbox: Outbox,
    /// Bytes that were read, and are decoded once the other leg takes more.
    unread: BytesMut,
    /// The answer to the last Ping, where there was no room for it (RFC 6455 §5.5.3).
    pong: Option<Bytes>,
    /// What the peer is to be told of its last message, where there was no room for it.
    reply: Option<&'static str>,
    reading: Reading,
    writing: Writing,
    pub(super) liveness: Liveness,
    /// Since when the peer has taken nothing of what waits.
    stalled: Option<Instant>,
    /// When everything was said that will be.
    ended: Option<Instant>,
    held: Held,
}

/// What may still come from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Messages,
    /// Its Close has come.
    Closed,
    /// What it says does not count any more.
    Ignored,
    /// The connection is at its end.
    Gone,
}

/// What may still go to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Messages,
    /// A Close is the last in the outbox.
    Close,
    /// What is in the outbox, and then the end of the connection without a Close.
    End,
    /// All of it was written, and the peer told that nothing follows.
    Nothing,
}

/// What a leg has for the session.
#[derive(Debug)]
pub(super) enum Came {
    /// To be carried over.
    Message(Message),
    /// The peer's last word.
    Close(Option<Close>),
    /// The peer broke the rules.
    Fault(FrameFault),
    /// There is no room for its unfinished message.
    NoCapacity,
}

impl<W: AsyncRead + AsyncWrite + Unpin> Leg<W> {
    /// `peer` is what the other end of `wire` is, and `are_sealed` whether it speaks in envelopes; of its messages at
    /// most `max_message` bytes are taken.
    pub(super) fn new(
        wire: W,
        peer: Role,
        are_sealed: bool,
        max_message: u64,
        ping_interval: Option<Duration>,
        account: Arc<PeerAccount>,
    ) -> Self {
        let own_role = match peer {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        Self {
            wire,
            own_role,
            decoder: Decoder::new(peer, max_message),
            outbox: Outbox::default(),
            unread: BytesMut::new(),
            pong: None,
            reply: None,
            reading: Reading::Messages,
            writing: Writing::Messages,
            liveness: Liveness::new(ping_interval, Instant::now()),
            stalled: None,
            ended: None,
            held: Held::new(account, are_sealed),
        }
    }

    /// Whether the peer may still say something that counts.
    pub(super) fn is_heard(&self) -> bool {
        self.reading == Reading::Messages
    }

    /// Whether an answer to the peer waits for room, so that it is not to be asked for more.
    pub(super) fn owes_reply(&self) -> bool {
        self.reply.is_some()
    }

    /// Whether messages for the peer are still taken.
    pub(super) fn is_open(&self) -> bool {
        self.writing == Writing::Messages
    }

    /// Whether so much waits for the peer that nothing more is to be fetched for it.
    pub(super) fn is_full(&self) -> bool {
        self.outbox.len() >= HIGH_WATER
    }

    /// Whether the peer is in the middle of nothing, as far as is known.
    pub(super) fn is_between_messages(&self) -> bool {
        !self.is_heard() || (self.unread.is_empty() && self.decoder.is_between_messages())
    }

    /// Whether there is nothing more to do.
    pub(super) fn is_over(&self) -> bool {
        self.writing == Writing::Nothing && self.reading == Reading::Gone
    }

    /// Puts into `buffer` what was left from last time, or else what comes; `false` at the end of the connection.
    pub(super) fn poll_fill(&mut self, buffer: &mut BytesMut, cx: &mut Context<'_>) -> Poll<bool> {
        if !self.unread.is_empty() {
            buffer.extend_from_slice(&std::mem::take(&mut self.unread));
            return Poll::Ready(true);
        }
        let read = ready!(pin!(self.wire.read_buf(buffer)).poll(cx));
        self.liveness.hears(Instant::now());
        Poll::Ready(read.is_ok_and(|count| count > 0))
    }

    /// The next that came in `buffer`; Pings are answered here. After `None` the buffer is empty.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Option<Came> {
        loop {
            let came = match self.decoder.decode(buffer) {
                Ok(Some(Event::Message(message))) => {
                    self.held.assembling_ends();
                    return Some(Came::Message(message));
                }
                Ok(Some(Event::Ping(payload))) => {
                    self.answer(payload);
                    continue;
                }
                Ok(Some(Event::Pong(_))) => continue,
                Ok(Some(Event::Close(close))) => {
                    self.reading = Reading::Closed;
                    self.held.assembling_ends();
                    return Some(Came::Close(close));
                }
                Ok(None) => {
                    self.held.assembling(self.decoder.held()).err()?;
                    Came::NoCapacity
                }
                Err(fault) => Came::Fault(fault),
            };
            self.ignore();
            return Some(came);
        }
    }

    /// Keeps what is left in `buffer` until the other leg takes more.
    pub(super) fn keep(&mut self, buffer: &[u8]) {
        if self.is_heard() && !buffer.is_empty() {
            // A copy, so that the buffer stays free for others.
            self.unread = BytesMut::from(buffer);
        }
    }

    /// Puts a message into the outbox.
    pub(super) fn send(&mut self, mut message: Message) {
        let encoder = Encoder::new(self.own_role);
        let Message { kind, payload } = &mut message;
        if payload.len() < LARGE {
            self.outbox.append(|out| encoder.message(*kind, payload, out, &mut rand::rng()));
        } else {
            self.outbox.append(|out| encoder.message_in_place(*kind, payload, out, &mut rand::rng()));
            self.outbox.push(message.payload);
        }
    }

    /// Answers the peer's last message with a text.
    pub(super) fn reply(&mut self, text: &'static str) {
        if !self.is_open() {
            return;
        }
        if self.is_full() {
            self.reply = Some(text);
        } else {
            self.write(|encoder, out| encoder.message(Kind::Text, text.as_bytes(), out, &mut rand::rng()));
        }
    }

    /// Has `write` put frames into the outbox.
    pub(super) fn write<T>(&mut self, write: impl FnOnce(Encoder, &mut BytesMut) -> T) -> T {
        let encoder = Encoder::new(self.own_role);
        self.outbox.append(|out| write(encoder, out))
    }

    /// Pays for what waits for the peer where that is much.
    pub(super) fn hold_waiting(&mut self) -> Result<(), NoCapacity> {
        self.held.waiting(self.outbox.len())
    }

    /// Pays for a message of the peer's that is whole and waits.
    pub(super) fn hold_pending(&mut self, bytes: usize) -> Result<(), NoCapacity> {
        self.held.assembling(bytes)
    }

    /// It waits no more.
    pub(super) fn hold_pending_ends(&mut self) {
        self.held.assembling_ends();
    }

    /// Puts a Ping into the outbox.
    pub(super) fn ping(&mut self) {
        if self.is_open() {
            self.write(|encoder, out| encoder.ping(&[], out, &mut rand::rng()));
        }
    }

    /// Puts a Close behind what waits; nothing follows it.
    pub(super) fn close(&mut self, close: Option<&Close>) {
        if self.is_open() {
            self.write(|encoder, out| encoder.close(close, out, &mut rand::rng()));
            self.writing = Writing::Close;
            self.forget_answers();
        }
    }

    /// Has the connection end behind what waits, without a Close.
    pub(super) fn end(&mut self) {
        if self.is_open() {
            self.writing = Writing::End;
            self.forget_answers();
        }
        self.ignore();
    }

    /// What the peer says does not count any more.
    pub(super) fn ignore(&mut self) {
        if self.is_heard() {
            self.reading = Reading::Ignored;
            self.unread = BytesMut::new();
            self.held.assembling_ends();
        }
    }

    /// Gives the connection up.
    pub(super) fn give_up(&mut self) {
        self.ignore();
        self.reading = Reading::Gone;
        self.cut_off();
        self.stalled = None;
    }

    /// The peer takes no more. What it has said before is still to be heard, for as long as it has to take something.
    pub(super) fn cut_off(&mut self) {
        self.writing = Writing::Nothing;
        self.outbox.clear();
        self.held.waiting_ends();
        self.forget_answers();
        self.stalled.get_or_insert_with(Instant::now);
    }

    /// Writes what the peer takes, and says whether it took any. After an error it takes no more.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut has_written = false;
        while !self.outbox.is_empty() {
            let before = self.outbox.len();
            let written = self.outbox.poll_write(&mut self.wire, cx)?;
            let progress = self.outbox.len() < before || written.is_ready();
            has_written |= progress;
            if progress {
                self.stalled = None;
            }
            if written.is_pending() {
                self.stalled.get_or_insert_with(Instant::now);
            }
            self.give_answers();
            if written.is_pending() {
                break;
            }
        }
        if has_written && !self.is_full() {
            self.held.waiting_ends();
        }
        Ok(has_written)
    }

    /// Ends the connection once everything is said.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) {
        let all_said = !self.is_heard() && !self.is_open() && self.outbox.is_empty();
        if !all_said || self.is_over() {
            return;
        }
        self.ended.get_or_insert_with(Instant::now);
        // RFC 6455 §7.1.1: where both have said Close, it is the server who ends the connection first.
        let server_ends = self.own_role == Role::Client
            && (self.writing, self.reading) == (Writing::Close, Reading::Closed);
        if self.writing != Writing::Nothing && !server_ends {
            match Pin::new(&mut self.wire).poll_shutdown(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => self.writing = Writing::Nothing,
                Poll::Ready(Err(_gone)) => return self.give_up(),
            }
        }
        let mut buffer = scratch::take();
        loop {
            buffer.clear();
            match pin!(self.wire.read_buf(&mut buffer)).poll(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(count)) if count > 0 => {}
                Poll::Ready(_) => break self.give_up(),
            }
        }
        scratch::give_back(buffer);
    }

    /// When the peer will have had its time, to take what waits or to end the connection.
    pub(super) fn due(&self, taking: Duration) -> Option<Instant> {
        let ended = self.ended.filter(|_| !self.is_over()).map(|ended| ended + LINGER);
        let stalled = self.stalled.map(|stalled| stalled + taking);
        ended.into_iter().chain(stalled).min()
    }

    /// Puts what waited for room into the outbox.
    fn give_answers(&mut self) {
        if self.is_full() {
            return;
        }
        if let Some(payload) = self.pong.take() {
            self.answer(payload);
        }
        if let Some(text) = self.reply.take() {
            self.reply(text);
        }
    }

    fn forget_answers(&mut self) {
        self.pong = None;
        self.reply = None;
    }

    /// RFC 6455 §5.5.3: where several Pings wait for an answer, the last one's is enough.
    fn answer(&mut self, payload: Bytes) {
        if !self.is_open() {
            return;
        }
        if self.is_full() {
            self.pong = Some(payload);
        } else {
            self.write(|encoder, out| encoder.pong(&payload, out, &mut rand::rng()));
        }
    }
}
