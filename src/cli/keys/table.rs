//! The table of keys, for people. Whatever stands in it may be from a stranger's server and is made fit for a terminal.

use std::time::Duration;

use jiff::Timestamp;

use crate::admin::{KeyReport, KeySetReport, SealsReport, StatusReport, UsesReport};
use crate::cli::terminal::{ago, columns, fit, time, window};
use crate::keys::Roughly;

const HEADINGS: [&str; 9] =
    ["KEY", "ALGORITHM", "STATE", "VALID", "OPENED", "SEALED", "REFUSED", "LAST USE", "MAY GO"];

/// No cell is wider.
const WIDEST: usize = 60;

type Row = [String; HEADINGS.len()];

/// The tables of all key sets.
pub(super) fn of(report: &StatusReport) -> String {
    let now: Option<Timestamp> = report.now.parse().ok();
    let tables = report.keysets.iter().map(|key_set| of_key_set(key_set, now));
    tables.collect::<Vec<_>>().join("\n")
}

fn of_key_set(key_set: &KeySetReport, now: Option<Timestamp>) -> String {
    let rows: Vec<Row> = key_set.keys.iter().map(|key| row(key, now)).collect();
    let observation = Roughly(Duration::from_secs(key_set.observation_seconds));
    let (count, name) = (rows.len(), fit(&key_set.name, WIDEST));
    let keys = if count == 1 { "key" } else { "keys" };
    let text = format!("{name}: {count} {keys}; a key may go once it was not used for {observation}\n");
    let headings = HEADINGS.map(str::to_owned);
    let rows: Vec<Row> = [headings].into_iter().chain(rows).collect();
    text + &columns(&rows)
}

fn row(key: &KeyReport, now: Option<Timestamp>) -> Row {
    let last = time(key.opened.last.as_deref()).max(time(key.sealed.uses.last.as_deref()));
    let may_go = if key.retire.safe { "yes" } else { "no" };
    let cells = [
        key.id.clone(),
        key.algorithm.clone(),
        key.state.to_string(),
        window(key.valid_after.as_deref(), key.valid_until.as_deref()),
        key.opened.count.to_string(),
        sealed(&key.sealed),
        refused(&key.opened, now),
        last.map_or_else(|| "never".to_owned(), |last| ago(last, now)),
        format!("{may_go}: {}", key.retire.reason),
    ];
    cells.map(|cell| fit(&cell, WIDEST))
}

/// With its share of the limit, where that is worth a thought.
fn sealed(SealsReport { uses, limit }: &SealsReport) -> String {
    let share = limit.and_then(|limit| (u128::from(uses.count) * 100).checked_div(limit.into()));
    match share {
        Some(share) if share > 0 => format!("{}, {share}%", uses.count),
        _ => uses.count.to_string(),
    }
}

fn refused(opened: &UsesReport, now: Option<Timestamp>) -> String {
    match time(opened.last_failure.as_deref()) {
        Some(last) if opened.failures > 0 => format!("{}, {}", opened.failures, ago(last, now)),
        _ => opened.failures.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::RetireReport;
    use crate::keys::KeyState;

    fn key(id: &str) -> KeyReport {
        KeyReport {
            fingerprint: id.to_owned(),
            id: id.to_owned(),
            algorithm: "AES-256-GCM".to_owned(),
            valid_after: None,
            valid_until: None,
            state: KeyState::Accepting,
            retire: RetireReport { safe: true, reason: "not used for 24h".to_owned() },
            watched_since: None,
            opened: UsesReport::default(),
            sealed: SealsReport::default(),
        }
    }

    fn report(keys: Vec<KeyReport>) -> StatusReport {
        let name = "default".to_owned();
        let key_set = KeySetReport { name, observation_seconds: 86_400, keys, more: Default::default() };
        let now = "2026-06-01T12:00:00.5Z".to_owned();
        StatusReport {
            version: "0".to_owned(),
            started: None,
            pid: None,
            now,
            keysets: vec![key_set],
            more: Default::default(),
        }
    }

    fn at(time: &str) -> Option<String> {
        Some(format!("2026-06-01T{time}Z"))
    }

    #[test]
    fn each_key_has_a_line_and_each_column_its_width() {
        let young = KeyReport {
            valid_after: at("00:00:00"),
            state: KeyState::Sealing,
            retire: RetireReport { safe: false, reason: "it seals".to_owned() },
            opened: UsesReport {
                count: 1_200,
                failures: 2,
                last: at("11:59:00"),
                last_failure: at("09:00:00"),
                ..UsesReport::default()
            },
            sealed: SealsReport {
                uses: UsesReport { count: 7, last: at("11:59:58"), ..UsesReport::default() },
                limit: Some(8),
            },
            ..key("young")
        };
        let old = KeyReport { valid_until: at("23:30:01"), ..key("an-older-one") };
        let both = KeyReport { valid_after: at("00:00:00"), valid_until: at("23:00:00"), ..key("both") };
        let expected = "\
default: 4 keys; a key may go once it was not used for 24h
KEY           ALGORITHM    STATE      VALID                                   OPENED  SEALED  REFUSED    LAST USE  MAY GO
young         AES-256-GCM  sealing    from 2026-06-01T00:00Z                  1200    7, 87%  2, 3h ago  2s ago    no: it seals
an-older-one  AES-256-GCM  accepting  until 2026-06-01T23:30:01Z              0       0       0          never     yes: not used for 24h
both          AES-256-GCM  accepting  2026-06-01T00:00Z to 2026-06-01T23:00Z  0       0       0          never     yes: not used for 24h
k             AES-256-GCM  accepting  always                                  0       0       0          never     yes: not used for 24h
";
        assert_eq!(of(&report(vec![young, old, both, key("k")])), expected);
    }

    #[test]
    fn a_strangers_words_do_not_reach_the_terminal_as_they_are() {
        let mut hostile = key("\u{1b}[2J\u{7}k\u{202e}\u{9b}");
        hostile.retire.reason = "x".repeat(1_000) + "\n\r";
        let text = of(&report(vec![hostile]));
        assert!(text.chars().all(|c| c == '\n' || c == ' ' || c == '…' || c.is_ascii_graphic()), "{text:?}");
        assert!(text.lines().all(|line| line.len() < 250), "{text}");
        assert_eq!(text.lines().count(), 3);
    }
}
