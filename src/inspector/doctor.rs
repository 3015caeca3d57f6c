//! What the doctor says of a message that was captured.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::answer::{Fault, Reply, json};
use super::state::Serving;
use crate::capture::{Captured, Direction, Half};
use crate::crypto::encoding;
use crate::doctor::{Capture, Case, examine};
use crate::keys::{Key, KeyRing};

/// All keys together get so long; what is under way when this is over may take a moment more.
const PATIENCE: Duration = Duration::from_secs(4);

/// Keys that are tried.
const MOST_KEYS: usize = 3;

pub(super) async fn report(serving: &Serving, id: u64) -> Result<Reply, Fault> {
    #[derive(Serialize)]
    struct Told {
        report: String,
    }
    let captured = serving.capture().get(id).ok_or_else(Fault::no_exchange)?;
    let keys = serving.proxy(&captured.summary.proxy).and_then(|proxy| proxy.keys);
    let ring = keys.ok_or_else(|| Fault::conflict("the keys of this exchange's proxy are not known here"))?;
    let keys = candidates(&ring.snapshot(), &captured);
    if keys.is_empty() {
        return Err(Fault::conflict("there is no key to try"));
    }
    let text = sealed_text(&captured).ok_or_else(|| Fault::conflict("nothing sealed was captured of it"))?;
    let place = Arc::clone(&serving.doctor).try_acquire_owned();
    let place =
        place.map_err(|_| Fault::conflict("the doctor is at another exchange; ask again in 5 seconds"))?;
    let examined = spawn_blocking(move || {
        let _place = place;
        examined(&text, &keys)
    });
    let report = examined.await.map_err(|_| {
        Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "the examination broke off; look at the log")
    })?;
    Ok(json(StatusCode::OK, &Told { report: report? }))
}

/// The key that the message names; where it names none that is here, the youngest ones.
fn candidates(ring: &KeyRing, captured: &Captured) -> Vec<Arc<Key>> {
    let half = half(captured);
    let named = captured.names.as_ref().and_then(|names| {
        let head = captured.head(half, captured.summary.direction.sealed())?;
        super::detail::field(head, names.fingerprint.as_str())
    });
    match named.or(captured.summary.key.as_deref()).and_then(|named| ring.key(named)) {
        Some(key) => vec![Arc::clone(key)],
        None => ring.keys().take(MOST_KEYS).cloned().collect(),
    }
}

/// The message that is opened: the request of a client, or the reply of a peer where one came.
fn half(captured: &Captured) -> Half {
    let direction = captured.summary.direction;
    let has_reply = captured.head(Half::Reply, direction.sealed()).is_some();
    if direction == Direction::Outbound && has_reply { Half::Reply } else { Half::Request }
}

/// The message as it was on the wire, but for its framing.
fn sealed_text(captured: &Captured) -> Option<Vec<u8>> {
    let (half, side) = (half(captured), captured.summary.direction.sealed());
    let (head, body) = (captured.head(half, side)?, captured.body(half, side));
    let mut text = format!("{}\r\n", head.start);
    let is_framing = |name: &str| matches!(name, "content-length" | "transfer-encoding");
    for (name, value) in head.fields.iter().filter(|(name, _)| !is_framing(name)) {
        // Writing to a string does not fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    let _ = write!(text, "content-length: {}\r\n\r\n", body.length);
    let mut text = text.into_bytes();
    text.extend_from_slice(&body.kept);
    Some(text)
}

/// The plaintext is not in it: the page shows that beside it.
fn examined(text: &[u8], keys: &[Arc<Key>]) -> Result<String, Fault> {
    let capture = Capture::read(text).map_err(|fault| Fault::conflict(fault.to_string()))?;
    let mut lines = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        let started = Instant::now();
        let most = PATIENCE / u32::try_from(keys.len()).unwrap_or(1);
        let secret = Zeroizing::new(encoding::hex_encode(key.secret.bytes()));
        let case = Case { capture: &capture, key: secret.as_bytes(), iv: None, salt: None, aad: None };
        let diagnosis = examine(&case, &|| most.saturating_sub(started.elapsed()), Timestamp::now());
        if number > 0 {
            lines.push(String::new());
        }
        lines.push(format!("With the key {} ({}):", key.fingerprint.as_str(), key.secret.algorithm()));
        lines.extend(diagnosis.lines(&capture, false));
    }
    Ok(lines.join("\n") + "\n")
}
