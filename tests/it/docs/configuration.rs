//! docs/CONFIGURATION.md, made of the comments of the examples at the root, and held to them and to the program.
//!
//! `ALEWIFE_UPDATE_SNAPSHOTS=1 cargo test --test it docs::configuration` writes it anew.

mod examples;
mod page;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use super::{quoted, root};
use crate::support::{Authority, TestKey};

const PAGE: &str = "docs/CONFIGURATION.md";

fn made() -> String {
    page::made_of(&examples::all())
}

#[test]
fn reference_is_what_the_examples_say() {
    let made = made();
    if std::env::var_os("ALEWIFE_UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        std::fs::write(root().join(PAGE), &made).unwrap();
    }
    let written = std::fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    assert!(
        written == made,
        "{PAGE} is not what the examples say; ALEWIFE_UPDATE_SNAPSHOTS=1 writes it: {:?}",
        made.lines()
            .zip(written.lines().chain(std::iter::repeat("")))
            .find(|(made, written)| made != written)
    );
}

/// With everything in it that has keys of its own.
const WHOLE: &str = r#"
[keys]
file = "keys.toml"
[keys.portal]
url = "https://portal.example/"
algorithm = "AES-256-GCM"
encoding = "base64"
[keyset.bar]
file = "keys.toml"
[profile.vendor]
[inspector]
url_file = "inspector.url"
[[proxy]]
name = "kitchen"
mode = "inbound"
listen = "127.0.0.1:8080"
upstream = "http://127.0.0.1:3000"
[proxy.tls]
cert_file = "tls.crt"
key_file = "tls.key"
[proxy.tls.certificate.orders]
cert_file = "tls.crt"
key_file = "tls.key"
[[proxy.route]]
name = "orders"
[[proxy]]
name = "pos"
mode = "outbound"
listen = "127.0.0.1:8081"
upstream = "http://127.0.0.1:3001"
"#;

/// Whether it succeeded, standard output, and the first line of each fault.
fn run(words: &[&str], variables: &BTreeSet<String>) -> (bool, String, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = Authority::new().issue_pem(&["localhost"]);
    let keys = TestKey::new("AES-256-GCM").entry();
    for (name, text) in
        [("config.toml", WHOLE), ("keys.toml", &*keys), ("tls.crt", &*certificate), ("tls.key", &*key)]
    {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_alewife"))
        .args(words)
        .args(["--config", "config.toml"])
        .current_dir(directory.path())
        .envs(variables.iter().map(|name| (name, "nonsense")))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let [told, faults] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.success(), told, faults.lines().map(str::to_owned).collect())
}

/// The keys of the page by the headings of their sections.
fn documented() -> BTreeSet<(String, String)> {
    let (mut section, mut found) = (String::new(), BTreeSet::new());
    for line in made().lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.to_owned();
        } else if let Some(heading) = line.strip_prefix("### ") {
            found.extend(quoted(heading).into_iter().map(|key| (section.clone(), key)));
        }
    }
    found
}

#[test]
fn every_setting_that_the_program_prints_is_in_the_reference() {
    let (succeeded, printed, faults) = run(&["config", "--resolved"], &BTreeSet::new());
    assert!(succeeded, "{faults:?}");
    let page = documented();
    let is_documented = |section: &str, key: &str| {
        page.iter().any(|(heading, known)| {
            let of_outbound = section == "[[proxy]]" && heading.starts_with("`[[proxy]]`");
            (quoted(heading).iter().any(|title| title == section) || of_outbound) && known == key
        })
    };
    let (mut section, mut compared) = ("at the top".to_owned(), 0);
    for line in printed.lines().filter(|line| !line.is_empty()) {
        if line.starts_with('[') {
            section = line.replace(".orders]", ".NAME]").replace("vendor", "NAME").replace("bar]", "NAME]");
            continue;
        }
        let key = line.trim_start_matches('#').split(' ').next().unwrap();
        let is_there = match &*section {
            "at the top" => page.contains(&("At the top".to_owned(), key.to_owned())),
            section => is_documented(section, key),
        };
        assert!(is_there, "{PAGE} lacks {key} of {section}");
        compared += 1;
    }
    assert!(compared > 150, "{compared}");
}

/// Every variable of the page, for the members of [`WHOLE`].
fn variables() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut heading = String::new();
    for line in made().lines() {
        if let Some(new) = line.strip_prefix("## ") {
            heading = new.to_owned();
        }
        if !line.starts_with("- ") {
            continue;
        }
        for name in quoted(line).into_iter().filter(|name| name.starts_with("ALEWIFE__")) {
            let proxy = if heading.contains("outbound") { "POS" } else { "KITCHEN" };
            let name = name.replace("PROXY__<NAME>", &format!("PROXY__{proxy}"));
            found.insert(name.replace("PROFILE__<NAME>", "PROFILE__VENDOR").replace("<NAME>", "ORDERS"));
        }
    }
    found
}

#[test]
fn every_variable_of_the_reference_is_one_that_the_program_reads() {
    let mut variables = variables();
    assert!(variables.len() > 140, "{variables:?}");
    // Of a mode that is none, keys are not told from others.
    variables.retain(|name| !name.ends_with("__MODE"));
    variables.insert("ALEWIFE__LOG__LEVLE".to_owned());
    let (_, _, faults) = run(&["check"], &variables);
    let not_read =
        ["unknown key", "not the name of a key", "a name, and no key of it", "there is a value where"];
    let of_names: Vec<_> =
        faults.iter().filter(|fault| not_read.iter().any(|problem| fault.contains(problem))).collect();
    assert_eq!(of_names, ["ALEWIFE__LOG__LEVLE: log.levle: unknown key"], "{faults:#?}");
    // Each section was reached: nonsense is a fault of its numbers and choices.
    for section in [
        "WORKERS",
        "KEYS__CLOCK_SKEW",
        "KEYS__PORTAL__ALGORITHM",
        "ADMIN__LISTEN",
        "LOG__LEVEL",
        "PROXY__KITCHEN__HOST",
        "PROXY__KITCHEN__WEBSOCKET__PING_INTERVAL",
        "PROXY__KITCHEN__TIMEOUTS__IDLE",
        "PROXY__KITCHEN__LIMITS__REQUESTS",
        "PROXY__KITCHEN__TLS__CERTIFICATE__ORDERS__CERT_FILE",
        "PROXY__KITCHEN__ROUTE__ORDERS__POLICY",
        "PROXY__POS__REPLIES",
        "PROFILE__VENDOR__IV",
        "PROFILE__VENDOR__ERRORS__DECRYPT__STATUS",
    ] {
        let told = format!("ALEWIFE__{section}: ");
        assert!(faults.iter().any(|fault| fault.starts_with(&told)), "{told} is not in {faults:#?}");
    }
}
