//! The same message however the network cuts it.

use alewife::crypto::Algorithm;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::fill;
use super::strict::StrictOrigin;
use crate::support::{Sidecar, TestKey, eventually};

const COUNTED: &str = "POST /orders HTTP/1.1\r\nhost: a\r\n{E}content-length: {L}\r\n\r\n{B}";
const CHUNKED: &str =
    "POST /orders HTTP/1.1\r\nhost: a\r\n{E}transfer-encoding: chunked\r\n\r\n{X}\r\n{B}\r\n0\r\n\r\n";

/// A request in chunks of these sizes, in turn, until the body is used up.
fn chunked(key: &TestKey, plain: &[u8], sizes: &[usize]) -> Vec<u8> {
    let iv = key.fresh_iv();
    let mut raw = format!(
        "POST /orders HTTP/1.1\r\nhost: a\r\n{}transfer-encoding: chunked\r\n\r\n",
        key.envelope(&iv)
    )
    .into_bytes();
    let sealed = key.seal_with(&iv, plain);
    let (mut rest, mut sizes) = (&sealed[..], sizes.iter().cycle());
    while !rest.is_empty() {
        let (chunk, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        raw.extend(format!("{:x}\r\n", chunk.len()).bytes());
        raw.extend(chunk);
        raw.extend(b"\r\n");
        rest = later;
    }
    raw.extend(b"0\r\n\r\n");
    raw
}

#[test]
fn a_request_that_comes_byte_by_byte_is_the_same_request() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR", "AES-128-CFB", "AES-192-CFB8"] {
        let (origin, key) = (StrictOrigin::echo(), TestKey::new(algorithm));
        let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
        let mut connection = sidecar.connect();
        let plain = b"a dish that comes one byte at a time";
        for raw in [fill(COUNTED, &key, plain), fill(CHUNKED, &key, plain), chunked(&key, plain, &[1])] {
            for byte in raw {
                connection.send(&[byte]);
            }
            let reply = connection.reply("POST");
            assert_eq!(reply.open(&key).unwrap(), plain);
            assert_eq!(origin.last().body, plain);
        }
        assert_eq!(origin.requests().len(), 3);
    }
}

#[test]
fn a_request_split_anywhere_is_the_same_request() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let (origin, key) = (StrictOrigin::echo(), TestKey::new(algorithm));
        let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
        for pattern in [COUNTED, CHUNKED] {
            let length = fill(pattern, &key, b"order").len();
            for split in 1..length {
                // A fresh connection each, so that the bytes that tell the version are split as well.
                let mut connection = sidecar.connect();
                let raw = fill(pattern, &key, b"order");
                connection.send(&raw[..split]);
                connection.send(&raw[split..]);
                assert_eq!(connection.reply("POST").open(&key).unwrap(), b"order", "{split}");
            }
        }
        assert!(origin.requests().iter().all(|request| request.body == b"order"));
    }
}

#[test]
fn a_request_that_breaks_off_is_never_whole_for_the_application() {
    for algorithm in ["AES-256-GCM", "AES-256-CTR"] {
        let (origin, key) = (StrictOrigin::echo(), TestKey::new(algorithm));
        let sidecar = Sidecar::inbound().keys(&[&key]).upstream(origin.address()).start();
        let ends = [COUNTED, CHUNKED].map(|pattern| fill(pattern, &key, b"order"));
        let mut count = 0.0;
        for raw in ends {
            let head = raw.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
            for length in head..raw.len() {
                let mut connection = sidecar.connect();
                connection.send(&raw[..length]);
                connection.close_write();
                // Whatever it is told: it is not a reply of the application.
                if let Ok(reply) = connection.try_reply("POST") {
                    assert_eq!(reply.status, 400, "{length}");
                }
                count += 1.0;
            }
        }
        eventually("every exchange has ended", || {
            sidecar.metric("alewife_requests_total{proxy=\"kitchen\",outcome=\"client_gone\"}") == count
        });
        assert!(origin.requests().is_empty());
    }
}

/// One process for all cases.
struct Bench {
    origin: StrictOrigin,
    sidecar: Sidecar,
    keys: Vec<TestKey>,
}

impl Bench {
    fn start() -> Self {
        let keys: Vec<TestKey> =
            Algorithm::ALL.iter().map(|algorithm| TestKey::new(&algorithm.to_string())).collect();
        let origin = StrictOrigin::echo();
        let sidecar =
            Sidecar::inbound().keys(&keys.iter().collect::<Vec<_>>()).upstream(origin.address()).start();
        Self { origin, sidecar, keys }
    }

    /// Without `sizes` of chunks the length is stated; `cuts` are the lengths of the writes.
    fn round_trip(
        &self,
        key: usize,
        plain: &[u8],
        sizes: &[usize],
        cuts: &[usize],
    ) -> Result<(), TestCaseError> {
        let key = &self.keys[key];
        let raw = if sizes.is_empty() { fill(COUNTED, key, plain) } else { chunked(key, plain, sizes) };
        let mut connection = self.sidecar.connect();
        let (mut rest, mut cuts) = (&raw[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            connection.send(now);
            rest = later;
        }
        let reply = connection.reply("POST");
        prop_assert_eq!(reply.status, 200);
        prop_assert_eq!(reply.open(key), Some(plain.to_vec()));
        prop_assert_eq!(&self.origin.last().body[..], plain);
        Ok(())
    }
}

#[test]
fn any_body_in_any_pieces_goes_there_and_back() {
    let bench = Bench::start();
    let byte = any::<u8>;
    let plain = prop_oneof![vec(byte(), 0..100), vec(byte(), 0..200_000)];
    let sizes = vec(prop_oneof![1..40_usize, 1..70_000_usize], 0..5);
    let cuts = vec(500..100_000_usize, 1..5);
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&(0..bench.keys.len(), plain, sizes, cuts), |(key, plain, sizes, cuts)| {
            bench.round_trip(key, &plain, &sizes, &cuts)
        })
        .unwrap();
}
