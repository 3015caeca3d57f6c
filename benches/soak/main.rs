//! Keys that rotate under constant traffic: `cargo bench --bench soak`; see docs/BENCHMARKS.md.
//!
//! One inbound sidecar has two proxies in front of one application. One takes its keys from a file, the other from a
//! portal, and both rotate in turn. No request and no message may be lost, and memory may not grow.

#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../websocket/echo.rs"]
mod echo;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/fault.rs"]
mod fault;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../websocket/frames.rs"]
mod frames;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../websocket/message.rs"]
mod message;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/procfs.rs"]
mod procfs;
mod sidecar;
mod traffic;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../proxy/wire.rs"]
mod wire;

use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Parser;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::fault::{Doing, Fault};
use crate::sidecar::{Portal, Sidecar};
use crate::traffic::{Keys, Lost, Tally};

const BETWEEN_ROTATIONS: Duration = Duration::from_millis(250);
/// What a rotation may take on a busy machine, all waiting included.
const SLOWEST_ROTATION: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(60);
/// From the first samples after the warm-up to the last ones.
const MOST_GROWTH: i64 = 2 << 20;

#[derive(Parser)]
#[command(about = "Rotates keys under constant traffic")]
struct Options {
    /// Twenty rotations, to see whether it works
    #[arg(long)]
    quick: bool,
    /// Rotations in all, of file and portal in turn
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(20..=3_000))]
    rotations: u32,
    /// What cargo passes to a benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// Why the soak failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Bench(#[from] Fault),
    #[error(transparent)]
    Lost(#[from] Lost),
}

/// What was seen.
struct Seen {
    tally: Tally,
    reloads: [u64; 2],
    fetches: u64,
    /// Resident memory of the sidecar after each rotation, in bytes.
    resident: Vec<i64>,
    took: Duration,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.bench {
        // `cargo test --benches` runs it without: a soak is no test.
        println!("run it as: cargo bench --bench soak");
        return ExitCode::SUCCESS;
    }
    let rotations = if options.quick { 20 } else { options.rotations };
    match soak(rotations) {
        Ok(seen) if print(rotations, &seen) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("failed: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn soak(rotations: u32) -> Result<Seen, Failure> {
    println!("{}", procfs::machine());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().doing("starting the soak")?;
    let limit = SLOWEST_ROTATION * rotations + GRACE;
    let whole = async { timeout(limit, run(rotations)).await };
    LocalSet::new().block_on(&runtime, whole).unwrap_or(Err(Fault::TooSlow {
        what: "the soak",
        seconds: limit.as_secs(),
    }
    .into()))
}

async fn run(rotations: u32) -> Result<Seen, Failure> {
    let keys = [Rc::new(Keys::new("file", 0)?), Rc::new(Keys::new("portal", 1)?)];
    let [file, portal_keys] = &keys;
    let portal = Portal::start(portal_keys.document()).await?;
    let sidecar = Sidecar::start(traffic::application().await?, portal.address, &file.file()).await?;
    // The portal's first document counts, the first key file does not.
    let before = [sidecar.reloads("default").await?, sidecar.reloads("portal").await?];
    let mut clients = JoinSet::new();
    for (keys, address) in keys.iter().zip(sidecar.proxies) {
        for number in 0..2 {
            clients.spawn_local(traffic::orders(address, number, Rc::clone(keys)));
            clients.spawn_local(traffic::session(address, number, Rc::clone(keys)));
        }
    }
    let began = Instant::now();
    let resident = tokio::select! {
        rotated = rotate(rotations, &keys, &portal, &sidecar) => rotated?,
        Some(ended) = clients.join_next() => {
            ended.unwrap_or(Err(Lost::died()))?;
            return Err(Lost::died().into());
        }
    };
    let took = began.elapsed();
    keys.iter().for_each(|keys| keys.stop());
    let mut tally = Tally::default();
    while let Some(ended) = clients.join_next().await {
        tally.add(ended.unwrap_or(Err(Lost::died()))?);
    }
    let reloads =
        [sidecar.reloads("default").await? - before[0], sidecar.reloads("portal").await? - before[1]];
    Ok(Seen { tally, reloads, fetches: portal.fetches.get(), resident, took })
}

/// Rotates file and portal in turn; the sidecar's memory after each rotation.
async fn rotate(
    rotations: u32,
    [file, from_portal]: &[Rc<Keys>; 2],
    portal: &Portal,
    sidecar: &Sidecar,
) -> Result<Vec<i64>, Fault> {
    let mut resident = Vec::new();
    let mut tick = interval(BETWEEN_ROTATIONS);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for rotation in 1..=rotations {
        tick.tick().await;
        if rotation % 2 == 1 {
            file.announce(rotation + 1)?;
            sidecar.replace_key_file(&file.file())?;
            sidecar.reloaded(u64::from(rotation.div_ceil(2))).await?;
            file.switch();
        } else {
            from_portal.announce(rotation + 1)?;
            portal.document.replace(from_portal.document());
            // The sidecar does not know the key yet: it has to ask.
            from_portal.switch();
        }
        resident.push(i64::try_from(procfs::resident(sidecar.pid)?).unwrap_or(i64::MAX));
    }
    tick.tick().await;
    Ok(resident)
}

/// Prints the figures; whether memory stayed, and each rotation was taken.
fn print(rotations: u32, seen: &Seen) -> bool {
    let Seen { tally, reloads, fetches, resident, took } = seen;
    let (count, share) = (resident.len(), resident.len() / 20);
    let early = median(&resident[count / 5..count / 5 + share]);
    let late = median(&resident[count - share..]);
    let highest = resident.iter().copied().max().unwrap_or_default();
    let growth = late - early;
    let megabytes = |bytes: i64| bytes as f64 / 1e6;
    println!(
        "| rotations | took | requests | messages | lost | reloads, file | reloads, portal | portal asked | slowest |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    println!(
        "| {rotations} | {:.0} s | {} | {} | 0 | {} | {} | {fetches} | {:.0} ms |\n",
        took.as_secs_f64(),
        tally.requests,
        tally.messages,
        reloads[0],
        reloads[1],
        tally.slowest.as_secs_f64() * 1e3,
    );
    println!("| resident at 20–25 % | in the last 5 % | growth | highest |\n|--:|--:|--:|--:|");
    println!(
        "| {:.2} MB | {:.2} MB | {:.2} MB | {:.2} MB |\n",
        megabytes(early),
        megabytes(late),
        megabytes(growth),
        megabytes(highest)
    );
    let (stayed, each) = (growth <= MOST_GROWTH, reloads.iter().sum::<u64>() == u64::from(rotations));
    println!("memory grows by at most 2 MiB: {}", if stayed { "kept" } else { "**missed**" });
    println!("each rotation taken once: {}", if each { "kept" } else { "**missed**" });
    stayed && each
}

fn median(values: &[i64]) -> i64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
