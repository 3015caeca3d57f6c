//! The keys as they are, and a new one.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::answer::{Fault, Reply, json};
use super::state::Serving;
use crate::admin::{KeyReport, KeySetReport};
use crate::capture::Event;
use crate::keys::KeyState;

#[derive(Serialize)]
struct KeysReport {
    keysets: Vec<SetReport>,
    can_rotate: bool,
}

#[derive(Serialize)]
struct SetReport {
    name: String,
    keys: Vec<OneKey>,
}

#[derive(Serialize)]
struct OneKey {
    fingerprint: String,
    algorithm: String,
    state: KeyState,
    valid_from: Option<String>,
    valid_until: Option<String>,
    seals: bool,
    sealed: u64,
    opened: u64,
    last_used: Option<String>,
    may_go: bool,
    why: String,
}

impl From<KeyReport> for OneKey {
    fn from(key: KeyReport) -> Self {
        // RFC 3339 in one zone, though not of one length: times of one second differ after its digits.
        let used = [key.sealed.uses.last, key.opened.last].into_iter().flatten();
        let last_used = used.max_by_key(|time| time.parse::<jiff::Timestamp>().ok());
        Self {
            fingerprint: key.fingerprint,
            algorithm: key.algorithm,
            state: key.state,
            valid_from: key.valid_after,
            valid_until: key.valid_until,
            seals: key.state == KeyState::Sealing,
            sealed: key.sealed.uses.count,
            opened: key.opened.count,
            last_used,
            may_go: key.retire.safe,
            why: key.retire.reason,
        }
    }
}

impl From<KeySetReport> for SetReport {
    fn from(set: KeySetReport) -> Self {
        Self { name: set.name, keys: set.keys.into_iter().map(Into::into).collect() }
    }
}

pub(super) fn list(serving: &Serving) -> Reply {
    let keysets = serving.state.key_sets.report().keysets.into_iter().map(Into::into).collect();
    let can_rotate = serving.state.can_act && serving.state.rotate.is_some();
    json(StatusCode::OK, &KeysReport { keysets, can_rotate })
}

/// How often keys are looked at. They change by their files and portals, and by the time alone.
const LOOK: Duration = Duration::from_secs(1);

/// Tells of changes of the keys, for as long as anybody hears it.
pub(super) async fn watch(serving: &Serving) {
    let mut known = None;
    loop {
        sleep(LOOK).await;
        if !serving.capture().is_heard() {
            known = None;
            continue;
        }
        let keys = serving.state.key_sets.report().keysets.into_iter().flat_map(|set| {
            set.keys.into_iter().map(move |key| (set.name.clone(), key.fingerprint, key.state))
        });
        let keys: Vec<_> = keys.collect();
        if known.as_ref().is_some_and(|known| *known != keys) {
            serving.capture().tell(Event::Keys);
        }
        known = Some(keys);
    }
}

/// Has a new key made that seals.
pub(super) async fn rotate(serving: &Arc<Serving>) -> Result<Reply, Fault> {
    #[derive(Serialize)]
    struct Rotated {
        fingerprint: String,
    }
    if serving.state.rotate.is_none() {
        return Err(Fault::conflict("these keys cannot be rotated from here"));
    }
    let asked = Arc::clone(serving);
    let rotated = spawn_blocking(move || asked.state.rotate.as_ref().map(|rotate| rotate())).await;
    match rotated {
        Ok(Some(Ok(fingerprint))) => {
            serving.capture().tell(Event::Keys);
            Ok(json(StatusCode::OK, &Rotated { fingerprint }))
        }
        Ok(Some(Err(why))) => Err(Fault::conflict(why)),
        Ok(None) | Err(_) => {
            Err(Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "the rotation broke off; look at the log"))
        }
    }
}
