//! Every `--help`, held as a file in `tests/help`.
//!
//! `ALEWIFE_UPDATE_SNAPSHOTS=1 cargo test --test it commands::help` writes them anew.

use std::fs;
use std::path::PathBuf;

use super::run;

fn snapshot(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/help").join(format!("{name}.txt"))
}

fn help(args: &[&str]) -> String {
    String::from_utf8(run(args, b"").ok()).unwrap()
}

/// The commands that the help of all names.
fn commands() -> Vec<String> {
    let all = help(&["--help"]);
    let section = all.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    section.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_help_is_as_its_snapshot() {
    let mut helps = vec![("alewife".to_owned(), help(&["--help"]))];
    helps.extend(commands().into_iter().map(|command| (command.clone(), help(&[&command, "--help"]))));
    for (command, inner) in [("keys", "rotate"), ("profiles", "import"), ("profiles", "test")] {
        helps.push((format!("{command}-{inner}"), help(&[command, inner, "--help"])));
    }
    assert!(helps.len() >= 11, "{helps:?}");
    if std::env::var_os("ALEWIFE_UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        for (name, text) in &helps {
            fs::write(snapshot(name), text).unwrap();
        }
    }
    for (name, text) in &helps {
        let expected = fs::read_to_string(snapshot(name)).unwrap_or_default();
        assert_eq!(
            *text, expected,
            "the help of {name} has changed; if it should, run with ALEWIFE_UPDATE_SNAPSHOTS=1"
        );
    }
    let known = fs::read_dir(snapshot("alewife").parent().unwrap()).unwrap().count();
    assert_eq!(known, helps.len(), "a snapshot of a command that is no more");
}
