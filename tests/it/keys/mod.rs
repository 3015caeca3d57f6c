//! Keys that look after themselves: the whole chain from a portal in another process to what a client gets, in the real
//! binary.

mod answers;
mod cache;
mod clock;
mod commands;
mod documents;
mod faults;
mod outage;
mod plain;
mod readiness;
mod rotation;
mod secrecy;
mod sets;
mod sources;
mod unknown;
mod values;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{Connection, Portal, Reply, Sidecar, SidecarBuilder, TestKey, eventually};

/// The section of a portal that gives keys in base64, and is asked often.
const GCM: &str = "algorithm = \"AES-256-GCM\"\nencoding = \"base64\"\npoll_interval = \"100ms\"\n";

fn key(number: u32) -> TestKey {
    TestKey::numbered("AES-256-GCM", number)
}

/// A key as a document has it, from `after` to `until`, both in seconds from now.
fn entry(key: &TestKey, after: Option<i64>, until: Option<i64>) -> Value {
    let time = |seconds: Option<i64>| seconds.map(|seconds| from_now(seconds * 1000).to_string());
    json!({
        "fingerprint": key.fingerprint,
        "value": key.secret_base64(),
        "valid_after": time(after),
        "valid_until": time(until),
    })
}

fn from_now(milliseconds: i64) -> Timestamp {
    Timestamp::now().checked_add(SignedDuration::from_millis(milliseconds)).unwrap()
}

/// A document with these keys, which hold for ever.
fn document(keys: &[&TestKey]) -> String {
    document_of(keys.iter().map(|key| entry(key, None, None)).collect())
}

fn document_of(entries: Vec<Value>) -> String {
    json!({ "keys": entries }).to_string()
}

/// An inbound sidecar with keys from `portal`, whose log is for people. Behind it there is nobody, but for pings.
fn sidecar(portal: &Portal) -> SidecarBuilder {
    Sidecar::inbound().portal(portal, GCM).log("format = \"text\"").keys_section("seal_delay = \"0s\"")
}

/// What the sidecar answers to a message under `key`, which it answers by itself if it can.
fn answer(sidecar: &Sidecar, key: &TestKey) -> Reply {
    answer_at(&mut sidecar.connect(), key)
}

fn answer_at(connection: &mut Connection, key: &TestKey) -> Reply {
    connection.exchange(&key.request("POST", "/.well-known/alewife/ping", "", b"one"))
}

/// Whether the sidecar opens what is sealed under `key`.
fn opens(sidecar: &Sidecar, key: &TestKey) -> bool {
    is_opened(&answer(sidecar, key), key)
}

fn is_opened(reply: &Reply, key: &TestKey) -> bool {
    if reply.status == 200 {
        assert!(reply.open(key).is_some(), "{reply:?}");
        return true;
    }
    assert_eq!((reply.status, error_code(reply)), (400, 2), "{reply:?}");
    false
}

fn error_code(reply: &Reply) -> i64 {
    let error: Value = serde_json::from_slice(&reply.body).unwrap();
    error["errorCode"].as_i64().unwrap()
}

/// How often fetches have ended so.
fn fetches(sidecar: &Sidecar, outcome: &str) -> u64 {
    fetches_of(sidecar, "default", outcome)
}

fn fetches_of(sidecar: &Sidecar, set: &str, outcome: &str) -> u64 {
    sidecar.metric(&format!("alewife_portal_fetches_total{{keyset=\"{set}\",outcome=\"{outcome}\"}}")) as u64
}

/// The value of a metric that has no label but the key set.
fn of_keys(sidecar: &Sidecar, name: &str) -> f64 {
    sidecar.metric(&format!("alewife_{name}{{keyset=\"default\"}}"))
}

fn reloads(sidecar: &Sidecar) -> u64 {
    of_keys(sidecar, "key_reloads_total") as u64
}

/// Waits for a fetch that begins after this and ends so.
fn await_fetch(sidecar: &Sidecar, outcome: &str) {
    let before = fetches(sidecar, outcome);
    // The first one may have begun before.
    eventually(&format!("two fetches are {outcome}"), || fetches(sidecar, outcome) >= before + 2);
}

/// What `/status` tells of one source of the first key set.
fn source(sidecar: &Sidecar, kind: &str) -> Value {
    let status = sidecar.status();
    let mut sources = status["keysets"][0]["sources"].as_array().unwrap().iter();
    sources.find(|source| source["kind"] == kind).unwrap_or_else(|| panic!("no {kind} in {status}")).clone()
}

/// What is wrong with the portal, by `/status`.
fn failure(sidecar: &Sidecar) -> Option<String> {
    source(sidecar, "portal")["failure"]["what"].as_str().map(str::to_owned)
}

/// The key that seals, by `/status`.
fn sealing(sidecar: &Sidecar) -> Option<String> {
    let status = sidecar.status();
    let mut keys = status["keysets"][0]["keys"].as_array().unwrap().iter();
    let key = keys.find(|key| key["state"] == "sealing")?;
    Some(key["fingerprint"].as_str().unwrap().to_owned())
}

/// Waits until the log has a line with these pieces in this order.
fn logged(sidecar: &Sidecar, pieces: &[&str]) {
    eventually(&format!("{pieces:?} is logged"), || has_line(&sidecar.log(), pieces));
}

fn has_line(log: &str, pieces: &[&str]) -> bool {
    log.lines().any(|line| {
        let mut rest = Some(line);
        for piece in pieces {
            rest = rest.and_then(|rest| rest.split_once(piece)).map(|(_, rest)| rest);
        }
        rest.is_some()
    })
}
