//! What it costs to open and to seal a callback of ten values, next to whole bodies of the same size.
//!
//! `cargo bench --bench callbacks [-- --quick]` prints a Markdown table of medians of rounds that take turns, in processor
//! time where the system tells it. Each opening and sealing is all that `ale` does of a message: head, key, ciphers, texts.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use alewife::ale::{self, Opened, SealedWhole};
use alewife::keys::{Key, KeyRing, RingPolicy, parse_key_file};
use alewife::profile::{Draft, IvPlace, Preset, Profile, ScopePlace, StreamProfile, WholeProfile};
use bytes::BytesMut;
use http::Request;
use http::request::Parts;
use jiff::Timestamp;

/// Values of one callback, all of which are sealed.
const VALUES: usize = 10;
/// Characters of each.
const LENGTH: usize = 16;
const ROUNDS: usize = 9;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let messages = if quick { 500 } else { 50_000 };
    let ring = ring();
    let mut subjects = subjects();
    let sealed: Vec<(Parts, Vec<u8>)> = subjects.iter().map(|subject| subject.seal(&ring)).collect();
    for _ in 0..ROUNDS {
        for (subject, (head, body)) in subjects.iter_mut().zip(&sealed) {
            let opening = each(messages, || subject.open(&ring, head, body));
            let sealing = each(messages, || drop(black_box(subject.seal(&ring))));
            subject.opening.push(opening);
            subject.sealing.push(sealing);
        }
    }
    println!("| message | plaintext | sealed | µs to open | µs to seal |\n|---|--:|--:|--:|--:|");
    for (subject, (head, body)) in subjects.iter_mut().zip(&sealed) {
        let query = head.uri.query().map_or(0, str::len);
        println!(
            "| {} | {} B | {} B | {:.2} | {:.2} |",
            subject.name,
            subject.plain.len(),
            body.len() + query,
            median(&mut subject.opening),
            median(&mut subject.sealing)
        );
    }
}

/// One kind of message, and what it took, in microseconds.
struct Subject {
    name: &'static str,
    profile: Profile,
    media_type: &'static str,
    in_query: bool,
    /// The query or the body.
    plain: String,
    opening: Vec<f64>,
    sealing: Vec<f64>,
}

fn subjects() -> Vec<Subject> {
    let of = |name, profile, media_type, in_query, plain: String| Subject {
        name,
        profile,
        media_type,
        in_query,
        plain,
        opening: Vec::new(),
        sealing: Vec::new(),
    };
    let (form, json) = ("application/x-www-form-urlencoded", "application/json");
    let preset = |name| Preset::named(name).expect("it is a preset").draft();
    let values = || Draft { iv: IvPlace::Prefix, scope: ScopePlace::Values, ..preset("kaleyra") };
    vec![
        of("10 values of a query", built(values()), "", true, pairs()),
        of("10 values of a form", built(values()), form, false, pairs()),
        of("10 values of a document", built(values()), json, false, document()),
        of("the document whole, `payon`", built(preset("payon")), json, false, document()),
        of("the document as it streams, `ale`", built(Draft::default()), json, false, document()),
    ]
}

fn built(draft: Draft) -> Profile {
    draft.build("bench").unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn value(number: usize) -> String {
    format!("{number:0LENGTH$}")
}

fn pairs() -> String {
    let pairs: Vec<_> = (0..VALUES).map(|number| format!("parameter{number}={}", value(number))).collect();
    pairs.join("&")
}

fn document() -> String {
    let members: Vec<_> =
        (0..VALUES).map(|number| format!("\"parameter{number}\":\"{}\"", value(number))).collect();
    format!("{{{}}}", members.join(","))
}

impl Subject {
    fn head(&self) -> Parts {
        let target = if self.in_query { format!("/callback?{}", self.plain) } else { "/callback".to_owned() };
        let request = Request::post(target).header("host", "hooks.example").header("user-agent", "bench");
        let request = if self.in_query { request } else { request.header("content-type", self.media_type) };
        request.body(()).expect("it is a request").into_parts().0
    }

    fn body(&self) -> &[u8] {
        if self.in_query { b"" } else { self.plain.as_bytes() }
    }

    fn seal(&self, ring: &KeyRing) -> (Parts, Vec<u8>) {
        let mut head = self.head();
        let body = match &self.profile {
            Profile::Whole(profile) => seal_whole(profile, &mut head, self.body(), key(ring)),
            Profile::Stream(profile) => seal_stream(profile, &mut head, self.body(), key(ring)),
        };
        (head, body)
    }

    fn open(&self, ring: &KeyRing, head: &Parts, body: &[u8]) {
        let mut head = head.clone();
        match &self.profile {
            Profile::Whole(profile) => {
                let opened = ale::open_whole(profile, &mut head, body, ring, now()).expect("it opens");
                assert_eq!(&opened.body[..], self.body());
            }
            Profile::Stream(profile) => {
                let opened = ale::open_request(profile, &mut head, ring, now()).expect("the key is there");
                let mut plain = BytesMut::with_capacity(body.len());
                let mut opening = opened.body;
                opening.update(body, &mut plain).expect("it is short");
                assert!(matches!(opening.finish(), Ok(Opened::Body(_))));
                assert_eq!(&plain[..], self.body());
            }
        }
        black_box(head);
    }
}

fn seal_whole(profile: &Arc<WholeProfile>, head: &mut Parts, body: &[u8], key: &Arc<Key>) -> Vec<u8> {
    let sealed = ale::seal_whole(profile, head, body, key, now(), &mut rand::rng());
    let SealedWhole { body, .. } = sealed.expect("all of it can be sealed");
    body
}

fn seal_stream(profile: &Arc<StreamProfile>, head: &mut Parts, body: &[u8], key: &Arc<Key>) -> Vec<u8> {
    let ale::RequestSealing { body: sealer, reply: _ } =
        ale::seal_request(profile, head, true, key, now(), &mut rand::rng());
    let mut sealed = BytesMut::with_capacity(body.len() + 16);
    let mut sealer = sealer.expect("it has a body");
    sealer.update(body, &mut sealed).expect("it is short");
    sealer.finish(&mut sealed);
    sealed.to_vec()
}

fn ring() -> KeyRing {
    let text = format!(
        "[[key]]\nfingerprint = \"bench\"\nalgorithm = \"AES-256-GCM\"\nsecret = \"hex:{}\"\n",
        "5a".repeat(32)
    );
    parse_key_file(&text, "keys.toml", RingPolicy::default(), now()).expect("the text is a key file").ring
}

fn key(ring: &KeyRing) -> &Arc<Key> {
    ring.sealing_key(now()).expect("it is valid")
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// Microseconds of each.
fn each(messages: usize, what: impl Fn()) -> f64 {
    let clock = Clock::start();
    (0..messages).for_each(|_| what());
    clock.nanoseconds() / messages as f64 / 1e3
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
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
