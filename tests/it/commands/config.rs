//! `alewife config --resolved`, and values that stand in the environment, by the program itself.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::TestKey;

const FILE: &str = "[keys]\nfile = \"keys.toml\"\n[[proxy]]\nname = \"snack-bar\"\nmode = \"inbound\"\n\
                    listen = \"127.0.0.1:8080\"\nupstream = \"http://127.0.0.1:3000\"\n[proxy.timeouts]\nidle = \"59s\"\n";

fn directory(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.toml"), text).unwrap();
    std::fs::write(directory.path().join("keys.toml"), TestKey::new("AES-256-GCM").entry()).unwrap();
    directory
}

/// Exit status, standard output and standard error.
fn run(directory: &Path, words: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_alewife"))
        .args(words)
        .args(["--config", "config.toml"])
        .current_dir(directory)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), stdout, stderr)
}

fn resolved(directory: &Path, environment: &[(&str, &str)]) -> String {
    let (code, page, errors) = run(directory, &["config", "--resolved"], environment);
    assert_eq!(code, 0, "{errors}");
    page
}

fn without_origins(page: &str) -> Vec<String> {
    page.lines().map(|line| line.split("  # ").next().unwrap().to_owned()).collect()
}

#[test]
fn each_value_is_told_with_where_it_is_from() {
    let directory = directory(FILE);
    let page = resolved(
        directory.path(),
        &[
            ("ALEWIFE__WORKERS", "3"),
            ("ALEWIFE__LOG__LEVEL", "warn"),
            ("ALEWIFE__PROXY__SNACK_BAR__REQUIRED_HEADERS", "authorization, x-site"),
        ],
    );
    for line in [
        "workers = 3  # ALEWIFE__WORKERS",
        "level = \"warn\"  # ALEWIFE__LOG__LEVEL",
        "name = \"snack-bar\"  # config.toml:4",
        "idle = \"59s\"  # config.toml:9",
        "reply = \"60s\"  # default",
        "required_headers = [\"authorization\", \"x-site\"]  # ALEWIFE__PROXY__SNACK_BAR__REQUIRED_HEADERS",
        "#ca_file  # not set",
        "[proxy.timeouts]",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
}

#[test]
fn what_is_printed_means_the_same_as_what_it_was_printed_of() {
    let outbound = "[[proxy]]\nname = \"out\"\nmode = \"outbound\"\nlisten = 8081\nupstream = \"https://peer.example\"\n";
    let route = "[[proxy.route]]\nname = \"orders\"\npath = \"/orders\"\nmethods = [\"POST\"]\n";
    let first = directory(&format!("{FILE}{route}{outbound}"));
    let environment = [
        ("ALEWIFE__SHUTDOWN_GRACE", "7s"),
        ("ALEWIFE__PROXY__DESK__MODE", "inbound"),
        ("ALEWIFE__PROXY__DESK__LISTEN", "8082"),
        ("ALEWIFE__PROXY__DESK__UPSTREAM", "http://[::1]:3000"),
        ("ALEWIFE__PROXY__DESK__ORIGINS", "[\"https://pos.example\"]"),
        ("ALEWIFE__PROXY__DESK__MAX_BODY", "1024"),
        ("ALEWIFE__PROXY__DESK__PROXY_PROTOCOL_FROM", "10.0.0.0/8"),
        ("ALEWIFE__PROXY__DESK__ROUTE__ORDERS__METHODS", "GET, POST"),
        ("ALEWIFE__PROXY__DESK__ROUTE__ORDERS__POLICY", "shadow"),
        ("ALEWIFE__PROXY__DESK__ROUTE__ORDERS__UNTIL", "2031-01-01"),
        ("ALEWIFE__PROXY__DESK__ROUTE__ORDERS__FROM", "192.0.2.0/24, 2001:db8::/32"),
    ];
    let printed = resolved(first.path(), &environment);
    let second = directory(&printed);
    let again = resolved(second.path(), &[]);
    assert_eq!(without_origins(&again), without_origins(&printed));
    assert!(printed.contains("name = \"desk\""), "{printed}");
    let (code, _, errors) = run(second.path(), &["check"], &[]);
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn examples_of_a_portal_are_not_printed_as_its_defaults() {
    let portal = "[keys.portal]\nurl = \"https://portal.example/\"\nalgorithm = \"AES-256-GCM\"\nencoding = \"base64\"\n";
    let first = directory(&FILE.replace("[[proxy]]", &format!("{portal}[[proxy]]")));
    let printed = resolved(first.path(), &[]);
    for line in [
        "#preset  # not set",
        "#encryption_pointer  # not set",
        "#cache_file  # not set",
        "max_stale = \"168h\"  # default",
    ] {
        assert!(printed.lines().any(|found| found == line), "{line} is not in\n{printed}");
    }
    let second = directory(&printed);
    assert_eq!(without_origins(&resolved(second.path(), &[])), without_origins(&printed));
}

#[test]
fn secrets_are_not_printed() {
    let directory = directory(&format!("{FILE}replay_window = \"1h\"\n").replace(
        "[proxy.timeouts]\nidle = \"59s\"\n",
        "replay_store = \"redis://127.0.0.1\"\nreplay_store_failure = \"open\"\n",
    ));
    let portal = "ALEWIFE__KEYS__PORTAL__";
    let variable = |key: &str| format!("{portal}{key}");
    let variables = [
        (variable("URL"), "https://portal.example/sites/4711?token=sesame-1"),
        (variable("ALGORITHM"), "AES-256-GCM"),
        (variable("ENCODING"), "base64"),
        (variable("HEADERS__X_API_KEY"), "sesame-2"),
        (variable("HEADERS__X_OTHER"), "{ value = \"sesame-3\" }"),
        ("ALEWIFE__PROXY__SNACK_BAR__REPLAY_STORE_PASSWORD".to_owned(), "sesame-4"),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let page = resolved(directory.path(), &variables);
    assert!(!page.contains("sesame"), "{page}");
    assert!(page.contains("env = \"ALEWIFE__PROXY__SNACK_BAR__REPLAY_STORE_PASSWORD\""), "{page}");
    assert!(page.contains("env = \"ALEWIFE__KEYS__PORTAL__HEADERS__X_API_KEY\""), "{page}");
}

#[test]
fn faults_of_variables_end_every_command_that_reads_a_configuration() {
    let directory = directory(FILE);
    for words in [&["config", "--resolved"][..], &["check"], &["run"]] {
        let (code, _, errors) = run(directory.path(), words, &[("ALEWIFE__LOG__LEVLE", "info")]);
        assert_eq!(code, 78, "{words:?}: {errors}");
        assert!(errors.contains("ALEWIFE__LOG__LEVLE: log.levle: unknown key"), "{words:?}: {errors}");
        assert!(errors.contains("write `level` if that is what is meant"), "{words:?}: {errors}");
    }
}
