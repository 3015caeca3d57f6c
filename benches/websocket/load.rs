//! A closed loop over 32 sessions: each sends a message, waits for it to come back, and checks its length.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

use crate::fault::{Doing, Fault};
use crate::frames::{Frames, Opcode, frame, open};
use crate::message::{MessageKey, open_message};
use crate::server::{Kind, Server};
use crate::wire::pattern;

const SESSIONS: usize = 32;
const WARM_UP: Duration = Duration::from_millis(300);
/// What a run may take beyond its measured time.
const GRACE: Duration = Duration::from_secs(20);

/// What one run measured. A message there and back counts as two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) messages_per_second: f64,
    /// Processor time of the proxy per message, in microseconds.
    pub(crate) cpu: f64,
    /// Resident memory of the proxy under the load, in bytes.
    pub(crate) resident: f64,
}

/// What passes: sealed for Alewife, plain for nginx.
struct Traffic {
    who: &'static str,
    fields: String,
    message: Vec<u8>,
    plaintext: Vec<u8>,
    keys: Vec<MessageKey>,
}

/// Loads `server` with messages of `size` bytes for `measured` after a warm-up.
pub(crate) fn run(server: &Server, key: u32, size: usize, measured: Duration) -> Result<Figures, Fault> {
    let key = MessageKey::numbered(key)?;
    let plaintext = pattern(size);
    let sealed = server.kind == Kind::Alewife;
    let traffic = Traffic {
        who: server.kind.name(),
        fields: if sealed { key.fields() } else { String::new() },
        message: if sealed { key.seal(&plaintext)? } else { plaintext.clone() },
        plaintext,
        keys: if sealed { vec![key] } else { Vec::new() },
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing("starting the load generator")?;
    let limit = WARM_UP + measured + GRACE;
    let whole = async { timeout(limit, drive(server, Rc::new(traffic), measured)).await };
    LocalSet::new()
        .block_on(&runtime, whole)
        .unwrap_or(Err(Fault::TooSlow { what: "a run", seconds: limit.as_secs() }))
}

async fn drive(server: &Server, traffic: Rc<Traffic>, measured: Duration) -> Result<Figures, Fault> {
    let count = Rc::new(Cell::new(0u64));
    let mut sessions = JoinSet::new();
    for _ in 0..SESSIONS {
        sessions.spawn_local(session(server.address, Rc::clone(&traffic), Rc::clone(&count)));
    }
    while_running(&mut sessions, WARM_UP).await?;
    let target = server.target();
    let (began, cpu_before, before) = (Instant::now(), target.cpu_time()?, count.get());
    while_running(&mut sessions, measured).await?;
    let (took, cpu) = (began.elapsed(), target.cpu_time()?.saturating_sub(cpu_before));
    let resident = target.resident()? as f64;
    let messages = (count.get() - before) as f64;
    sessions.shutdown().await;
    if messages == 0.0 {
        return Err(Fault::Reply { who: traffic.who, detail: "no message came back at all" });
    }
    Ok(Figures {
        messages_per_second: messages / took.as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1e6 / messages,
        resident,
    })
}

/// Waits; a session that ends meanwhile has failed.
async fn while_running(sessions: &mut JoinSet<Result<(), Fault>>, time: Duration) -> Result<(), Fault> {
    let died = Fault::Reply { who: "the load generator", detail: "a session's task died" };
    tokio::select! {
        () = sleep(time) => Ok(()),
        Some(ended) = sessions.join_next() => ended.unwrap_or(Err(died)),
    }
}

/// Sends and receives until something is wrong. The first message that comes back is opened, of the others the length
/// is compared.
async fn session(
    address: std::net::SocketAddr,
    traffic: Rc<Traffic>,
    count: Rc<Cell<u64>>,
) -> Result<(), Fault> {
    let wrong = |detail| Fault::Reply { who: traffic.who, detail };
    let mut stream = TcpStream::connect(address).await.doing("connecting to a proxy")?;
    stream.set_nodelay(true).doing("connecting to a proxy")?;
    let mut frames = Frames::new();
    if !open(&mut stream, &mut frames, &traffic.fields).await.doing("opening a session")? {
        return Err(wrong("a handshake was refused"));
    }
    let sent = frame(1, true, &traffic.message);
    let mut length = None;
    loop {
        stream.write_all(&sent).await.doing("sending a message")?;
        let payload = loop {
            match frames.next(&mut stream).await.doing("waiting for a message")? {
                (Opcode::Text, payload) => break payload,
                (Opcode::Ping, payload) => {
                    let pong = frame(10, true, frames.payload(payload));
                    stream.write_all(&pong).await.doing("answering a ping")?;
                }
                _ => return Err(wrong("a session was closed")),
            }
        };
        match length {
            None => prove(&traffic, frames.payload(payload.clone()))?,
            Some(length) if length != payload.len() => return Err(wrong("a message has another length")),
            Some(_) => {}
        }
        length = Some(payload.len());
        count.set(count.get() + 2);
    }
}

fn prove(traffic: &Traffic, message: &[u8]) -> Result<(), Fault> {
    let opened =
        if traffic.keys.is_empty() { message.to_vec() } else { open_message(&traffic.keys, message)? };
    let same = opened == traffic.plaintext;
    if same { Ok(()) } else { Err(Fault::Reply { who: traffic.who, detail: "another message came back" }) }
}
