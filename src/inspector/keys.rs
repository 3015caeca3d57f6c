//! The keys as they are, and a new one.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;
use tokio::task::spawn_blocking;

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
