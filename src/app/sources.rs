//! The sources of the keys, as the admin listener tells of them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::admin::{Conditions, DEFAULT_KEY_SET, NotReady};
use crate::keys::Roughly;
use crate::metrics::SourceKind;
use crate::sources::{LoadedKeys, SourceState};

/// The same, telling the age of each source of one key set, and under the condition that none is too old of those of which
/// that is asked. One that was never confirmed is as old as the process, which began at `start`.
pub(super) fn required(mut conditions: Conditions, keys: &LoadedKeys, start: Timestamp) -> Conditions {
    let name = &keys.config.name;
    let key_set = (&**name != DEFAULT_KEY_SET).then(|| Arc::clone(name));
    for source in keys.sources() {
        let kind = source.kind();
        let condition = match &key_set {
            None => format!("source-{}", kind.label()),
            Some(name) => format!("source-{name}-{}", kind.label()),
        };
        let (source, key_set, max_stale) = (Arc::clone(source), key_set.clone(), max_stale(keys, kind));
        conditions = conditions.requiring_and_telling(condition, move |now| {
            let age = source.age(now).unwrap_or_else(|| since(start, now));
            match max_stale.filter(|max_stale| age > *max_stale) {
                None => Ok(told(&source, now)),
                Some(max_stale) => {
                    Err(NotReady::Stale { source_kind: kind, key_set: key_set.clone(), age, max_stale })
                }
            }
        });
    }
    conditions
}

/// Beyond which age of the source the process counts as not ready, if it does at all.
fn max_stale(keys: &LoadedKeys, kind: SourceKind) -> Option<Duration> {
    let portal = keys.config.portal.as_ref().filter(|portal| portal.unready_when_stale);
    portal.filter(|_| kind == SourceKind::Portal).map(|portal| portal.max_stale)
}

fn since(start: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(start)).unwrap_or_default()
}

/// In a few words, without what went wrong: this page is read over networks.
fn told(source: &SourceState, now: Timestamp) -> String {
    let confirmed = match source.age(now) {
        Some(age) => format!("confirmed {} ago", Roughly(age)),
        None => "not confirmed yet".to_owned(),
    };
    if source.failure().is_some() { confirmed + ", and failing" } else { confirmed }
}

/// What `/status` tells of the sources of one key set.
pub(super) fn report(keys: &LoadedKeys) -> impl Fn(Timestamp) -> Value + Send + Sync + use<> {
    let sources = keys.sources().to_vec();
    move |now| sources.iter().map(|source| report_of(source, now)).collect()
}

fn report_of(source: &SourceState, now: Timestamp) -> Value {
    let failure = source.failure();
    json!({
        "kind": source.kind().label(),
        "name": source.name(),
        "confirmed": source.confirmed().map(|time| time.to_string()),
        "from_cache": source.is_from_cache(),
        "age_seconds": source.age(now).map(|age| age.as_secs()),
        "failure": failure.map(|failure| json!({ "at": failure.at.to_string(), "what": failure.what })),
    })
}
