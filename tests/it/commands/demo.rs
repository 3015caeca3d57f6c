//! `alewife demo`, and the lines that it has people copy.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use alewife::crypto::encoding;

use super::{Ended, alewife};

const TITLES: [&str; 5] = [
    "┌─ 1 What went over the wire: the sealed order",
    "┌─ 2 What the application saw",
    "┌─ 3 What it answered",
    "┌─ 4 What went back over the wire: the sealed reply",
    "┌─ 5 What the client opened",
];

pub(super) const ORDER: &str = r#"{"table":7,"dish":"onion soup","note":"no onions, please"}"#;

pub(super) const RECEIPT: &str =
    r#"{"order":{"dish":"onion soup","note":"no onions, please","table":7},"receipt":1,"status":"cooking"}"#;

pub(super) fn once(args: &[&str], environment: &[(&str, &str)]) -> (Ended, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = alewife([&["demo", "--once"], args].concat());
    command.env("TMPDIR", directory.path()).envs(environment.iter().copied());
    (Ended::of(command.spawn().unwrap()), directory)
}

/// The lines of the panel of this title, without their frame.
pub(super) fn panel<'t>(text: &'t str, title: &str) -> Vec<&'t str> {
    let rest = text.split(title).nth(1).unwrap();
    let lines = rest.split("└─").next().unwrap().lines().skip(1);
    lines.map(|line| line.strip_prefix("│ ").unwrap()).collect()
}

/// The longest stretch of characters that `counts`.
pub(super) fn longest(text: &str, counts: fn(char) -> bool) -> usize {
    text.split(|c| !counts(c)).map(str::len).max().unwrap_or_default()
}

#[test]
fn demo_once_shows_the_order_from_all_sides_and_ends_well() {
    let (ended, directory) = once(&[], &[]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{}", ended.text());
    let text = ended.text();
    let places: Vec<usize> = TITLES.iter().map(|title| text.find(title).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");

    let sent = panel(text, TITLES[0]);
    assert_eq!(sent[0], "POST /orders HTTP/1.1");
    assert!(sent.contains(&"sec-fingerprint: demo-gcm"), "{text}");
    assert!(sent.iter().any(|line| line.starts_with("0000  ")) && !sent.concat().contains("soup"), "{text}");
    let seen = panel(text, TITLES[1]);
    assert_eq!((seen[0], *seen.last().unwrap()), ("POST /orders HTTP/1.1", ORDER));
    assert!(!seen.iter().any(|line| line.starts_with("sec-")), "{text}");
    assert_eq!(*panel(text, TITLES[2]).last().unwrap(), RECEIPT);
    let replied = panel(text, TITLES[3]);
    assert_eq!(replied[0], "HTTP/1.1 201 Created");
    assert!(replied.iter().any(|line| line.starts_with("sec-iv: ")), "{text}");
    assert!(!replied.concat().contains("cooking"), "{text}");
    assert_eq!(panel(text, TITLES[4]), [RECEIPT]);
    assert_eq!(text.lines().filter(|line| line.starts_with("✓ ")).count(), 5, "{text}");
    assert!(!text.contains('✗'), "{text}");

    assert_eq!(directory.path().read_dir().unwrap().count(), 0, "the temporary directory is left behind");
}

#[test]
fn demo_once_shows_no_key() {
    let (ended, _directory) = once(&[], &[]);
    let text = ended.text();
    // Keys have 32 bytes: 64 hex digits, 44 characters of base64.
    assert!(longest(text, |c| c.is_ascii_hexdigit()) < 40, "{text}");
    assert!(longest(text, |c| c.is_ascii_alphanumeric() || "+/=".contains(c)) < 40, "{text}");
    assert!(!text.contains("keys.toml"), "{text}");
}

#[test]
fn demo_is_without_colours_where_none_are_wanted() {
    for environment in [&[][..], &[("NO_COLOR", "1")]] {
        let (ended, _directory) = once(&[], environment);
        assert_eq!(ended.status, 0);
        assert!(!ended.text().contains('\x1b'), "{}", ended.text());
    }
}

#[test]
fn keys_of_the_demo_are_its_owners_alone_and_in_base64() {
    let demo = Demo::start(&[]);
    let keys = demo.key_file();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&keys), mode(keys.parent().unwrap())), (0o600, 0o700));
    let text = std::fs::read_to_string(&keys).unwrap();
    assert_eq!((text.matches("\"base64:").count(), text.matches("hex:").count()), (2, 0));
    demo.stop("TERM");
}

/// A demo that stays up.
pub(super) struct Demo {
    child: Child,
    stdout: BufReader<ChildStdout>,
    directory: tempfile::TempDir,
    text: String,
}

impl Demo {
    pub(super) fn start(args: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = alewife([&["demo"], args].concat());
        let mut child = command.env("TMPDIR", directory.path()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut demo = Self { child, stdout, directory, text: String::new() };
        while !demo.text.contains("Ctrl-C ends the demo.") {
            demo.read_line();
        }
        demo
    }

    pub(super) fn read_line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "it ended:\n{}", self.text);
        self.text.push_str(&line);
        line
    }

    pub(super) fn line_with(&self, part: &str) -> &str {
        self.text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}:\n{}", self.text))
    }

    /// The key file as it lies there.
    fn key_file(&self) -> PathBuf {
        let inside = self.directory.path().read_dir().unwrap().next().unwrap().unwrap();
        inside.path().join("keys.toml")
    }

    pub(super) fn stop(mut self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        let left = self.directory.path().read_dir().unwrap().count();
        assert_eq!(left, 0, "the temporary directory is left behind");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a line as someone who pastes it.
pub(super) fn paste(line: &str, directory: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::new("bash");
    command.args(["-c", line]).current_dir(directory).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn is_there(program: &str) -> bool {
    let version =
        Command::new(program).arg(if program == "openssl" { "version" } else { "--version" }).output();
    version.is_ok_and(|output| output.status.success())
}

/// Whether the programs are there. Where clients are required, one that is missing fails the test.
pub(super) fn have(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|program| !is_there(program)).collect();
    if missing.is_empty() {
        return true;
    }
    assert!(std::env::var_os("ALEWIFE_REQUIRE_CLIENTS").is_none(), "not on this machine: {missing:?}");
    eprintln!("NOT TESTED: the demo's lines to copy, because these are not on this machine: {missing:?}");
    false
}

#[test]
fn lines_of_the_demo_work_as_they_are_pasted() {
    let mut demo = Demo::start(&[]);
    let home = tempfile::tempdir().unwrap();
    if have(&["bash"]) {
        let (status, stdout, stderr) = paste(demo.line_with(" send --keys "), home.path());
        assert_eq!((status, stderr.as_str()), (Some(0), ""));
        assert_eq!(stdout, r#"{"order":{"dish":"ramen","table":3},"receipt":2,"status":"cooking"}"#);
        let told = demo.read_line();
        assert_eq!(told, "kitchen: POST /orders {\"table\":3,\"dish\":\"ramen\"} -> 201\n");
    }
    if have(&["bash", "curl", "openssl"]) {
        let (status, stdout, stderr) = paste(demo.line_with("openssl enc -d"), home.path());
        assert_eq!((status, stderr.as_str()), (Some(0), ""));
        assert_eq!(
            stdout,
            "{\"order\":{\"dish\":\"ragoût\",\"table\":4},\"receipt\":3,\"status\":\"cooking\"}\n"
        );
    }
    assert_eq!(home.path().read_dir().unwrap().count(), 0, "a pasted line leaves a file behind");
    demo.stop("INT");
}

#[test]
fn demo_shows_its_throw_away_key_only_in_the_line_that_needs_it() {
    let demo = Demo::start(&[]);
    let keys = std::fs::read_to_string(demo.key_file()).unwrap();
    let secrets: Vec<&str> = keys.split("base64:").skip(1).map(|rest| &rest[..44]).collect();
    let hex = |text: &str| encoding::hex_encode(&encoding::base64_decode(text.as_bytes()).unwrap());
    assert_eq!(secrets.len(), 2);
    for shown in [secrets[0], secrets[1], &hex(secrets[0])] {
        assert!(!demo.text.contains(shown), "the key that seals is shown, or one in base64");
    }
    // openssl takes hex.
    assert_eq!(demo.text.matches(&hex(secrets[1])).count(), 1);
    assert!(demo.text.contains("a throw-away, made for this demo"), "{}", demo.text);
    demo.stop("TERM");
}

#[test]
fn demo_listens_where_it_is_told_to() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let demo = Demo::start(&["--port", &address.port().to_string()]);
    assert!(demo.line_with(" send --keys ").ends_with(&format!("http://{address}/orders")), "{}", demo.text);
    demo.stop("INT");
}

#[test]
fn demo_whose_port_is_taken_says_so_and_leaves_nothing_behind() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = alewife(["demo", "--once", "--port", &port]);
    let ended = Ended::of(command.env("TMPDIR", directory.path()).spawn().unwrap());
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.starts_with("alewife demo: "), "{}", ended.stderr);
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}
