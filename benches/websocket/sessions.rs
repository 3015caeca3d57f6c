//! Many sessions at once, each with a message a second, while the keys are reloaded: nothing may be lost or change
//! places, and a session may cost so much memory and no more.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::fault::{Doing, Fault};
use crate::frames::{Frames, Opcode, frame, open};
use crate::message::{MessageKey, open_message};
use crate::{alewife, echo};

const MESSAGE: usize = 256;
const TICK: Duration = Duration::from_secs(1);
/// How late an answer may be before its message counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(10);
/// From `valid_after` of the first key to that of the second, which the proxy prefers.
const VALID_AFTER: [&str; 3] = ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2025-01-01T00:00:00Z"];

/// What was seen.
pub(crate) struct Seen {
    pub(crate) sessions: usize,
    /// There and back.
    pub(crate) messages: u64,
    pub(crate) reloads: u32,
    /// Resident memory before the first session and at its highest, in bytes.
    pub(crate) idle: u64,
    pub(crate) peak: u64,
    /// Longest time from a message to its answer.
    pub(crate) slowest: Duration,
}

/// Holds `sessions` sessions for `lasting` through an inbound Alewife of its own.
pub(crate) fn measure(sessions: usize, lasting: Duration) -> Result<Seen, Fault> {
    let application = echo::start()?;
    let server = alewife::start_as("inbound", application, &key_file(0)?)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().doing("starting the sessions")?;
    // Late allocations of its start are not the sessions'.
    std::thread::sleep(Duration::from_millis(500));
    let idle = server.target().resident()?;
    let work = async {
        let mut running = JoinSet::new();
        let keys = Rc::new(vec![MessageKey::numbered(1)?, MessageKey::numbered(2)?]);
        for number in 0..sessions {
            let start = TICK.mul_f64(number as f64 / sessions as f64);
            running.spawn_local(hold(server.address, number, start, lasting, Rc::clone(&keys)));
        }
        let mut seen = Seen { sessions, messages: 0, reloads: 0, idle, peak: 0, slowest: Duration::ZERO };
        let mut second = interval(TICK);
        loop {
            tokio::select! {
                _ = second.tick() => {
                    seen.reloads += 1;
                    replace(&server.directory.path().join("keys.toml"), &key_file(seen.reloads)?)?;
                    seen.peak = seen.peak.max(server.target().resident()?);
                }
                ended = running.join_next() => match ended {
                    None => return Ok(seen),
                    Some(ended) => {
                        let died = Fault::Reply { who: "the bench", detail: "a session's task died" };
                        let (messages, slowest) = ended.unwrap_or(Err(died))?;
                        seen.messages += messages;
                        seen.slowest = seen.slowest.max(slowest);
                    }
                },
            }
        }
    };
    LocalSet::new().block_on(&runtime, work)
}

/// The two keys of the sessions, and a third that is another one each time, so that each file is news.
fn key_file(reload: u32) -> Result<String, Fault> {
    let numbers = [1, 2, 1_000 + reload];
    let entries = numbers.into_iter().zip(VALID_AFTER);
    entries.map(|(number, after)| Ok(MessageKey::numbered(number)?.key_file_entry(after))).collect()
}

/// As a rotation does it: whoever reads gets the old file or the new one.
fn replace(path: &Path, text: &str) -> Result<(), Fault> {
    let beside = path.with_extension("new");
    fs::write(&beside, text).doing("writing alewife's keys")?;
    fs::rename(&beside, path).doing("replacing alewife's keys")
}

/// One session: a message each second, whose very text must come back before the next. Halfway it goes over to the
/// second key, and the answers with it.
async fn hold(
    address: SocketAddr,
    number: usize,
    start: Duration,
    lasting: Duration,
    keys: Rc<Vec<MessageKey>>,
) -> Result<(u64, Duration), Fault> {
    let wrong = |detail| Fault::Reply { who: "alewife", detail };
    sleep(start).await;
    let mut stream = TcpStream::connect(address).await.doing("connecting a session")?;
    stream.set_nodelay(true).doing("connecting a session")?;
    let mut frames = Frames::new();
    if !open(&mut stream, &mut frames, &keys[0].fields()).await.doing("opening a session")? {
        return Err(wrong("a handshake was refused"));
    }
    let ticks = lasting.as_secs();
    let mut second = interval(TICK);
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut slowest = Duration::ZERO;
    for tick in 0..ticks {
        second.tick().await;
        let began = Instant::now();
        let key = &keys[usize::from(tick >= ticks / 2)];
        let text = format!("{:MESSAGE$}", format!("session {number}, message {tick}"));
        let sent = frame(1, true, &key.seal(text.as_bytes())?);
        stream.write_all(&sent).await.doing("sending a message")?;
        let answer = timeout(LOST_AFTER, next_text(&mut stream, &mut frames)).await;
        let answer = answer.map_err(|_| wrong("a message was lost"))??;
        if open_message(&keys, &answer)? != text.as_bytes() {
            return Err(wrong("a message came in another's place"));
        }
        slowest = slowest.max(began.elapsed());
    }
    Ok((ticks, slowest))
}

async fn next_text(stream: &mut TcpStream, frames: &mut Frames) -> Result<Vec<u8>, Fault> {
    loop {
        match frames.next(stream).await.doing("waiting for a message")? {
            (Opcode::Text, payload) => return Ok(frames.payload(payload).to_vec()),
            (Opcode::Ping, payload) => {
                let pong = frame(10, true, frames.payload(payload));
                stream.write_all(&pong).await.doing("answering a ping")?;
            }
            _ => return Err(Fault::Reply { who: "alewife", detail: "a session was closed" }),
        }
    }
}
