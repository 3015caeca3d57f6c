//! Which clients are plain still, as `/status` tells of it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::proxy::{MigrationReport, Migrations, NetworkReport};

/// Each route that takes plain requests: from whom, how many came how, and whether it may be switched to `require`.
pub(super) fn report(migrations: Arc<Migrations>) -> impl Fn(Timestamp) -> Value + Send + Sync {
    move |now| migrations.report(now).iter().map(of_route).collect()
}

fn of_route(report: &MigrationReport) -> Value {
    let MigrationReport { terms, to_require, .. } = report;
    json!({
        "proxy": &*report.proxy,
        "route": &*report.route,
        "policy": terms.policy.to_string(),
        "from": terms.from.to_string().split(", ").collect::<Vec<_>>(),
        "until": shown(terms.until),
        "quiet_for_seconds": terms.quiet_for.as_secs(),
        "since": report.since.to_string(),
        "plain_under_way": report.under_way,
        "last_plain": shown(report.last_plain),
        "safe_to_require": to_require.is_safe(),
        "reason": to_require.to_string(),
        "networks": report.networks.iter().map(of_network).collect::<Vec<_>>(),
    })
}

fn of_network(report: &NetworkReport) -> Value {
    let would_refuse = report.would_refuse.iter().map(|(why, count)| {
        let code: Option<u64> = why.code.parse().ok();
        json!({ "code": code, "reason": why.reason, "count": count })
    });
    json!({
        "network": &report.network,
        "sealed": report.sealed,
        "plain": report.plain,
        "refused": report.refused,
        "would_refuse": would_refuse.collect::<Vec<_>>(),
        "last": shown(report.last),
        "last_plain": shown(report.last_plain),
    })
}

fn shown(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}
