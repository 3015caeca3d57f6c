//! What passes while keys rotate: the clients of one proxy with their keys, and the application behind both.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use alewife::crypto::encoding::{base64_encode, iv_from_base64};
use alewife::crypto::{open, seal};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::echo;
use crate::fault::{Doing, Fault};
use crate::frames::{self, Frames, Opcode, frame};
use crate::message::{MessageKey, fresh_iv, open_message};
use crate::wire::{Messages, header};

const ORDER: usize = 256;
const BETWEEN_ORDERS: Duration = Duration::from_millis(20);
const BETWEEN_MESSAGES: Duration = Duration::from_millis(50);
/// How late an answer may be before it counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(10);
/// The new key and the two before it are handed out.
const HANDED_OUT: usize = 3;
/// Clients keep some more, for answers under way.
const KEPT: usize = 6;

/// The keys of one proxy's clients, oldest first.
pub(crate) struct Keys {
    name: &'static str,
    numbers: RefCell<Vec<u32>>,
    known: RefCell<Rc<Vec<MessageKey>>>,
    sealing: Cell<u32>,
    stopped: Cell<bool>,
}

impl Keys {
    pub(crate) fn new(name: &'static str, first: u32) -> Result<Self, Fault> {
        let (numbers, known) = (RefCell::default(), RefCell::default());
        let keys = Self { name, numbers, known, sealing: Cell::new(first), stopped: Cell::new(false) };
        keys.announce(first).map(|()| keys)
    }

    /// From now on clients open with this key as well.
    pub(crate) fn announce(&self, number: u32) -> Result<(), Fault> {
        let mut numbers = self.numbers.borrow_mut();
        numbers.push(number);
        let past = numbers.len().saturating_sub(KEPT);
        numbers.drain(..past);
        let known: Result<Vec<_>, _> = numbers.iter().copied().map(MessageKey::numbered).collect();
        self.known.replace(Rc::new(known?));
        Ok(())
    }

    /// From now on clients seal with the key announced last.
    pub(crate) fn switch(&self) {
        self.sealing.set(self.numbers.borrow().last().copied().unwrap_or_default());
    }

    /// Has the clients end after the answer that they wait for.
    pub(crate) fn stop(&self) {
        self.stopped.set(true);
    }

    /// The key file.
    pub(crate) fn file(&self) -> String {
        self.handed_out(|key, after| key.key_file_entry(&after)).concat()
    }

    /// The portal's document.
    pub(crate) fn document(&self) -> String {
        let keys = self.handed_out(|MessageKey { fingerprint, secret, .. }, after| {
            let value = base64_encode(secret);
            format!(r#"{{"fingerprint":"{fingerprint}","value":"{value}","valid_after":"{after}"}}"#)
        });
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    fn handed_out(&self, entry: impl Fn(&MessageKey, String) -> String) -> Vec<String> {
        let (numbers, known) = (self.numbers.borrow(), self.known.borrow());
        let past = numbers.len().saturating_sub(HANDED_OUT);
        let after = |number: u32| format!("2025-01-01T00:{:02}:{:02}Z", number / 60, number % 60);
        numbers.iter().zip(known.iter()).skip(past).map(|(&number, key)| entry(key, after(number))).collect()
    }

    fn known(&self) -> Rc<Vec<MessageKey>> {
        Rc::clone(&self.known.borrow())
    }

    /// Where among the known ones the key stands that seals now.
    fn sealing(&self) -> usize {
        let sealing = self.sealing.get();
        self.numbers.borrow().iter().position(|&number| number == sealing).unwrap_or_default()
    }
}

/// What clients count.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    /// There and back.
    pub(crate) messages: u64,
    /// Longest time to an answer.
    pub(crate) slowest: Duration,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.messages += other.messages;
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// An answer that was refused, wrong, or did not come.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {fault}")]
pub(crate) struct Lost {
    place: String,
    fault: Fault,
}

impl Lost {
    pub(crate) fn died() -> Self {
        Self { place: "a client".to_owned(), fault: wrong("it ended before its time") }
    }
}

/// One connection with orders, each of which must come back as it was.
pub(crate) async fn orders(address: SocketAddr, number: usize, keys: Rc<Keys>) -> Result<Tally, Lost> {
    let name = keys.name;
    let lost =
        |what: String| move |fault| Lost { place: format!("proxy {name}, connection {number}{what}"), fault };
    let mut stream = TcpStream::connect(address).await.doing("connecting").map_err(lost(String::new()))?;
    let mut messages = Messages::new();
    let mut tick = interval(BETWEEN_ORDERS);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tally = Tally::default();
    while !keys.stopped.get() {
        tick.tick().await;
        let (known, at, began) = (keys.known(), keys.sealing(), Instant::now());
        let text = format!("{:ORDER$}", format!("connection {number}, order {}", tally.requests));
        let here = || lost(format!(", order {} under {}", tally.requests, known[at].fingerprint));
        let answer =
            timeout(LOST_AFTER, order(&mut stream, &mut messages, &known[at], text.as_bytes())).await;
        answer.unwrap_or(Err(wrong("no answer came within 10 s"))).map_err(here())?;
        tally.requests += 1;
        tally.slowest = tally.slowest.max(began.elapsed());
    }
    Ok(tally)
}

async fn order(
    stream: &mut TcpStream,
    messages: &mut Messages,
    key: &MessageKey,
    text: &[u8],
) -> Result<(), Fault> {
    let iv = fresh_iv();
    let sealed = seal(&key.key, &iv, &[], text).map_err(|_| wrong("an order does not seal"))?;
    let (iv_text, fingerprint, length) = (base64_encode(&iv), &key.fingerprint, sealed.len());
    let mut request = format!(
        "POST /orders HTTP/1.1\r\nhost: kitchen\r\nsec-iv: {iv_text}\r\nsec-fingerprint: {fingerprint}\r\n\
         content-type: text/plain\r\ncontent-length: {length}\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(&sealed);
    stream.write_all(&request).await.doing("sending an order")?;
    let look = |head: &[u8]| (head.to_vec(), header(head, "sec-iv").map(str::to_owned));
    let head = messages.head(stream, look).await.doing("waiting for an answer")?;
    let ((head, sec_iv), framing) = head.ok_or(wrong("the connection was closed"))?;
    let mut body = Vec::new();
    let read = messages.body(stream, framing, |piece| body.extend_from_slice(piece)).await;
    read.doing("reading an answer")?;
    if !head.starts_with(b"HTTP/1.1 200 ") {
        eprintln!("{}\n{}", String::from_utf8_lossy(&head), String::from_utf8_lossy(&body));
        return Err(wrong("an order was refused, with what stands above"));
    }
    let iv = sec_iv.and_then(|text| iv_from_base64(text.as_bytes())).ok_or(wrong("an answer has no IV"))?;
    let opened = open(&key.key, iv.as_bytes(), &[], &body);
    let opened = opened.map_err(|_| wrong("an answer does not open"))?;
    if opened[..] == *text { Ok(()) } else { Err(wrong("another answer came")) }
}

/// One session with messages, each of which must come back as it was.
pub(crate) async fn session(address: SocketAddr, number: usize, keys: Rc<Keys>) -> Result<Tally, Lost> {
    let name = keys.name;
    let lost =
        |what: String| move |fault| Lost { place: format!("proxy {name}, session {number}{what}"), fault };
    let (mut stream, mut frames) = begin(address, &keys).await.map_err(lost(String::new()))?;
    let mut tick = interval(BETWEEN_MESSAGES);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tally = Tally::default();
    while !keys.stopped.get() {
        tick.tick().await;
        let (known, at, began) = (keys.known(), keys.sealing(), Instant::now());
        let text = format!("{:ORDER$}", format!("session {number}, message {}", tally.messages));
        let here = || lost(format!(", message {} under {}", tally.messages / 2, known[at].fingerprint));
        let sent = known[at].seal(text.as_bytes()).map_err(here())?;
        let sent = frame(1, true, &sent);
        stream.write_all(&sent).await.doing("sending a message").map_err(here())?;
        let answer = timeout(LOST_AFTER, next_text(&mut stream, &mut frames)).await;
        let answer = answer.unwrap_or(Err(wrong("no answer came within 10 s"))).map_err(here())?;
        if open_message(&keys.known(), &answer).map_err(here())? != text.as_bytes() {
            return Err(here()(wrong("another message came")));
        }
        tally.messages += 2;
        tally.slowest = tally.slowest.max(began.elapsed());
    }
    Ok(tally)
}

async fn begin(address: SocketAddr, keys: &Keys) -> Result<(TcpStream, Frames), Fault> {
    let mut stream = TcpStream::connect(address).await.doing("connecting a session")?;
    stream.set_nodelay(true).doing("connecting a session")?;
    let mut frames = Frames::new();
    let fields = keys.known()[keys.sealing()].fields();
    let accepted = frames::open(&mut stream, &mut frames, &fields).await.doing("opening a session")?;
    if accepted { Ok((stream, frames)) } else { Err(wrong("a handshake was refused")) }
}

async fn next_text(stream: &mut TcpStream, frames: &mut Frames) -> Result<Vec<u8>, Fault> {
    loop {
        match frames.next(stream).await.doing("waiting for a message")? {
            (Opcode::Text, payload) => return Ok(frames.payload(payload).to_vec()),
            (Opcode::Ping, payload) => {
                let pong = frame(10, true, frames.payload(payload));
                stream.write_all(&pong).await.doing("answering a ping")?;
            }
            (Opcode::Close, payload) => {
                eprintln!("closed with {:?}", String::from_utf8_lossy(frames.payload(payload)));
                return Err(wrong("a session was closed, with what stands above"));
            }
            (Opcode::Other, _) => return Err(wrong("a frame came that nobody sends")),
        }
    }
}

/// Starts the application, which sends back what it gets.
pub(crate) async fn application() -> Result<SocketAddr, Fault> {
    let listener = TcpListener::bind("127.0.0.1:0").await.doing("starting the application")?;
    let address = listener.local_addr().doing("starting the application")?;
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // What breaks here, the clients miss.
            spawn_local(async move { serve(stream).await.unwrap_or_default() });
        }
    });
    Ok(address)
}

/// Orders until a handshake comes, and then a session.
async fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut messages = Messages::new();
    loop {
        let mut first = [0];
        stream.peek(&mut first).await?;
        if first == *b"G" {
            return echo::serve(stream).await;
        }
        let Some(((), framing)) = messages.head(&mut stream, |_| ()).await? else { return Ok(()) };
        let mut body = Vec::new();
        messages.body(&mut stream, framing, |piece| body.extend_from_slice(piece)).await?;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length:";
        let mut reply = format!("{head} {}\r\n\r\n", body.len()).into_bytes();
        reply.extend_from_slice(&body);
        stream.write_all(&reply).await?;
    }
}

fn wrong(detail: &'static str) -> Fault {
    Fault::Reply { who: "alewife", detail }
}
