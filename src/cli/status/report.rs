//! What of `/status` the page is made of, besides the keys. Whatever an older sidecar does not tell is left out.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::admin::{KeySetReport, StatusReport};

/// What has no type of its own in the report.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct More {
    pub(super) listeners: Vec<Listener>,
    pub(super) configuration: Option<Configuration>,
    pub(super) migration: Vec<Migration>,
    pub(super) iv_reuses: Reuses,
}

impl More {
    pub(super) fn of(report: &StatusReport) -> serde_json::Result<Self> {
        serde_json::from_value(Value::Object(report.more.clone()))
    }
}

/// One of a key set's sources.
#[derive(Debug, Deserialize)]
pub(super) struct Source {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) confirmed: Option<String>,
    #[serde(default)]
    pub(super) from_cache: bool,
    pub(super) failure: Option<Failure>,
}

impl Source {
    pub(super) fn all_of(set: &KeySetReport) -> serde_json::Result<Vec<Self>> {
        set.more.get("sources").map_or(Ok(Vec::new()), Vec::deserialize)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    pub(super) at: String,
    pub(super) what: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Listener {
    pub(super) name: String,
    pub(super) mode: String,
    pub(super) address: String,
    pub(super) tls: bool,
    pub(super) connections: u64,
    pub(super) in_flight: u64,
    pub(super) sessions: u64,
    #[serde(default)]
    pub(super) limits: Limits,
    /// How many exchanges ended how.
    #[serde(default)]
    pub(super) outcomes: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Limits {
    pub(super) connections: Option<u64>,
    pub(super) requests: Option<u64>,
    pub(super) sessions: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Configuration {
    pub(super) path: Option<String>,
    pub(super) digest: String,
    pub(super) loaded: String,
    #[serde(default)]
    pub(super) needs_restart: Vec<String>,
    pub(super) last_reload: Option<Reload>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Reload {
    pub(super) at: String,
    pub(super) outcome: String,
    #[serde(default)]
    pub(super) faults: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Migration {
    pub(super) proxy: String,
    pub(super) route: String,
    pub(super) policy: String,
    pub(super) until: Option<String>,
    pub(super) last_plain: Option<String>,
    pub(super) safe_to_require: bool,
    pub(super) reason: String,
    #[serde(default)]
    pub(super) networks: Vec<Network>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Network {
    pub(super) sealed: u64,
    pub(super) plain: u64,
    pub(super) refused: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reuses {
    pub(super) named: Vec<Reuse>,
    pub(super) others: Others,
}

#[derive(Debug, Deserialize)]
pub(super) struct Reuse {
    pub(super) proxy: String,
    pub(super) id: String,
    pub(super) network: String,
    pub(super) count: u64,
    pub(super) last: String,
}

/// Those for whom there was no room.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Others {
    pub(super) count: u64,
    pub(super) last: Option<String>,
}
