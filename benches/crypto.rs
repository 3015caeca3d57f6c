//! The crypto engine against `openssl speed`: same algorithm, same size, same run.
//!
//! `cargo bench --bench crypto [-- --quick]` prints a Markdown table of medians, and ends with a non-zero
//! status when AES-256-GCM at 16 KiB falls below half of OpenSSL's speed. The engine's figures hold all that
//! a message costs: its start, its tag, the copy into the output. How much of that `openssl speed` counts
//! depends on its version. `--quick` measures AES-256-GCM at 1 and 16 KiB only.

#[path = "crypto/openssl.rs"]
mod openssl;

use std::fmt;
use std::hint::black_box;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use alewife::crypto::{SecretKey, seal};
use bytes::BytesMut;

/// The least share of OpenSSL's speed that AES-256-GCM must reach, and the size at which it is held to it.
const BAR: f64 = 0.5;
const BAR_SIZE: usize = 16 * 1024;

/// How long the engine is measured at a time; OpenSSL's shortest is a second.
const SPAN: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let cases = if quick { Case::quick() } else { Case::all() };
    let measured: Vec<Row> = cases.into_iter().map(|case| Row::measure(case, 3)).collect();
    println!("| message | bytes | Alewife GB/s | ns per message | OpenSSL GB/s | ratio |");
    println!("|---|--:|--:|--:|--:|--:|");
    measured.iter().for_each(|row| println!("{row}"));
    verdict(&measured)
}

/// Says whether the bar is held, which only a comparison can tell.
fn verdict(rows: &[Row]) -> ExitCode {
    for row in rows {
        if let Err(fault) = &row.openssl {
            println!("\nNot compared, the bar is NOT checked: openssl could not be run ({fault}).");
            return ExitCode::SUCCESS;
        }
    }
    let held = rows.iter().filter(|row| row.case.is_held_to_the_bar());
    let lowest = held.filter_map(Row::ratio).fold(f64::INFINITY, f64::min);
    println!("\nAES-256-GCM at {BAR_SIZE} bytes: {lowest:.2} x OpenSSL, the bar is {BAR} x.");
    if lowest < BAR { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What is measured.
#[derive(Clone, Copy)]
struct Case {
    algorithm: &'static str,
    direction: Direction,
    size: usize,
}

impl Case {
    fn all() -> Vec<Self> {
        use Direction::{Open, Seal};
        let kinds = [
            ("AES-256-GCM", Seal),
            ("AES-256-GCM", Open),
            ("AES-256-CTR", Seal),
            ("AES-256-CFB", Seal),
            ("AES-256-CFB", Open),
        ];
        let of = |(algorithm, direction)| {
            [64, 1024, BAR_SIZE, 64 * 1024].map(|size| Self { algorithm, direction, size })
        };
        kinds.into_iter().flat_map(of).collect()
    }

    fn quick() -> Vec<Self> {
        let wanted = |case: &Self| case.algorithm == "AES-256-GCM" && matches!(case.size, 1024 | BAR_SIZE);
        Self::all().into_iter().filter(wanted).collect()
    }

    fn is_held_to_the_bar(self) -> bool {
        self.algorithm == "AES-256-GCM" && self.size == BAR_SIZE
    }

    /// Bytes of plaintext per second through a sealer or an opener, the start of each message included.
    fn engine(self) -> f64 {
        let algorithm = self.algorithm.parse().expect("the names above are algorithms");
        let key = SecretKey::new(algorithm, &[1; 32]).expect("32 bytes are a key of 256 bits");
        let plaintext = vec![3; self.size];
        let sealed = seal(&key, &[2; 16], b"", &plaintext).expect("16 bytes are an IV in every mode");
        let mut out = BytesMut::with_capacity(self.size + 16);
        match self.direction {
            Direction::Seal => rate(self.size, || seal_once(&key, &plaintext, &mut out)),
            Direction::Open => rate(self.size, || open_once(&key, &sealed, &mut out)),
        }
    }

    fn openssl(self) -> io::Result<f64> {
        let decrypt = matches!(self.direction, Direction::Open);
        openssl::speed(&self.algorithm.to_ascii_lowercase(), decrypt, self.size)
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Seal,
    Open,
}

/// Bytes per second of `message`, which treats `size` of them.
fn rate(size: usize, mut message: impl FnMut()) -> f64 {
    let batch = (256 * 1024 / size).max(1);
    let start = Instant::now();
    let mut bytes = 0;
    while start.elapsed() < SPAN {
        (0..batch).for_each(|_| message());
        bytes += batch * size;
    }
    bytes as f64 / start.elapsed().as_secs_f64()
}

fn seal_once(key: &SecretKey, plaintext: &[u8], out: &mut BytesMut) {
    out.clear();
    let mut sealer = key.sealer(black_box(&[2; 16]), b"").expect("16 bytes are an IV in every mode");
    sealer.update(black_box(plaintext), out).expect("the message is short");
    sealer.finish(out);
    black_box(&out);
}

fn open_once(key: &SecretKey, sealed: &[u8], out: &mut BytesMut) {
    out.clear();
    let mut opener = key.opener(black_box(&[2; 16]), b"").expect("16 bytes are an IV in every mode");
    opener.update(black_box(sealed), out).expect("the message is short");
    opener.finish().expect("the message is authentic");
    black_box(&out);
}

/// A case with its medians, in bytes per second.
struct Row {
    case: Case,
    engine: f64,
    openssl: io::Result<f64>,
}

impl Row {
    /// Measures both alternately, so that a slow spell of the machine hits both.
    fn measure(case: Case, rounds: usize) -> Self {
        let (mut engine, mut openssl) = (Vec::new(), Ok(Vec::new()));
        for _ in 0..rounds {
            engine.push(case.engine());
            openssl = openssl.and_then(|mut rates| {
                rates.push(case.openssl()?);
                Ok(rates)
            });
        }
        Self { case, engine: median(engine), openssl: openssl.map(median) }
    }

    fn ratio(&self) -> Option<f64> {
        self.openssl.as_ref().ok().map(|openssl| self.engine / openssl)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { algorithm, direction, size } = self.case;
        let direction = match direction {
            Direction::Seal => "seal",
            Direction::Open => "open",
        };
        let per_message = size as f64 / self.engine * 1e9;
        write!(f, "| {algorithm} {direction} | {size} | {:.2} | {per_message:.0} |", self.engine / 1e9)?;
        match (&self.openssl, self.ratio()) {
            (Ok(openssl), Some(ratio)) => write!(f, " {:.2} | {ratio:.2} |", openssl / 1e9),
            _ => write!(f, " - | - |"),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
