//! The page of tables. Whatever stands in it may be from a stranger's server and is made fit for a terminal.

use jiff::Timestamp;

use super::report::{Configuration, Listener, Migration, More, Others, Reuses, Source};
use crate::admin::{KeyReport, KeySetReport, SealsReport, StatusReport};
use crate::cli::terminal::{ago, columns, fit, since, time, window};
use crate::keys::Roughly;

/// No cell is wider, and what comes last in a line.
const WIDEST: usize = 60;
const WIDEST_AT_THE_END: usize = 300;

/// As many faults of a configuration as are told.
const MOST_FAULTS: usize = 10;

/// The whole page, if it is such a report.
pub(super) fn of(report: &StatusReport) -> serde_json::Result<String> {
    let more = More::of(report)?;
    let now: Option<Timestamp> = report.now.parse().ok();
    let parts = [
        head(report, more.configuration.as_ref(), now),
        listeners(&more.listeners),
        outcomes(&more.listeners),
        keys(&report.keysets, now),
        sources(&report.keysets, now)?,
        migrations(&more.migration, now),
        reuses(&more.iv_reuses, now),
    ];
    Ok(parts.join("\n"))
}

/// One line, and what is wrong with the configuration on lines of their own.
fn head(report: &StatusReport, configuration: Option<&Configuration>, now: Option<Timestamp>) -> String {
    let mut line = format!("alewife {}", fit(&report.version, WIDEST));
    if let Some(pid) = report.pid {
        line += &format!(", pid {pid}");
    }
    if let Some(up) = time(report.started.as_deref()).and_then(|started| since(started, now)) {
        line += &format!(", up {}", Roughly(up));
    }
    let Some(configuration) = configuration else { return line + "\n" };
    let Configuration { path, digest, loaded, needs_restart, last_reload } = configuration;
    line += &format!(", configuration {}", fit(digest, WIDEST));
    if let Some(path) = path {
        line += &format!(" of {}", fit(path, WIDEST_AT_THE_END));
    }
    line += &format!(" loaded {}", aged(Some(loaded), now));
    line += &match last_reload {
        Some(reload) => {
            format!(", last reload {}: {}\n", aged(Some(&reload.at), now), fit(&reload.outcome, WIDEST))
        }
        None => ", not reloaded yet\n".to_owned(),
    };
    if !needs_restart.is_empty() {
        line +=
            &format!("    needs a restart to hold: {}\n", fit(&needs_restart.join(", "), WIDEST_AT_THE_END));
    }
    let faults = last_reload.iter().flat_map(|reload| &reload.faults).take(MOST_FAULTS);
    line.extend(faults.map(|fault| format!("    refused: {}\n", fit(fault, WIDEST_AT_THE_END))));
    line
}

fn listeners(listeners: &[Listener]) -> String {
    let row = |listener: &Listener| {
        let Listener { name, mode, address, tls, connections, in_flight, sessions, limits, .. } = listener;
        [
            name.clone(),
            mode.clone(),
            address.clone(),
            if *tls { "yes" } else { "no" }.to_owned(),
            of_limit(*connections, limits.connections),
            of_limit(*in_flight, limits.requests),
            of_limit(*sessions, limits.sessions),
        ]
    };
    let headings = ["LISTENER", "MODE", "ADDRESS", "TLS", "CONNECTIONS", "REQUESTS", "SESSIONS"];
    table(headings, listeners.iter().map(row), "listeners")
}

/// Those that there were, the most frequent first.
fn outcomes(listeners: &[Listener]) -> String {
    let rows = listeners.iter().flat_map(|listener| {
        let mut ended: Vec<_> = listener.outcomes.iter().filter(|(_, count)| **count > 0).collect();
        ended.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        ended.into_iter().map(|(outcome, count)| [listener.name.clone(), outcome.clone(), count.to_string()])
    });
    table(["LISTENER", "OUTCOME", "EXCHANGES"], rows, "exchanges that have ended")
}

fn keys(sets: &[KeySetReport], now: Option<Timestamp>) -> String {
    let row = |set: &KeySetReport, key: &KeyReport| {
        let SealsReport { uses, limit } = &key.sealed;
        let last = time(key.opened.last.as_deref()).max(time(uses.last.as_deref()));
        [
            set.name.clone(),
            key.id.clone(),
            key.algorithm.clone(),
            key.state.to_string(),
            window(key.valid_after.as_deref(), key.valid_until.as_deref()),
            of_limit(uses.count, *limit),
            last.map_or_else(|| "never".to_owned(), |last| ago(last, now)),
            verdict(key.retire.safe, &key.retire.reason),
        ]
    };
    let rows = sets.iter().flat_map(|set| set.keys.iter().map(move |key| row(set, key)));
    let headings = ["KEY SET", "KEY", "ALGORITHM", "STATE", "VALID", "SEALED", "LAST USE", "MAY GO"];
    table(headings, rows, "keys")
}

fn sources(sets: &[KeySetReport], now: Option<Timestamp>) -> serde_json::Result<String> {
    let mut rows = Vec::new();
    for set in sets {
        for Source { kind, name, confirmed, from_cache, failure } in Source::all_of(set)? {
            let confirmed = aged(confirmed.as_deref(), now);
            let failure =
                failure.map(|failure| format!("{}: {}", aged(Some(&failure.at), now), failure.what));
            rows.push([
                set.name.clone(),
                kind,
                name,
                if from_cache { format!("{confirmed}, from the cache") } else { confirmed },
                failure.unwrap_or_else(|| "none".to_owned()),
            ]);
        }
    }
    Ok(table(["KEY SET", "SOURCE", "FROM", "CONFIRMED", "ERROR SINCE"], rows.into_iter(), "sources of keys"))
}

fn migrations(migrations: &[Migration], now: Option<Timestamp>) -> String {
    let row = |migration: &Migration| {
        let count = |of: fn(&super::report::Network) -> u64| {
            migration.networks.iter().map(of).fold(0_u64, u64::saturating_add).to_string()
        };
        [
            migration.proxy.clone(),
            migration.route.clone(),
            migration.policy.clone(),
            migration.until.clone().unwrap_or_else(|| "no end".to_owned()),
            count(|network| network.sealed),
            count(|network| network.plain),
            count(|network| network.refused),
            aged(migration.last_plain.as_deref(), now),
            verdict(migration.safe_to_require, &migration.reason),
        ]
    };
    let headings =
        ["PROXY", "ROUTE", "POLICY", "UNTIL", "SEALED", "PLAIN", "REFUSED", "LAST PLAIN", "SAFE TO REQUIRE"];
    table(headings, migrations.iter().map(row), "routes that let plain clients pass")
}

fn reuses(Reuses { named, others: Others { count, last } }: &Reuses, now: Option<Timestamp>) -> String {
    let rows = named.iter().map(|reuse| {
        [
            reuse.proxy.clone(),
            reuse.id.clone(),
            reuse.network.clone(),
            reuse.count.to_string(),
            aged(Some(&reuse.last), now),
        ]
    });
    let table = table(["PROXY", "KEY", "REPEATS IVS", "TIMES", "LAST"], rows, "repeated IVs");
    if *count == 0 {
        return table;
    }
    format!("{table}and {count} of others, the last {}\n", aged(last.as_deref(), now))
}

/// With headings, or a line that says that there are no such `things`.
fn table<const N: usize>(
    headings: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    things: &str,
) -> String {
    let fit_cells = |row: [String; N]| {
        let mut column = 0;
        row.map(|cell| {
            column += 1;
            fit(&cell, if column == N { WIDEST_AT_THE_END } else { WIDEST })
        })
    };
    let rows: Vec<_> = [headings.map(str::to_owned)].into_iter().chain(rows.map(fit_cells)).collect();
    if rows.len() == 1 { format!("no {things}\n") } else { columns(&rows) }
}

fn verdict(is_so: bool, reason: &str) -> String {
    format!("{}: {reason}", if is_so { "yes" } else { "no" })
}

fn of_limit(count: u64, limit: Option<u64>) -> String {
    limit.map_or_else(|| count.to_string(), |limit| format!("{count} of {limit}"))
}

/// How long ago that was; what is no time as it is.
fn aged(text: Option<&str>, now: Option<Timestamp>) -> String {
    match (text, time(text)) {
        (_, Some(time)) => ago(time, now),
        (Some(text), None) => fit(text, WIDEST),
        (None, None) => "never".to_owned(),
    }
}
