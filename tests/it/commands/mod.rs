//! The commands that people type: run as they would be.

#[cfg(unix)]
mod completions;
mod config;
mod demo;
#[cfg(unix)]
mod demo_bridge;
#[cfg(unix)]
mod dev;
mod dev_inspector;
#[cfg(target_os = "linux")]
mod dev_keys;
#[cfg(unix)]
mod dev_page;
mod doctor;
mod envelopes;
mod help;
mod keys;
mod ping;
mod ping_bridge;
mod pipes;
#[cfg(unix)]
mod profiles;
#[cfg(unix)]
mod rotate;
mod send;
mod status;
#[cfg(unix)]
mod statuses;
mod websocket;

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use alewife::crypto::encoding;

use crate::support::{PATIENCE, TestKey};

/// The binary, with everything piped and nothing of this process's environment that could matter.
fn alewife<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alewife"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["COLUMNS", "NO_COLOR", "CLICOLOR_FORCE", "ALEWIFE_CONFIG"] {
        command.env_remove(name);
    }
    command
}

/// How a command ended.
#[derive(Debug)]
struct Ended {
    status: i32,
    stdout: Vec<u8>,
    stderr: String,
}

impl Ended {
    fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        let status = output.status.code().expect("it ends by itself");
        Self { status, stdout: output.stdout, stderr: String::from_utf8(output.stderr).unwrap() }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// The standard output of a success.
    fn ok(self) -> Vec<u8> {
        assert_eq!(self.status, 0, "{}", self.stderr);
        self.stdout
    }
}

/// Runs the binary with `input` on standard input.
fn run<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>, input: &[u8]) -> Ended {
    let mut child = alewife(args).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // It may end without reading.
    let writing = thread::spawn(move || drop(stdin.write_all(&input)));
    let ended = Ended::of(child);
    writing.join().unwrap();
    ended
}

/// A key file in a directory of its own.
struct KeyFile {
    directory: tempfile::TempDir,
}

impl KeyFile {
    fn of(keys: &[&TestKey]) -> Self {
        Self::with(&keys.iter().map(|key| key.entry()).collect::<String>())
    }

    fn with(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("keys.toml"), text).unwrap();
        Self { directory }
    }

    fn path(&self) -> String {
        self.at("keys.toml")
    }

    fn at(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// The first bytes of a child's standard output, which is still open.
fn first_bytes(child: &mut Child, wanted: usize) -> Vec<u8> {
    let mut stdout = child.stdout.take().unwrap();
    let (done, reading) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = vec![0; wanted];
        let read = stdout.read_exact(&mut bytes);
        let _ = done.send(read.map(|()| (bytes, stdout)));
    });
    let (bytes, stdout) =
        reading.recv_timeout(PATIENCE).expect("output while the input still comes").unwrap();
    child.stdout = Some(stdout);
    bytes
}

/// No way of writing the key stands in `text`.
fn assert_no_secret(text: &[u8], key: &TestKey) {
    let hex = encoding::hex_encode(&key.secret);
    for secret in [key.secret.clone(), key.secret_base64().into(), hex.to_uppercase().into(), hex.into()] {
        assert!(!text.windows(secret.len()).any(|window| window == secret), "a key is shown");
    }
}
