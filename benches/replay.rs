//! What it costs a message to be remembered: the replay window, and the watch for IVs that come again.
//!
//! `cargo bench --bench replay [-- --quick]` prints a Markdown table of medians, in processor time where the system tells it.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use alewife::ale::{Admission, IvWatch, Mark, Receipt, ReplayWindow};
use alewife::crypto::{Iv, SecretKey};
use alewife::keys::{Key, Validity};

const ROUNDS: usize = 5;
/// In milliseconds; longer than any run.
const HOUR: u64 = 3_600_000;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let messages = if quick { 100_000 } else { 2_000_000 };
    let entries = NonZeroU32::new(if quick { 50_000 } else { 1_000_000 }).expect("neither is zero");
    println!("| what | entries | ns per message |\n|---|--:|--:|");
    let row = |what: &str, entries: usize, nanoseconds: f64| {
        println!("| {what} | {entries} | {nanoseconds:.0} |");
    };
    let receipts = Receipts::new();
    let capacity = entries.get() as usize;
    row("the receipt itself", 0, receipts.each(messages, |receipt| drop(black_box(receipt))));
    let window = Mutex::new(ReplayWindow::new(HOUR, entries));
    let admit = |receipt: Receipt, expected| {
        let admission = window.lock().expect("nobody panics").admit(&receipt, 0);
        assert_eq!(admission, expected);
    };
    receipts.each(capacity, |receipt| admit(receipt, Admission::First));
    let full = receipts.each(messages, |receipt| admit(receipt, Admission::First));
    row("first in a full window, the oldest gives way", capacity, full);
    let last = receipts.one(u64::MAX);
    admit(last.clone(), Admission::First);
    row("a replay", capacity, receipts.each(messages, |_| admit(last.clone(), Admission::Replayed)));
    let lapsed = Mutex::new(ReplayWindow::new(1, entries));
    let mut now = 0;
    let expiring = receipts.each(messages, |receipt| {
        now += 1;
        let admission = lapsed.lock().expect("nobody panics").admit(&receipt, now);
        assert_eq!(admission, Admission::First);
    });
    row("first in a window whose entries are over", capacity, expiring);
    let watch = IvWatch::new();
    let watched = receipts.each(messages, |receipt| assert!(!watch.repeats(&receipt)));
    row("the watch for IVs that come again", IvWatch::SLOTS, watched);
}

/// Messages, none of which comes twice, under one key.
struct Receipts {
    key: Arc<Key>,
    next: std::cell::Cell<u64>,
}

impl Receipts {
    fn new() -> Self {
        let algorithm = "AES-256-GCM".parse().expect("it is an algorithm");
        let secret = SecretKey::new(algorithm, &[1; 32]).expect("32 bytes are a key of 256 bits");
        // As long as those of `keygen`.
        let fingerprint = "0f8fad5b-d9cb-469f-a165-70867728950e".parse().expect("it is visible ASCII");
        let key = Arc::new(Key::new(fingerprint, secret, Validity::default()));
        Self { key, next: std::cell::Cell::new(0) }
    }

    fn one(&self, number: u64) -> Receipt {
        // As if drawn at random, as IVs are.
        let (mut iv, mut tag) = ([0; 16], [0; 16]);
        iv[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        iv[8..].copy_from_slice(&number.to_le_bytes());
        tag[..8].copy_from_slice(&number.to_le_bytes());
        let iv = Iv::from_slice(&iv).expect("16 bytes are an IV");
        Receipt { key: Arc::clone(&self.key), iv, mark: Some(Mark::from(tag)) }
    }

    /// Nanoseconds for each of so many messages, the median of the rounds that they are split into.
    fn each(&self, messages: usize, mut what: impl FnMut(Receipt)) -> f64 {
        let of_a_round = messages / ROUNDS;
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let start = Clock::start();
                for _ in 0..of_a_round {
                    let number = self.next.get();
                    self.next.set(number + 1);
                    what(self.one(number));
                }
                start.nanoseconds() / of_a_round as f64
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        rounds[ROUNDS / 2]
    }
}

/// The processor time of this thread, so that what else a machine does counts less; or else the time on the wall.
struct Clock {
    processor: Option<f64>,
    wall: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { processor: processor_time(), wall: Instant::now() }
    }

    fn nanoseconds(&self) -> f64 {
        match (self.processor, processor_time()) {
            (Some(start), Some(now)) => now - start,
            _ => self.wall.elapsed().as_secs_f64() * 1e9,
        }
    }
}

/// Nanoseconds that this thread has run, as Linux has them.
fn processor_time() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok()
}
