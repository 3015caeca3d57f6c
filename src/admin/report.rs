//! `/status` as JSON: written here, read by `alewife keys`. Nothing in it is secret.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::keys::{Fingerprint, Key, KeyState, Uses, Verdict};

/// What one process tells of itself. Older ones do not tell all of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The version of the program.
    pub version: String,
    /// When the process began to tell of itself, at its start.
    #[serde(default)]
    pub started: Option<String>,
    /// The number that the system has for it.
    #[serde(default)]
    pub pid: Option<u32>,
    /// The time there, by RFC 3339, as all times here.
    pub now: String,
    /// Its key sets.
    pub keysets: Vec<KeySetReport>,
    /// What others have added.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// One key set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeySetReport {
    /// What the configuration calls it.
    pub name: String,
    /// For how long a key that may go was not used; a piece of a second counts as one.
    pub observation_seconds: u64,
    /// Its keys, those that began last first.
    pub keys: Vec<KeyReport>,
    /// What others have added.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyReport {
    /// The name that messages use for it.
    pub fingerprint: String,
    /// The same where room is scarce: shortened if it is long.
    pub id: String,
    /// The name of its algorithm.
    pub algorithm: String,
    /// When it begins to hold, if ever it did not.
    pub valid_after: Option<String>,
    /// When it ceases to hold, if ever it does.
    pub valid_until: Option<String>,
    /// What it does now.
    pub state: KeyState,
    /// Whether it may go.
    pub retire: RetireReport,
    /// From when its uses were noted.
    pub watched_since: Option<String>,
    /// Messages that were opened with it.
    pub opened: UsesReport,
    /// Messages that were sealed with it.
    pub sealed: SealsReport,
}

/// Whether a key may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireReport {
    /// Whether it may.
    pub safe: bool,
    /// Why, or why not, in words that may change.
    pub reason: String,
}

/// One direction of a key's use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsesReport {
    /// How often.
    pub count: u64,
    /// How often it was tried and failed.
    pub failures: u64,
    /// When first.
    pub first: Option<String>,
    /// When last.
    pub last: Option<String>,
    /// When it failed last.
    pub last_failure: Option<String>,
}

/// How a key was used to seal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealsReport {
    /// The same as of opening.
    #[serde(flatten)]
    pub uses: UsesReport,
    /// How many messages it may seal in this process, if that is limited.
    pub limit: Option<u64>,
}

impl From<Verdict<'_>> for KeyReport {
    fn from(Verdict { key, state, retirement, seal_limit }: Verdict<'_>) -> Self {
        let Key { fingerprint, secret, validity, .. } = &**key;
        let usage = key.usage();
        Self {
            fingerprint: fingerprint.to_string(),
            id: short(fingerprint),
            algorithm: secret.algorithm().to_string(),
            valid_after: text(validity.after),
            valid_until: text(validity.until),
            state,
            retire: RetireReport { safe: retirement.is_safe(), reason: retirement.to_string() },
            watched_since: text(usage.map(|usage| usage.since())),
            opened: usage.map(|usage| usage.opened().into()).unwrap_or_default(),
            sealed: SealsReport {
                uses: usage.map(|usage| usage.sealed().into()).unwrap_or_default(),
                limit: seal_limit,
            },
        }
    }
}

impl From<Uses> for UsesReport {
    fn from(Uses { count, failures, first, last, last_failure }: Uses) -> Self {
        let (first, last, last_failure) = (text(first), text(last), text(last_failure));
        Self { count, failures, first, last, last_failure }
    }
}

fn text(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

/// Beginning and end of a fingerprint, where it has more than 16 characters.
fn short(fingerprint: &Fingerprint) -> String {
    // Visible ASCII: each character is a byte.
    let text = fingerprint.as_str();
    if text.len() <= 16 { text.to_owned() } else { format!("{}…{}", &text[..10], &text[text.len() - 5..]) }
}
