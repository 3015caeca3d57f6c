//! The table of faults in docs/KEYS.md, of which each row is shown by a test.

use std::fs;
use std::path::Path;

use super::{failure, fetches, has_line};
use crate::support::{Sidecar, eventually};

/// One row of the table.
struct Row {
    fault: String,
    log: Vec<String>,
    fetch: Option<String>,
    ready: bool,
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every row, of all tables of that section.
fn rows() -> Vec<Row> {
    let text = fs::read_to_string(project().join("docs/KEYS.md")).unwrap();
    let section =
        text.split("\n## Faults\n").nth(1).expect("a section on faults").split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| fault |"));
    lines.map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let [fault, _does, log, fetch, ready] = cells[..] else { panic!("not five cells: {line}") };
    Row {
        fault: fault.to_owned(),
        log: quoted(log),
        fetch: quoted(fetch).pop(),
        ready: match ready {
            "yes" => true,
            "no" => false,
            other => panic!("{other}: {line}"),
        },
    }
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Waits until `sidecar` shows the fault as the table says: what it logs, how it counts the fetch, whether it is ready;
/// and holds `/status` to the same words.
pub(super) fn shown(sidecar: &Sidecar, fault: &str) {
    let row = rows().into_iter().find(|row| row.fault == fault);
    let row = row.unwrap_or_else(|| panic!("docs/KEYS.md has no fault {fault:?}"));
    assert!(!row.log.is_empty(), "{fault}: what is logged?");
    for text in &row.log {
        let pieces: Vec<_> = text.split('…').collect();
        eventually(&format!("{fault}: {text:?} is logged"), || has_line(&sidecar.log(), &pieces));
    }
    if let Some(outcome) = &row.fetch {
        eventually(&format!("{fault}: a fetch is {outcome}"), || fetches(sidecar, outcome) > 0);
        if outcome == "failed" || outcome == "refused" {
            let what = failure(sidecar).unwrap_or_else(|| panic!("{fault}: /status tells no failure"));
            eventually(&format!("{fault}: {what:?} is logged"), || sidecar.log().contains(&what));
        }
    }
    let ready = sidecar.admin_page("/readyz");
    assert_eq!(ready.0 == 200, row.ready, "{fault}: {ready:?}");
}

#[test]
fn every_row_of_the_table_is_shown_by_a_test() {
    let tests: String = fs::read_dir(project().join("tests/it/keys"))
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    let rows = rows();
    assert!(rows.len() > 30, "{}", rows.len());
    for row in rows {
        assert!(tests.contains(&format!("\"{}\"", row.fault)), "no test shows {:?}", row.fault);
    }
}
