//! Alewife beside nginx as a plain proxy, on loopback: `cargo bench --bench proxy`; see docs/BENCHMARKS.md.
//!
//! The load generator and the origin are threads of this process; the proxies are its children, and processor
//! time and memory are theirs alone. Runs alternate, nginx first, so that what disturbs the machine disturbs both.

#[allow(dead_code, reason = "the bench `websocket` uses the rest")]
mod alewife;
mod envelope;
mod exchange;
mod fault;
#[allow(dead_code, reason = "the bench `instructions` uses the rest")]
mod load;
#[allow(dead_code, reason = "the bench `websocket` uses the rest")]
mod nginx;
mod origin;
mod procfs;
mod report;
#[allow(dead_code, reason = "the bench `websocket` uses the rest")]
mod server;
mod streams;
mod wire;

use std::net::SocketAddr;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;

use envelope::Envelope;
use exchange::{Exchange, Shape};
use fault::Fault;
use load::Figures;
use report::{Bar, Row, median};
use server::{Kind, Server};

const SIZES: [usize; 4] = [1 << 10, 10 << 10, 64 << 10, 1 << 20];

/// Compares Alewife with nginx as a plain proxy, on loopback.
#[derive(Clone, Debug, Parser)]
#[command(name = "proxy")]
struct Options {
    /// One short pair of each: whether it works, not what it costs
    #[arg(long)]
    quick: bool,
    /// Body size in bytes instead of 1 KB, 10 KB, 64 KB and 1 MB; may be given several times
    #[arg(long, value_name = "BYTES")]
    size: Vec<usize>,
    /// Measured time of each run
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Alternating runs of each proxy
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pairs: u32,
    /// End with a failure if a bar is not kept
    #[arg(long)]
    judge: bool,
    /// Memory while bodies of gigabytes pass, instead of the comparison
    #[arg(long)]
    streams: bool,
    /// Size of those bodies
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=32))]
    gigabytes: u64,
    /// nginx in Alewife's place too: how much of a ratio is noise
    #[arg(long)]
    nginx_twice: bool,
    /// What cargo passes to a benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn sizes(&self) -> &[usize] {
        if self.size.is_empty() { &SIZES } else { &self.size }
    }

    fn measured(&self) -> Duration {
        Duration::from_secs_f64(if self.quick { 0.5 } else { self.seconds.clamp(0.1, 60.0) })
    }

    fn contender(&self) -> Kind {
        if self.nginx_twice { Kind::Nginx } else { Kind::Alewife }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.bench {
        // `cargo test --benches` runs it without: a benchmark is no test.
        println!("run it as: cargo bench --bench proxy");
        return ExitCode::SUCCESS;
    }
    match measure(&options) {
        Ok(kept) if kept || !options.judge => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("no result: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<bool, Fault> {
    if options.streams {
        println!("{}; {}\n", procfs::machine(), rustc());
        let bars: Vec<Bar> =
            streams::measure(options.gigabytes)?.iter().map(report::Streamed::print).collect();
        return Ok(report::print_bars(&bars));
    }
    println!("{}; {}; {}", procfs::machine(), nginx::version()?, rustc());
    let mut bars =
        if options.nginx_twice { Vec::new() } else { at_rest(if options.quick { 3 } else { 10 })? };
    for shape in [Shape::BothWays, Shape::Replies] {
        let rows = rows(options, shape)?;
        report::print_table(shape, &rows);
        if shape == Shape::BothWays && !options.nginx_twice {
            bars.extend(rows.iter().filter_map(Row::bar));
        }
    }
    // Nothing is judged where nginx stands on both sides.
    Ok(bars.is_empty() || report::print_bars(&bars))
}

/// Starts Alewife several times: how long that takes, and the memory of a process without work.
fn at_rest(times: u32) -> Result<Vec<Bar>, Fault> {
    let (origin, gcm) = (origin::start()?, Envelope::gcm()?);
    let mut seen = Vec::new();
    for _ in 0..times {
        let server = alewife::start(origin, &[&gcm])?;
        // Late allocations of its start count as well.
        std::thread::sleep(Duration::from_millis(200));
        seen.push((procfs::resident(server.pid())? as f64, server.start.as_secs_f64() * 1e3));
    }
    let idle = Bar::idle_memory(median(seen.iter().map(|(bytes, _)| *bytes)));
    Ok(vec![idle, Bar::start(median(seen.iter().map(|(_, took)| *took)))])
}

fn rows(options: &Options, shape: Shape) -> Result<Vec<Row>, Fault> {
    let origin = origin::start()?;
    options.sizes().iter().map(|&size| row(options, shape, size, origin)).collect()
}

/// Each size has fresh proxies, so that memory is that size's.
fn row(options: &Options, shape: Shape, size: usize, origin: SocketAddr) -> Result<Row, Fault> {
    let gcm = Envelope::gcm()?;
    let nginx = nginx::start(origin)?;
    let contender = match options.contender() {
        Kind::Nginx => nginx::start(origin)?,
        _ => alewife::start(origin, &[&gcm])?,
    };
    let run = |server: &Server| -> Result<Figures, Fault> {
        let exchange = Exchange::new(server.kind, shape, size, &gcm)?;
        load::run(&server.target(), &exchange, load::CONNECTIONS, options.measured())
    };
    let mut pairs = Vec::new();
    for pair in 1..=if options.quick { 1 } else { options.pairs } {
        eprintln!("{shape:?}, {size} bytes, pair {pair}");
        pairs.push((run(&nginx)?, run(&contender)?));
    }
    Ok(Row { size, contender: contender.kind.name(), pairs })
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or("rustc unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
