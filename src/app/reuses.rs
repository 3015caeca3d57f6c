//! Who repeats IVs, as `/status` tells of it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::proxy::IvReuses;

/// The senders that repeat IVs, each with its network and the key that it breaks; past the first 32 only how often.
pub(super) fn report(reuses: Arc<IvReuses>) -> impl Fn(Timestamp) -> Value + Send + Sync {
    move |_now| {
        let report = reuses.report();
        let named: Vec<_> = report
            .named
            .iter()
            .map(|reuse| {
                json!({
                    "proxy": &*reuse.proxy,
                    "fingerprint": reuse.fingerprint.as_str(),
                    "id": reuse.fingerprint.short(),
                    "network": reuse.network.to_string(),
                    "count": reuse.count,
                    "last": reuse.last.to_string(),
                })
            })
            .collect();
        let last = report.others_last.map(|last| last.to_string());
        json!({ "named": named, "others": { "count": report.others, "last": last } })
    }
}
