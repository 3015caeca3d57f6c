//! Bodies of gigabytes: Alewife's memory while they pass.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::envelope::Envelope;
use crate::fault::{Doing, Fault};
use crate::load::is_ok;
use crate::report::Streamed;
use crate::server::Server;
use crate::wire::{Messages, header, pattern};
use crate::{alewife, origin, procfs};

const GIGABYTE: u64 = 1 << 30;
const PIECE: usize = 256 * 1024;
/// How slow a gigabyte may be before the run is given up.
const PER_GIGABYTE: Duration = Duration::from_secs(60);
const BETWEEN_SAMPLES: Duration = Duration::from_millis(20);

/// A reply under GCM and a request under CTR, each of `gigabytes`, through an Alewife of its own.
pub(crate) fn measure(gigabytes: u64) -> Result<Vec<Streamed>, Fault> {
    let (gcm, ctr) = (Envelope::gcm()?, Envelope::ctr()?);
    let origin = origin::start()?;
    let length = gigabytes.saturating_mul(GIGABYTE);
    let limit = PER_GIGABYTE.saturating_mul(u32::try_from(gigabytes).unwrap_or(u32::MAX).max(1));
    let server = || alewife::start(origin, &[&gcm, &ctr]);
    let reply = sampled("reply, AES-256-GCM", &server()?, length, limit, |to| down(to, length, &gcm))?;
    let request = sampled("request, AES-256-CTR", &server()?, length, limit, |to| up(to, length, &ctr))?;
    Ok(vec![reply, request])
}

/// Runs one transfer beside a thread that samples the proxy's memory.
fn sampled<F: Future<Output = Result<(), Fault>>>(
    what: &'static str,
    server: &Server,
    bytes: u64,
    limit: Duration,
    transfer: impl FnOnce(SocketAddr) -> F,
) -> Result<Streamed, Fault> {
    let idle = procfs::resident(server.pid())?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().doing("starting the client")?;
    let over = Arc::new(AtomicBool::new(false));
    let sampler = {
        let (pid, over) = (server.pid(), Arc::clone(&over));
        thread::spawn(move || peak(pid, &over))
    };
    let began = Instant::now();
    let outcome = runtime.block_on(async { timeout(limit, transfer(server.address)).await });
    let took = began.elapsed();
    over.store(true, Ordering::Relaxed);
    let peak = sampler.join().unwrap_or(Err(Fault::Reply { who: "the sampler", detail: "it died" }))?;
    outcome.unwrap_or(Err(Fault::TooSlow { what: "a stream", seconds: limit.as_secs() }))?;
    Ok(Streamed { what, bytes, took, idle, peak })
}

fn peak(pid: u32, over: &AtomicBool) -> Result<u64, Fault> {
    let mut highest = 0;
    while !over.load(Ordering::Relaxed) {
        highest = highest.max(procfs::resident(pid)?);
        thread::sleep(BETWEEN_SAMPLES);
    }
    Ok(highest)
}

/// Reads a reply of `length` bytes that the origin makes as it goes.
async fn down(to: SocketAddr, length: u64, envelope: &Envelope) -> Result<(), Fault> {
    let request = format!("GET /stream/{length} HTTP/1.1\r\nhost: kitchen\r\n{}\r\n", envelope.fields());
    let mut stream = TcpStream::connect(to).await.doing("connecting for the reply")?;
    stream.write_all(request.as_bytes()).await.doing("asking for the reply")?;
    let received = receive(&mut stream, |_| ()).await?.1;
    let expected = length + envelope.overhead();
    if received == expected { Ok(()) } else { Err(wrong("the long reply's length is wrong")) }
}

/// Sends a request of `length` bytes. Any bytes are somebody's ciphertext under CTR; the origin counts them.
async fn up(to: SocketAddr, length: u64, envelope: &Envelope) -> Result<(), Fault> {
    let fields = envelope.fields();
    let head = format!("POST /count HTTP/1.1\r\nhost: kitchen\r\n{fields}content-length: {length}\r\n\r\n");
    let mut stream = TcpStream::connect(to).await.doing("connecting for the request")?;
    stream.write_all(head.as_bytes()).await.doing("sending the request")?;
    let piece = pattern(PIECE);
    let mut left = length;
    while left > 0 {
        let here = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        stream.write_all(&piece[..here]).await.doing("sending the request")?;
        left -= here as u64;
    }
    let mut body = Vec::new();
    let (sec_iv, _) = receive(&mut stream, |bytes| body.extend_from_slice(bytes)).await?;
    let counted = envelope.open(sec_iv.as_deref(), &body)?;
    if counted == length.to_string().as_bytes() {
        Ok(())
    } else {
        Err(wrong("the origin counted other bytes"))
    }
}

/// Reads a reply with status 200: its `sec-iv` and the length of its body.
async fn receive(stream: &mut TcpStream, take: impl FnMut(&[u8])) -> Result<(Option<String>, u64), Fault> {
    let mut messages = Messages::new();
    let head = messages.head(stream, |head| (is_ok(head), header(head, "sec-iv").map(String::from))).await;
    let Some(((true, sec_iv), framing)) = head.doing("reading a reply's head")? else {
        return Err(wrong("a stream's status is not 200"));
    };
    let length = messages.body(stream, framing, take).await.doing("reading a reply's body")?;
    Ok((sec_iv, length))
}

fn wrong(detail: &'static str) -> Fault {
    Fault::Reply { who: "alewife", detail }
}
