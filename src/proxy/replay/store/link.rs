//! The task that has one worker's connection to the store: questions go out as they come, answers come in their order.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use rand::RngExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::connect::{StoreFault, Wire, connect};
use super::resp::{self, Reply};
use super::{Ask, Store, Told};

/// For a connection, TLS and the greeting.
const CONNECTING: Duration = Duration::from_secs(2);
/// A server that has been silent for so many times as long as an answer may take will not answer any more.
const SILENT: u32 = 50;
const LONGEST_SILENCE: Duration = Duration::from_secs(30);
/// Between two attempts to connect: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Bytes that may wait to be written before no more questions are taken.
const MOST_UNWRITTEN: usize = 64 * 1024;

/// Answers questions until nobody can ask any more. Without a connection they are dropped, which is an answer too.
pub(super) async fn run(store: Store, mut asks: UnboundedReceiver<Ask>) {
    let Store { config, health, lasts, .. } = store;
    let mut pause = FIRST_PAUSE;
    while let Some(first) = asks.recv().await {
        let connected = timeout(CONNECTING, connect(&config)).await;
        let fault = match connected.unwrap_or(Err(StoreFault::Silent)) {
            Ok(wire) => {
                health.answers();
                pause = FIRST_PAUSE;
                let link = Link::new(wire, config.timeout, Arc::clone(&lasts));
                match link.carry(first, &mut asks).await {
                    // It was at rest: the next question finds out why it ended.
                    Ended::Quietly => continue,
                    Ended::By(fault) => fault,
                }
            }
            Err(fault) => {
                drop(first);
                fault
            }
        };
        health.is_lost(&fault);
        let jitter = rand::rng().random_range(0.75..1.25);
        let until = Instant::now() + pause.mul_f64(jitter);
        pause = (pause * 2).min(LONGEST_PAUSE);
        // Who asks meanwhile need not wait for nothing.
        while let Ok(Some(ask)) = timeout_at(until, asks.recv()).await {
            drop(ask);
        }
    }
}

/// How a connection ended.
enum Ended {
    Quietly,
    By(StoreFault),
}

/// A connection that works.
struct Link {
    reader: ReadHalf<Wire>,
    writer: WriteHalf<Wire>,
    /// How long an answer may take before nothing more is asked.
    patience: Duration,
    lasts: Arc<str>,
    input: BytesMut,
    output: Vec<u8>,
    written: usize,
    is_unflushed: bool,
    sent: VecDeque<Sent>,
}

/// A command that is not answered yet.
struct Sent {
    at: Instant,
    /// `None` for a key that was taken back.
    ask: Option<Ask>,
}

impl Link {
    fn new(wire: Wire, patience: Duration, lasts: Arc<str>) -> Self {
        let (reader, writer) = tokio::io::split(wire);
        Self {
            reader,
            writer,
            patience,
            lasts,
            input: BytesMut::new(),
            output: Vec::new(),
            written: 0,
            is_unflushed: false,
            sent: VecDeque::new(),
        }
    }

    async fn carry(mut self, first: Ask, asks: &mut UnboundedReceiver<Ask>) -> Ended {
        self.put(first);
        loop {
            if let Err(fault) = self.step(asks).await {
                return match fault {
                    // Nobody waits for anything.
                    StoreFault::Io(_) if self.sent.is_empty() || asks.is_closed() => Ended::Quietly,
                    fault => Ended::By(fault),
                };
            }
        }
    }

    /// Waits for whatever comes next, and does what it asks for.
    async fn step(&mut self, asks: &mut UnboundedReceiver<Ask>) -> Result<(), StoreFault> {
        let unwritten = self.output.len() - self.written;
        let overdue = self.sent.front().map(|oldest| oldest.at + self.longest_silence());
        tokio::select! {
            read = self.reader.read_buf(&mut self.input) => match read? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                _ => self.take_replies()?,
            },
            ask = asks.recv(), if unwritten < MOST_UNWRITTEN => match ask {
                Some(ask) => {
                    self.put(ask);
                    while let Ok(ask) = asks.try_recv() {
                        self.put(ask);
                    }
                }
                None => return Err(io::Error::from(io::ErrorKind::NotConnected).into()),
            },
            written = write_or_flush(&mut self.writer, &self.output[self.written..]),
                if unwritten > 0 || self.is_unflushed =>
            {
                self.wrote(written?)?;
            }
            () = sleep_until(overdue.unwrap_or_else(Instant::now)), if overdue.is_some() => {
                return Err(StoreFault::Silent);
            }
        }
        Ok(())
    }

    fn longest_silence(&self) -> Duration {
        self.patience.saturating_mul(SILENT).min(LONGEST_SILENCE)
    }

    /// Sends a question, unless neither the answer is wanted nor that the store knows of the message, or earlier ones are
    /// late: who asks then need not wait for nothing, and nothing piles up.
    fn put(&mut self, ask: Ask) {
        let is_late = self.sent.front().is_some_and(|oldest| oldest.at.elapsed() >= self.patience);
        let is_wanted = !ask.answer.is_closed() || ask.stands.load(Ordering::Relaxed);
        if is_late || !is_wanted {
            return;
        }
        let words: [&[u8]; 6] = [b"SET", ask.key.as_bytes(), b"1", b"NX", b"PX", self.lasts.as_bytes()];
        resp::command(&words, &mut self.output);
        self.sent.push_back(Sent { at: Instant::now(), ask: Some(ask) });
    }

    fn wrote(&mut self, written: Written) -> Result<(), StoreFault> {
        self.is_unflushed = match written {
            Written::Bytes(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            Written::Bytes(count) => {
                self.written += count;
                true
            }
            Written::Flushed => false,
        };
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
        }
        Ok(())
    }

    fn take_replies(&mut self) -> Result<(), StoreFault> {
        while let Some(reply) = resp::reply(&mut self.input)? {
            let Some(Sent { ask, .. }) = self.sent.pop_front() else { return Err(resp::NotRedis.into()) };
            match reply {
                Reply::Done => self.answer(ask, Told::First),
                Reply::Nothing => self.answer(ask, Told::Known),
                Reply::Refused(why) => return Err(StoreFault::Refused(why)),
            }
        }
        Ok(())
    }

    /// Where nobody waited for it any more, and the message has gone no further, its key is taken back, so that the message
    /// may be sent again.
    fn answer(&mut self, ask: Option<Ask>, told: Told) {
        let Some(Ask { key, answer, stands }) = ask else { return };
        if answer.send(told).is_err() && told == Told::First && !stands.load(Ordering::Relaxed) {
            resp::command(&[b"DEL", key.as_bytes()], &mut self.output);
            self.sent.push_back(Sent { at: Instant::now(), ask: None });
        }
    }
}

/// What became of bytes that were to be written.
enum Written {
    Bytes(usize),
    Flushed,
}

/// TLS keeps what the socket does not take yet, so what was written is flushed as well.
async fn write_or_flush(writer: &mut WriteHalf<Wire>, bytes: &[u8]) -> io::Result<Written> {
    if bytes.is_empty() {
        return writer.flush().await.map(|()| Written::Flushed);
    }
    writer.write(bytes).await.map(Written::Bytes)
}
