//! The inspector's page as a person has it: Chromium looks at a running `alewife dev` (tests/peers/inspector).
//!
//! Screenshots of the run, light and dark, are left in `inspector/` of the folder that cargo gives tests, usually `target/tmp`.

use std::io::{self, Write};
use std::net::TcpStream;
use std::path::Path;

use super::dev::Dev;
use super::{KeyFile, run};
use crate::support::{self, Connection, Origin, Program, Received, TestKey, agreement, echo_session};

const PAGE: Program = Program::in_chromium("tests/peers/inspector/inspector.mjs");
const TEN_THOUSAND: &str = "10,000 exchanges";

/// Has the checks look at `what`, and fails with the text of each that is not as it should be.
fn look_at(what: &str, settings: &[(&str, &str)]) {
    let mut command = PAGE.command("");
    command.arg(what).envs(settings.iter().copied());
    let outcome = support::run(&mut command, b"");
    let tap = String::from_utf8(outcome.output).unwrap();
    let is_told = |line: &&str| line.starts_with("not ok") || line.starts_with("# ");
    let failed = tap.split("\nnot ok").skip(1).map(|rest| {
        let more = rest.lines().skip(1).take_while(is_told);
        std::iter::once(rest.lines().next().unwrap_or_default()).chain(more).collect::<Vec<_>>().join("\n")
    });
    let failed: Vec<_> = failed.collect();
    let ran = tap.lines().filter(|line| line.starts_with("ok ") && !line.contains("# SKIP")).count();
    assert!(
        outcome.exit_status == Some(0) && failed.is_empty() && ran > 0,
        "{ran} checks passed, these did not:\n{}\n{}",
        failed.join("\n"),
        outcome.said
    );
    println!("{tap}");
}

/// Answers every method and path with 200 and what it was sent, and sends back what comes over a WebSocket.
fn application() -> Origin {
    Origin::answering(|received, stream| match received.header("sec-websocket-key") {
        Some(key) => session(key, stream),
        None => stream.write_all(&[head(received).as_bytes(), &received.body].concat()),
    })
}

fn head(received: &Received) -> String {
    let kind = received.header("content-type").unwrap_or("text/plain");
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", received.body.len())
}

fn session(key: &str, stream: &mut TcpStream) -> io::Result<()> {
    let mut connection = Connection::over(stream.try_clone()?);
    connection.send(agreement(key).as_bytes());
    echo_session(&mut connection);
    // There is no request after a session.
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// An `alewife dev` before that application, with a key that the test knows.
struct Watched {
    dev: Dev,
    key: TestKey,
    keys: KeyFile,
    _state: tempfile::TempDir,
    _application: Origin,
}

impl Watched {
    fn start(args: &[&str]) -> Self {
        let (state, application) = (tempfile::tempdir().unwrap(), application());
        let key = TestKey::new("AES-256-GCM");
        let keys = KeyFile::of(&[&key]);
        let (to, file) = (application.address().to_string(), keys.path());
        let given = ["--inspect", "127.0.0.1:0", "--to", &to, "--keys", &file];
        let dev = Dev::launch(state.path(), &[&given[..], args].concat());
        Self { dev, key, keys, _state: state, _application: application }
    }

    fn page(&self) -> &str {
        self.dev.announced("inspect  ").split_whitespace().nth(1).unwrap()
    }
}

#[test]
fn page_passes_every_check_in_chromium() {
    if !PAGE.is_here() {
        return;
    }
    let watched = Watched::start(&[]);
    let session = format!("{}/orders", watched.dev.url().replace("http://", "ws://"));
    let echoed = run(["send", "--keys", &watched.keys.path(), &session], b"soup\nstew\n{\"dish\":\"pie\"}\n");
    assert_eq!(echoed.ok(), b"soup\nstew\n{\"dish\":\"pie\"}\n");
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("inspector");
    let settings = [
        ("ALEWIFE_INSPECTOR_STRICT", "1"),
        ("ALEWIFE_INSPECTOR_NOT", TEN_THOUSAND),
        ("ALEWIFE_INSPECTOR_SHOTS", shots.to_str().unwrap()),
    ];
    look_at(watched.page(), &settings);
}

#[test]
fn page_with_ten_thousand_sealed_exchanges_stays_responsive() {
    if !PAGE.is_here() {
        return;
    }
    let watched = Watched::start(&["--keep", "10000"]);
    let mut client = Connection::to(watched.dev.url().strip_prefix("http://").unwrap().parse().unwrap());
    for number in 0..10_000 {
        let target = format!("/orders/{number}?table={}", number % 100);
        let json = format!(r#"{{"dish":"soup","number":{number}}}"#);
        let reply = client.exchange(&watched.key.request(
            "POST",
            &target,
            "content-type: application/json\r\n",
            json.as_bytes(),
        ));
        assert_eq!(reply.status, 200, "{number}: {reply:?}");
    }
    let settings = [("ALEWIFE_INSPECTOR_STRICT", "1"), ("ALEWIFE_INSPECTOR_ONLY", TEN_THOUSAND)];
    look_at(watched.page(), &settings);
}

#[test]
fn page_behaves_where_a_process_cannot_be_made_to() {
    if PAGE.is_here() {
        look_at("--mock-only", &[]);
    }
}
