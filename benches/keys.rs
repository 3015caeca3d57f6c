//! How long a text takes to become a key ring of 10,000 keys.
//!
//! `cargo bench --bench keys [-- --quick]` prints a Markdown table of medians, and ends with a non-zero status when one
//! is above 200 ms. Each reading holds all that a reload does besides the file itself: parsing, decoding, expanding each
//! key and examining them together. `--quick` reads each text three times instead of fifteen.

use std::fmt::Write;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use alewife::crypto::encoding::base64_encode;
use alewife::keys::{
    Derivations, DocumentFormat, MemberNames, RingPolicy, ValueEncoding, ValueForm, merge, parse_key_file,
    read_document,
};
use jiff::Timestamp;

const KEYS: usize = 10_000;

/// The longest that the median reading may take.
const BAR: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let readings = if quick { 3 } else { 15 };
    println!("| text | keys | bytes | median | fastest | slowest |");
    println!("|---|--:|--:|--:|--:|--:|");
    let (toml, json) = (key_file(), document());
    let medians = [
        row("key file, TOML", &toml, readings, || read_key_file(&toml)),
        row("document, JSON in one line", &json, readings, || read_portal(&json)),
    ];
    let slowest = medians.into_iter().max().unwrap_or_default();
    println!("\nThe slower takes {:.0} ms, the bar is {} ms.", millis(slowest), BAR.as_millis());
    if slowest > BAR { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Measures, prints a row and answers the median.
fn row(name: &str, text: &str, readings: usize, read: impl Fn() -> usize) -> Duration {
    let mut times: Vec<_> = (0..readings)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(black_box(read()), KEYS, "each key is in the ring");
            start.elapsed()
        })
        .collect();
    times.sort();
    let (median, fastest, slowest) = (times[readings / 2], times[0], times[readings - 1]);
    let [middle, least, most] = [median, fastest, slowest].map(millis);
    println!("| {name} | {KEYS} | {} | {middle:.1} ms | {least:.1} ms | {most:.1} ms |", text.len());
    median
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn read_key_file(text: &str) -> usize {
    let parsed = parse_key_file(text, "keys.toml", RingPolicy::default(), now());
    parsed.map(|parsed| parsed.ring.len()).expect("the text is a key file")
}

fn read_portal(text: &str) -> usize {
    let keys_pointer = "/services/pos/keys".parse().expect("it is a pointer");
    let format = DocumentFormat {
        keys_pointer,
        members: MemberNames::default(),
        algorithm: Some("AES-256-GCM".parse().expect("it is an algorithm")),
        value: ValueForm::Encoded(ValueEncoding::Base64),
        encryption: Some("/services/pos/encryption".parse().expect("it is a pointer")),
    };
    let (policy, mut derivations) = (RingPolicy::default(), Derivations::default());
    let source = read_document(text, "portal", &format, policy, now(), &mut derivations);
    let parsed = source.and_then(|source| merge(&[&source], policy, now()));
    parsed.map(|parsed| parsed.ring.len()).expect("the text is a document")
}

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().expect("it is a time")
}

/// Entries as `alewife keygen` writes them.
fn key_file() -> String {
    (0..KEYS).fold(String::new(), |mut text, number| {
        let _ = writeln!(
            text,
            "[[key]]\nfingerprint = \"{}\"\nalgorithm = \"AES-256-GCM\"\nsecret = \"base64:{}\"\n\
             valid_after = 2026-01-01T00:00:00Z\n",
            fingerprint(number),
            secret(number),
        );
        text
    })
}

/// A site object as PHP writes it: in one line, with each slash escaped.
fn document() -> String {
    let key = |number| {
        let value = secret(number).replace('/', "\\/");
        format!(
            "{{\"fingerprint\":\"{}\",\"value\":\"{value}\",\"valid_after\":\"2026-01-01T00:00:00Z\",\
             \"valid_until\":\"2027-01-01T00:00:00Z\"}}",
            fingerprint(number)
        )
    };
    let keys: Vec<_> = (0..KEYS).map(key).collect();
    format!("{{\"id\":1,\"services\":{{\"pos\":{{\"encryption\":true,\"keys\":[{}]}}}}}}", keys.join(","))
}

fn fingerprint(number: usize) -> String {
    format!("{number:032x}")
}

fn secret(number: usize) -> String {
    let mut bytes = [0xa5; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    base64_encode(&bytes)
}
