//! How many instructions an exchange takes, of one build or of several beside each other: `cargo bench --bench instructions`;
//! see docs/BENCHMARKS.md.
//!
//! The proxy runs under callgrind, once for a number of requests and once for twice as many: what one request takes is the
//! difference over that number, and the start and the end of the process do not count.

#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/alewife.rs"]
mod alewife;
mod callgrind;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/envelope.rs"]
mod envelope;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/exchange.rs"]
mod exchange;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/fault.rs"]
mod fault;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/load.rs"]
mod load;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/origin.rs"]
mod origin;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/procfs.rs"]
mod procfs;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/server.rs"]
mod server;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/wire.rs"]
mod wire;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use envelope::Envelope;
use exchange::{Exchange, Shape};
use fault::{Doing, Fault};
use server::Kind;

const SIZES: [usize; 2] = [1 << 10, 10 << 10];

/// Counts the instructions of an exchange.
#[derive(Clone, Debug, Parser)]
#[command(name = "instructions")]
struct Options {
    /// A program to count instead of the one that was built with this bench; may be given several times, and then each is
    /// compared with the first
    #[arg(long, value_name = "FILE")]
    program: Vec<PathBuf>,
    /// Body size in bytes instead of 1 KB and 10 KB; may be given several times
    #[arg(long, value_name = "BYTES")]
    size: Vec<usize>,
    /// By how many requests the two runs of a pair differ
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    requests: u32,
    /// Pairs of runs, whose median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// End with a failure if two programs differ by so many percent
    #[arg(long, value_name = "PERCENT")]
    within: Option<f64>,
    /// What cargo passes to a benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.bench {
        // `cargo test --benches` runs it without: a benchmark is no test.
        println!("run it as: cargo bench --bench instructions");
        return ExitCode::SUCCESS;
    }
    match measure(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("no result: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table; whether every program is as near to the first as was asked for.
fn measure(options: &Options) -> Result<bool, Fault> {
    let programs = programs(&options.program)?;
    let sizes = if options.size.is_empty() { &SIZES[..] } else { &options.size };
    let (origin, gcm) = (origin::start()?, Envelope::gcm()?);
    println!("{}\n", procfs::machine());
    println!(
        "| body, both ways | program | file | instructions per request | least to most | against the first |"
    );
    println!("|--:|---|--:|--:|--:|--:|");
    let mut is_near = true;
    for &size in sizes {
        let exchange = Exchange::new(Kind::Alewife, Shape::BothWays, size, &gcm)?;
        // In turn, as in the other benches: whatever drifts, drifts for all of them.
        let mut counts = vec![Vec::new(); programs.len()];
        for _ in 0..options.rounds {
            for (program, counts) in programs.iter().zip(&mut counts) {
                counts.push(per_request(program, origin, &gcm, &exchange, options.requests)?);
            }
        }
        let mut first = None;
        for (program, mut counts) in programs.iter().zip(counts) {
            counts.sort_by(f64::total_cmp);
            let median = counts[counts.len() / 2];
            let more = 100.0 * (median / *first.get_or_insert(median) - 1.0);
            let bytes = fs::metadata(program).doing("looking at a program")?.len();
            println!(
                "| {size} B | {} | {:.2} MB | {median:.0} | {:.0} to {:.0} | {more:+.2} % |",
                program.file_name().unwrap_or_default().display(),
                bytes as f64 / 1e6,
                counts[0],
                counts[counts.len() - 1],
            );
            is_near &= options.within.is_none_or(|percent| more.abs() < percent);
        }
    }
    Ok(is_near)
}

/// Absolute, since each runs in a directory of its own.
fn programs(given: &[PathBuf]) -> Result<Vec<PathBuf>, Fault> {
    if given.is_empty() {
        return Ok(vec![alewife::binary().into()]);
    }
    given.iter().map(|program| program.canonicalize().doing("looking for a program")).collect()
}

fn per_request(
    program: &Path,
    origin: SocketAddr,
    key: &Envelope,
    exchange: &Exchange<'_>,
    requests: u32,
) -> Result<f64, Fault> {
    let keys = alewife::key_file(&[key]);
    let run =
        |times| callgrind::count(program, origin, &keys, |address| load::count(address, exchange, times));
    let (once, twice) = (run(requests)?, run(2 * requests)?);
    Ok((twice as f64 - once as f64) / f64::from(requests))
}
