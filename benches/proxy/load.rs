//! The load: a closed loop over 32 keep-alive connections that checks every reply.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

use crate::exchange::Exchange;
use crate::fault::{Doing, Fault};
use crate::server::Target;
use crate::wire::{Framing, Messages, header};

/// How many connections the comparison has.
pub(crate) const CONNECTIONS: usize = 32;
const WARM_UP: Duration = Duration::from_millis(300);
/// What a run may take beyond its measured time.
const GRACE: Duration = Duration::from_secs(20);

/// What one run measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) requests_per_second: f64,
    /// Processor time of the proxy per request, in microseconds.
    pub(crate) cpu: f64,
    /// Latencies in microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Resident memory of the proxy under the load, in bytes.
    pub(crate) resident: f64,
}

/// Loads `target` over so many `connections` for `measured` after a warm-up.
pub(crate) fn run(
    target: &Target,
    exchange: &Exchange<'_>,
    connections: usize,
    measured: Duration,
) -> Result<Figures, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing("starting the load generator")?;
    let limit = WARM_UP + measured + GRACE;
    let whole = async { timeout(limit, drive(target, exchange, connections, measured)).await };
    LocalSet::new()
        .block_on(&runtime, whole)
        .unwrap_or(Err(Fault::TooSlow { what: "a run", seconds: limit.as_secs() }))
}

/// Sends the request so many `times`, one after the other over one connection, the first one of which is opened and compared.
pub(crate) fn count(address: SocketAddr, exchange: &Exchange<'_>, times: u32) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing("starting the load generator")?;
    runtime.block_on(async {
        prove(address, exchange).await?;
        let (mut stream, mut messages) = (connect(address).await?, Messages::new());
        for _ in 0..times {
            match once(&mut stream, &mut messages, &exchange.request).await? {
                Some(length) if length == exchange.reply_length => {}
                _ => return Err(exchange.wrong("a status is not 200, or a reply's length is wrong")),
            }
        }
        Ok(())
    })
}

async fn drive(
    target: &Target,
    exchange: &Exchange<'_>,
    count: usize,
    measured: Duration,
) -> Result<Figures, Fault> {
    prove(target.address, exchange).await?;
    let tally = Rc::new(Tally::default());
    let mut connections = JoinSet::new();
    for _ in 0..count {
        let (request, tally) = (exchange.request.clone(), Rc::clone(&tally));
        connections.spawn_local(repeat(target.address, request, exchange.who, exchange.reply_length, tally));
    }
    while_running(&mut connections, WARM_UP).await?;
    let (began, cpu_before) = (Instant::now(), target.cpu_time()?);
    tally.measuring.set(true);
    while_running(&mut connections, measured).await?;
    tally.measuring.set(false);
    let (took, cpu) = (began.elapsed(), target.cpu_time()?.saturating_sub(cpu_before));
    let resident = target.resident()? as f64;
    connections.shutdown().await;
    tally.figures(took, cpu, resident).ok_or(exchange.wrong("no reply came at all"))
}

/// Waits; a connection that ends meanwhile has failed.
async fn while_running(connections: &mut JoinSet<Fault>, time: Duration) -> Result<(), Fault> {
    tokio::select! {
        () = sleep(time) => Ok(()),
        Some(ended) = connections.join_next() => {
            Err(ended.unwrap_or(Fault::Reply { who: "the load generator", detail: "a connection's task died" }))
        }
    }
}

/// One exchange by itself, whose reply is opened.
async fn prove(address: SocketAddr, exchange: &Exchange<'_>) -> Result<(), Fault> {
    let mut stream = connect(address).await?;
    let mut messages = Messages::new();
    stream.write_all(&exchange.request).await.doing("sending the first request")?;
    let head =
        messages.head(&mut stream, |head| (is_ok(head), header(head, "sec-iv").map(String::from))).await;
    let Some(((ok, sec_iv), framing)) = head.doing("reading the first reply")? else {
        return Err(exchange.wrong("the first reply did not come"));
    };
    if !ok {
        return Err(exchange.wrong("the first reply's status is not 200"));
    }
    let mut body = Vec::new();
    let read = messages.body(&mut stream, framing, |piece| body.extend_from_slice(piece)).await;
    read.doing("reading the first reply")?;
    exchange.prove(sec_iv.as_deref(), body)
}

/// Sends the request and reads the reply until something is wrong, and says what.
async fn repeat(
    address: SocketAddr,
    request: Vec<u8>,
    who: &'static str,
    reply_length: u64,
    tally: Rc<Tally>,
) -> Fault {
    let mut stream = match connect(address).await {
        Ok(stream) => stream,
        Err(fault) => return fault,
    };
    let mut messages = Messages::new();
    loop {
        let began = Instant::now();
        match once(&mut stream, &mut messages, &request).await {
            Err(fault) => return fault,
            Ok(None) => {
                return Fault::Reply { who, detail: "a connection was closed or a status is not 200" };
            }
            Ok(Some(length)) if length != reply_length => {
                return Fault::Reply { who, detail: "a reply's length is wrong" };
            }
            Ok(Some(_)) => tally.count(began.elapsed()),
        }
    }
}

async fn once(stream: &mut TcpStream, messages: &mut Messages, request: &[u8]) -> Result<Option<u64>, Fault> {
    stream.write_all(request).await.doing("sending a request")?;
    let head: Option<(bool, Framing)> = messages.head(stream, is_ok).await.doing("reading a reply")?;
    match head {
        Some((true, framing)) => {
            messages.body(stream, framing, |_| ()).await.map(Some).doing("reading a reply")
        }
        _ => Ok(None),
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Fault> {
    let stream = TcpStream::connect(address).await.doing("connecting to a proxy")?;
    stream.set_nodelay(true).doing("connecting to a proxy")?;
    Ok(stream)
}

/// Whether a reply's head has status 200.
pub(crate) fn is_ok(head: &[u8]) -> bool {
    head.starts_with(b"HTTP/1.1 200 ")
}

/// What the connections of a run add up.
#[derive(Default)]
struct Tally {
    measuring: Cell<bool>,
    latencies: RefCell<Vec<Duration>>,
}

impl Tally {
    fn count(&self, latency: Duration) {
        if self.measuring.get() {
            self.latencies.borrow_mut().push(latency);
        }
    }

    fn figures(&self, took: Duration, cpu: Duration, resident: f64) -> Option<Figures> {
        let mut latencies = self.latencies.borrow_mut();
        latencies.sort_unstable();
        let requests = latencies.len() as f64;
        let at =
            |percent: usize| latencies.get(latencies.len() * percent / 100).map(|l| l.as_secs_f64() * 1e6);
        Some(Figures {
            requests_per_second: requests / took.as_secs_f64(),
            cpu: cpu.as_secs_f64() * 1e6 / requests,
            p50: at(50)?,
            p99: at(99)?,
            resident,
        })
    }
}
