//! README.md, tried out as a newcomer would.

use std::process::Command;

use super::{console, files_below, quoted, read, table};
use crate::support::Origin;

/// The commands that `alewife --help` lists.
fn commands() -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_alewife")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // A description that goes on in a second line is indented further.
    let lines = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn commands_of_the_readme_do_what_it_says() {
    let application = Origin::echo();
    assert!(console::run(&read("README.md"), &application) >= 7);
    // The one sealed request came through, and what was not sealed didn't.
    let order = application.only();
    assert_eq!(
        (order.request_line.as_str(), order.body.as_slice()),
        ("POST /orders HTTP/1.1", &br#"{"dish":"soup"}"#[..])
    );
}

#[test]
fn quick_start_goes_as_it_says() {
    let application = Origin::echo();
    assert_eq!(console::run(&read("docs/QUICKSTART.md"), &application), 10);
    assert_eq!(application.only().body, br#"{"dish":"soup"}"#);
}

#[test]
fn no_other_document_has_commands_that_nobody_runs() {
    let documents = [files_below("docs"), files_below("examples")].concat();
    let with_commands =
        documents.into_iter().filter(|path| path.ends_with(".md") && read(path).contains("```console"));
    let run = ["docs/DEPLOYMENT.md", "docs/DOCTOR.md", "docs/OPERATIONS.md", "docs/QUICKSTART.md"];
    assert_eq!(with_commands.collect::<Vec<_>>(), run);
}

#[test]
fn first_two_commands_exist() {
    let readme = read("README.md");
    let block = readme.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(block, "cargo run --release -- demo\ncargo test\n");
    assert!(read("Cargo.toml").contains("\ndefault-run = \"alewife\"\n"));
    assert!(commands().contains(&"demo".to_owned()));
}

#[test]
fn table_of_commands_is_that_of_the_help() {
    let mut documented: Vec<_> = table(&read("README.md"), "| command | does |")
        .iter()
        .map(|row| quoted(&row[0])[0].strip_prefix("alewife ").unwrap().to_owned())
        .collect();
    documented.sort();
    assert_eq!(documented, commands());
}

#[test]
fn changelog_has_the_version_of_the_package_or_what_is_to_become_it() {
    let changelog = read("CHANGELOG.md");
    let version = env!("CARGO_PKG_VERSION");
    assert!(changelog.contains("\n## [Unreleased]\n"));
    assert!(changelog.contains(version), "CHANGELOG.md does not name {version}");
}
