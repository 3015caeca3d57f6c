//! `alewife dev`: the application of a developer, with a sidecar before it that shows what passes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;

use super::demo::{have, paste};
use super::{Ended, KeyFile, alewife, run};
use crate::support::{Origin, PATIENCE, Peer, TestKey, WebSocketOrigin};

const SOUP: &str = r#"{"dish":"soup"}"#;

/// One that runs; it is ended when this is dropped.
pub(super) struct Dev {
    child: Child,
    lines: mpsc::Receiver<String>,
    /// What was printed so far.
    text: String,
    state: PathBuf,
}

impl Dev {
    /// Starts one whose user's state directory is `state`, and waits until it serves.
    fn start(state: &Path, args: &[&str]) -> Self {
        Self::launch(state, &[&["--no-inspect"], args].concat())
    }

    /// The same with an inspector.
    pub(super) fn inspected(state: &Path, application: SocketAddr) -> Self {
        Self::launch(state, &["--inspect", "127.0.0.1:0", "--to", &application.to_string()])
    }

    pub(super) fn launch(state: &Path, args: &[&str]) -> Self {
        let listen = ["dev", "--listen", "127.0.0.1:0"];
        let mut command = alewife([&listen[..], args].concat());
        let mut child = command.env("XDG_STATE_HOME", state).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (told, lines) = mpsc::channel();
        thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| told.send(line).ok());
        });
        let mut dev = Self { child, lines, text: String::new(), state: state.to_owned() };
        dev.line_with("Ctrl-C ends this.");
        dev
    }

    fn to(state: &Path, application: SocketAddr) -> Self {
        Self::start(state, &["--to", &application.to_string()])
    }

    /// The next line in which `part` stands.
    fn line_with(&mut self, part: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else { panic!("no {part:?}:\n{}", self.text) };
            self.text += &format!("{line}\n");
            if line.contains(part) {
                return line;
            }
        }
    }

    /// The line of the announcement in which `part` stands.
    pub(super) fn announced(&self, part: &str) -> &str {
        self.text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}:\n{}", self.text))
    }

    pub(super) fn url(&self) -> &str {
        self.announced("send to").split_whitespace().nth(2).unwrap().trim_end_matches(',')
    }

    fn key_file(&self) -> PathBuf {
        self.state.join("alewife/dev-keys.toml")
    }

    /// Sends something with the key for development; no child of this may read the test's input.
    pub(super) fn send(&self, args: &[&str], input: &[u8]) -> Ended {
        let keys = self.key_file();
        run([&["send", "--keys", keys.to_str().unwrap()], args].concat(), input)
    }

    /// Ends it as Ctrl-C does, and gives back all that it printed.
    fn stop(mut self) -> String {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &id]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.text += &format!("{line}\n");
        }
        std::mem::take(&mut self.text)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run that ends by itself.
fn ended(state: &Path, args: &[&str]) -> Ended {
    let mut command = alewife([&["dev"], args].concat());
    Ended::of(command.env("XDG_STATE_HOME", state).spawn().unwrap())
}

#[test]
fn line_to_paste_orders_and_the_order_is_shown() {
    let (state, application) = (tempfile::tempdir().unwrap(), Origin::echo());
    let mut dev = Dev::to(state.path(), application.address());
    assert!(
        dev.text.contains(&format!("goes to  http://{}, plain\n", application.address())),
        "{}",
        dev.text
    );
    assert!(dev.text.contains("NOT FOR PRODUCTION"), "{}", dev.text);
    let home = tempfile::tempdir().unwrap();
    let (status, stdout, stderr) = paste(dev.announced(" send --keys "), home.path());
    assert_eq!((status, stdout.as_str(), stderr.as_str()), (Some(0), SOUP, ""));
    assert_eq!(application.only().body, SOUP.as_bytes());
    let line = dev.line_with("POST");
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[1..5], ["POST", "/", "200", "15→15"], "{line}");
    assert!(words[0].len() == 8 && words[0].split(':').all(|part| part.parse::<u8>().is_ok()), "{line}");
    assert!(words[8].starts_with("dev-") && words[9..] == ["AES-256-GCM"], "{line}");
    let text = dev.stop();
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn what_fails_is_shown_with_its_reason_and_no_query() {
    let (state, application) = (tempfile::tempdir().unwrap(), Origin::echo());
    let mut dev = Dev::to(state.path(), application.address());
    let others = KeyFile::of(&[&TestKey::new("AES-256-GCM")]);
    let url = format!("{}/orders?table=7", dev.url());
    let refused = run(["send", "--keys", &others.path(), "-s", "-f", &url], b"");
    assert_eq!(refused.status, 22);
    let line = dev.line_with("/orders ");
    assert!(line.ends_with("  errorCode 2: unknown_fingerprint") && !line.contains("table"), "{line}");
    assert_eq!(application.count(), 0);
    dev.stop();
}

#[test]
fn session_is_shown_when_it_begins_and_when_it_ends() {
    let (state, application) = (tempfile::tempdir().unwrap(), WebSocketOrigin::echo());
    let mut dev = Dev::to(state.path(), application.address());
    let url = dev.url().replace("http://", "ws://");
    let echoed = dev.send(&[&format!("{url}/orders")], b"soup\n");
    assert_eq!(echoed.ok(), b"soup\n");
    let begins = dev.line_with("WebSocket");
    assert!(begins.contains(" 101 ") && begins.ends_with("WebSocket begins"), "{begins}");
    let ends = dev.line_with("WebSocket");
    assert!(ends.contains(" 4→4 B ") && ends.ends_with("WebSocket ends"), "{ends}");
    dev.stop();
}

#[test]
fn key_is_made_once_for_its_owner_alone_and_used_again() {
    let (state, application) = (tempfile::tempdir().unwrap(), Origin::echo());
    let first = Dev::to(state.path(), application.address());
    assert!(first.text.contains("was made for development just now"), "{}", first.text);
    let file = first.key_file();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let keys = fs::read_to_string(&file).unwrap();
    assert!(keys.starts_with("# Made by `alewife dev` for development"), "{keys}");
    let fingerprint = keys.split("fingerprint = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(
        fingerprint.starts_with("dev-") && first.announced("key  ").contains(fingerprint),
        "{}",
        first.text
    );
    let secret = keys.split("base64:").nth(1).unwrap().split('"').next().unwrap();
    assert!(!first.stop().contains(secret));

    let second = Dev::to(state.path(), application.address());
    assert!(second.announced("key  ").contains(fingerprint), "{}", second.text);
    assert!(second.text.contains("NOT FOR PRODUCTION: this key is for development"), "{}", second.text);
    assert_eq!(fs::read_to_string(&file).unwrap(), keys);
    second.stop();
}

#[test]
fn keys_that_are_given_are_used_and_none_is_made() {
    let (state, application, key) =
        (tempfile::tempdir().unwrap(), Origin::echo(), TestKey::new("AES-128-GCM"));
    let keys = KeyFile::of(&[&key]);
    let to = application.address().to_string();
    let dev = Dev::start(state.path(), &["--to", &to, "--keys", &keys.path()]);
    assert!(dev.announced("key  ").contains("fp-AES-128-GCM-0, AES-128-GCM, of "), "{}", dev.text);
    assert!(!dev.text.contains("PRODUCTION"), "{}", dev.text);
    assert_eq!(state.path().read_dir().unwrap().count(), 0);
    dev.stop();
}

#[test]
fn outbound_seals_what_a_plain_line_sends() {
    let (state, key) = (tempfile::tempdir().unwrap(), TestKey::new("AES-256-GCM"));
    let (peer, keys) = (Peer::echo(&key), KeyFile::of(&[&key]));
    let to = format!("http://{}", peer.address());
    let mut dev = Dev::start(state.path(), &["--to", &to, "--keys", &keys.path(), "--outbound"]);
    assert!(dev.text.contains(&format!("goes to  {to}, sealed\n")), "{}", dev.text);
    if have(&["bash", "curl"]) {
        let home = tempfile::tempdir().unwrap();
        let (status, stdout, stderr) = paste(dev.announced("curl -s "), home.path());
        assert_eq!((status, stdout.as_str(), stderr.as_str()), (Some(0), SOUP, ""));
        assert_eq!(peer.open(&peer.only()).unwrap(), SOUP.as_bytes());
        assert!(dev.line_with("POST").contains("fp-AES-256-GCM-0"), "{}", dev.text);
    }
    dev.stop();
}

#[test]
fn application_that_is_not_up_yet_is_waited_for_and_requests_are_taken() {
    let state = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut dev = Dev::to(state.path(), address);
    assert_eq!(dev.line_with("waiting"), format!("waiting for http://{address} …"));
    let refused = dev.send(&["-s", "-f", dev.url()], b"");
    assert_eq!(refused.status, 22, "{}", refused.stderr);
    assert!(dev.line_with("GET").contains(" 502 "), "{}", dev.text);
    let _application = TcpListener::bind(address).unwrap();
    assert_eq!(dev.line_with("is there"), format!("http://{address} is there"));
    let text = dev.stop();
    assert_eq!(text.matches("waiting for").count(), 1, "{text}");
}

#[test]
fn port_that_is_taken_is_reported_with_what_to_do() {
    let (state, taken) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = taken.local_addr().unwrap();
    let ended = ended(state.path(), &["--to", "localhost:3000", "--listen", &address.to_string()]);
    let told = format!("alewife dev: port {} is taken; --listen takes another\n", address.port());
    assert_eq!((ended.status, ended.stderr.as_str(), ended.text()), (1, told.as_str(), ""));
}

#[test]
fn addresses_that_other_machines_reach_are_refused() {
    let state = tempfile::tempdir().unwrap();
    for flag in ["--listen", "--inspect"] {
        let ended = ended(state.path(), &["--to", "localhost:3000", flag, "0.0.0.0:7080"]);
        assert_eq!((ended.status, ended.text()), (64, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains("write 127.0.0.1:7080, or use `alewife run`"), "{}", ended.stderr);
    }
    assert_eq!(state.path().read_dir().unwrap().count(), 0);
}

#[test]
fn what_the_command_line_says_wrongly_is_told_by_its_flag() {
    let state = tempfile::tempdir().unwrap();
    for (flag, args) in [
        ("--to", &["--to", "ftp://localhost"][..]),
        ("--profile", &["--to", "localhost:3000", "--profile", "nobodys"]),
    ] {
        let ended = ended(state.path(), args);
        assert_eq!(ended.status, 64, "{}", ended.stderr);
        assert!(ended.stderr.starts_with(&format!("alewife dev: {flag}: ")), "{}", ended.stderr);
        assert!(ended.stderr.contains("\n    remedy: "), "{}", ended.stderr);
    }
    let same = ["--to", "localhost:3000", "--listen", "127.0.0.1:7090"];
    let ended = ended(state.path(), &same);
    assert_eq!(ended.status, 64);
    assert!(ended.stderr.contains("--inspect and --listen are both 127.0.0.1:7090"), "{}", ended.stderr);
}

#[test]
fn profile_for_which_the_key_for_development_does_not_do_needs_keys_that_are_given() {
    let state = tempfile::tempdir().unwrap();
    let ended = ended(state.path(), &["--to", "localhost:3000", "--profile", "enterprise-kitchen"]);
    assert_eq!(ended.status, 78, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("AES-256-CTR") && ended.stderr.contains("--keys keys.toml"),
        "{}",
        ended.stderr
    );
}

#[test]
fn key_file_that_is_wrong_is_told_as_one() {
    let (state, keys) = (tempfile::tempdir().unwrap(), KeyFile::with("[[key]]\n"));
    let ended = ended(state.path(), &["--to", "localhost:3000", "--keys", &keys.path()]);
    assert_eq!(ended.status, 78);
    assert!(ended.stderr.starts_with(&keys.path()), "{}", ended.stderr);
}
