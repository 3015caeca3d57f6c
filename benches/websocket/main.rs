//! WebSocket through Alewife beside nginx tunnelling the same plain traffic, many sessions at once, and what a bridge
//! costs: `cargo bench --bench websocket`; see docs/BENCHMARKS.md.
//!
//! It shares its parts with the bench `proxy`: the load generator and the application are threads of this process, the
//! proxies its children.

#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/alewife.rs"]
mod alewife;
mod bridge;
mod echo;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/envelope.rs"]
mod envelope;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/exchange.rs"]
mod exchange;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/fault.rs"]
mod fault;
mod frames;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/load.rs"]
mod load;
mod message;
#[path = "load.rs"]
mod message_load;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/nginx.rs"]
mod nginx;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/origin.rs"]
mod origin;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/procfs.rs"]
mod procfs;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/report.rs"]
mod report;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/server.rs"]
mod server;
mod sessions;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/wire.rs"]
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use fault::Fault;
use message_load::Figures;
use report::median;

const SIZES: [usize; 2] = [256, 16 << 10];
const BODIES: [usize; 2] = [1 << 10, 10 << 10];
/// Memory of a session, in KB.
const PER_SESSION: f64 = 40.0;

/// Measures WebSocket sessions and bridges, on loopback.
#[derive(Clone, Debug, Parser)]
#[command(name = "websocket")]
struct Options {
    /// Short runs, few sessions: whether it works, not what it costs
    #[arg(long)]
    quick: bool,
    /// Messages beside nginx only
    #[arg(long)]
    messages: bool,
    /// Many sessions at once only
    #[arg(long)]
    sessions: bool,
    /// The cost of a bridge only
    #[arg(long)]
    bridge: bool,
    /// Measured time of each run
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Alternating runs of each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pairs: u32,
    /// End with a failure if a bar is not kept
    #[arg(long)]
    judge: bool,
    /// What cargo passes to a benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn all(&self) -> bool {
        !(self.messages || self.sessions || self.bridge)
    }

    fn measured(&self) -> Duration {
        Duration::from_secs_f64(if self.quick { 0.5 } else { self.seconds.clamp(0.1, 60.0) })
    }

    fn pairs(&self) -> u32 {
        if self.quick { 1 } else { self.pairs }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.bench {
        // `cargo test --benches` runs it without: a benchmark is no test.
        println!("run it as: cargo bench --bench websocket");
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
    println!("{}; {}", procfs::machine(), nginx::version()?);
    if options.messages || options.all() {
        messages(options)?;
    }
    let kept = if options.sessions || options.all() { sessions(options)? } else { true };
    if options.bridge || options.all() {
        bridges(options)?;
    }
    Ok(kept)
}

fn messages(options: &Options) -> Result<(), Fault> {
    println!("\n### Messages: 32 sessions, a message there and back counts as two\n");
    println!("| message | proxy | messages/s | CPU per message | resident |\n|---|---|--:|--:|--:|");
    let application = echo::start()?;
    for size in SIZES {
        let key = message::MessageKey::numbered(1)?.key_file_entry("2026-01-01T00:00:00Z");
        let nginx = nginx::start_tunnel(application)?;
        let alewife = alewife::start_as("inbound", application, &key)?;
        let run = |server| message_load::run(server, 1, size, options.measured());
        let mut pairs = Vec::new();
        for _ in 0..options.pairs() {
            pairs.push((run(&nginx)?, run(&alewife)?));
        }
        print_messages(size, &pairs);
    }
    Ok(())
}

fn print_messages(size: usize, pairs: &[(Figures, Figures)]) {
    let name = if size < 1024 { format!("{size} B") } else { format!("{} KB", size >> 10) };
    let line = |proxy, side: fn(&(Figures, Figures)) -> Figures| {
        let of = |value: fn(Figures) -> f64| median(pairs.iter().map(|pair| value(side(pair))));
        let (rate, cpu, resident) = (of(|f| f.messages_per_second), of(|f| f.cpu), of(|f| f.resident) / 1e6);
        println!("| {name} | {proxy} | {rate:.0} | {cpu:.1} µs | {resident:.1} MB |");
    };
    line("nginx", |pair| pair.0);
    line("alewife", |pair| pair.1);
    let ratio = |value: fn(Figures) -> f64| median(pairs.iter().map(|(a, b)| value(*b) / value(*a)));
    let (rate, cpu, resident) = (ratio(|f| f.messages_per_second), ratio(|f| f.cpu), ratio(|f| f.resident));
    println!("| {name} | **ratio** | **{rate:.2} ×** | **{cpu:.2} ×** | **{resident:.2} ×** |");
}

/// Whether memory stayed within its bar; loss and disorder are faults.
fn sessions(options: &Options) -> Result<bool, Fault> {
    let (count, seconds) = if options.quick { (100, 6) } else { (1_000, 60) };
    let seen = sessions::measure(count, Duration::from_secs(seconds))?;
    let each = seen.peak.saturating_sub(seen.idle) as f64 / 1e3 / seen.sessions as f64;
    println!("\n### Sessions: a message of 256 B each second for {seconds} s, keys reloaded each second\n");
    println!(
        "| sessions | messages | lost or out of order | reloads | slowest | idle | highest | per session |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    println!(
        "| {} | {} | 0 | {} | {:.0} ms | {:.1} MB | {:.1} MB | {each:.1} KB |",
        seen.sessions,
        seen.messages,
        seen.reloads,
        seen.slowest.as_secs_f64() * 1e3,
        seen.idle as f64 / 1e6,
        seen.peak as f64 / 1e6,
    );
    let kept = each <= PER_SESSION;
    println!("\nat most {PER_SESSION} KB a session: {}", if kept { "kept" } else { "**missed**" });
    Ok(kept)
}

fn bridges(options: &Options) -> Result<(), Fault> {
    println!("\n### A bridge: plain HTTP both ways, directly and through outbound and inbound\n");
    println!(
        "| body | connections | direct p50 / p99 | bridge p50 / p99 | CPU of both sidecars per request |"
    );
    println!("|---|--:|--:|--:|--:|");
    for size in BODIES {
        for connections in [1, load::CONNECTIONS] {
            println!("{}", bridge::measure(size, connections, options.pairs(), options.measured())?.line());
        }
    }
    Ok(())
}
