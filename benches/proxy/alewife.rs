//! Alewife itself, as a user would start it: one worker, AES-256-GCM both ways.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::envelope::Envelope;
use crate::fault::{Doing, Fault};
use crate::server::{Kind, Server};

const PATIENCE: Duration = Duration::from_secs(5);

/// Starts one inbound Alewife in front of `origin`.
pub(crate) fn start(origin: SocketAddr, keys: &[&Envelope]) -> Result<Server, Fault> {
    start_as("inbound", origin, &key_file(keys))
}

/// Starts one outbound Alewife in front of an inbound one.
pub(crate) fn start_outbound(inbound: SocketAddr, keys: &[&Envelope]) -> Result<Server, Fault> {
    start_as("outbound", inbound, &key_file(keys))
}

pub(crate) fn key_file(keys: &[&Envelope]) -> String {
    keys.iter().map(|key| key.key_file_entry()).collect()
}

/// Starts one Alewife in this mode with this text as its key file, `keys.toml` in its directory.
pub(crate) fn start_as(mode: &str, upstream: SocketAddr, keys: &str) -> Result<Server, Fault> {
    start_by(Command::new(binary()), PATIENCE, mode, upstream, keys)
}

/// The same by a command that runs it in its own way, and within a time that is fair for that. What it writes to its working
/// directory is in the server's.
pub(crate) fn start_by(
    mut command: Command,
    patience: Duration,
    mode: &str,
    upstream: SocketAddr,
    keys: &str,
) -> Result<Server, Fault> {
    let directory = tempfile::tempdir().doing("making a directory for alewife")?;
    fs::write(directory.path().join("keys.toml"), keys).doing("writing alewife's keys")?;
    let config = directory.path().join("config.toml");
    fs::write(&config, configuration(mode, upstream)).doing("writing alewife's configuration")?;
    let began = Instant::now();
    let child = command
        .args(["run", "--config"])
        .arg(&config)
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .doing("starting alewife")?;
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = Server { kind: Kind::Alewife, address, start: Duration::ZERO, child, directory };
    server.address = listening(&mut server.child, patience)?;
    server.start = began.elapsed();
    Ok(server)
}

/// Waits for the line that names the listener; what follows it is read and dropped.
fn listening(child: &mut Child, patience: Duration) -> Result<SocketAddr, Fault> {
    let (tell, told) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = String::new();
            while output.read_line(&mut line).is_ok_and(|read| read > 0) {
                if let Some(address) = announced(&line) {
                    let _ = tell.send(address);
                    break;
                }
                line.clear();
            }
            let _ = output.read_to_end(&mut Vec::new());
        });
    }
    told.recv_timeout(patience).map_err(|error| match error {
        RecvTimeoutError::Disconnected => Fault::Ended { who: "alewife" },
        RecvTimeoutError::Timeout => Fault::NotReady { who: "alewife", seconds: patience.as_secs() },
    })
}

/// `proxy kitchen: inbound on http://127.0.0.1:43121, upstream …`
fn announced(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("bound on http://")?;
    rest.split([',', ' ', '\n']).next()?.parse().ok()
}

/// `max_held` is what 32 connections with 1 MiB each need when one peer may have a quarter of it.
fn configuration(mode: &str, upstream: SocketAddr) -> String {
    format!(
        "workers = 1
max_held = \"512MiB\"
[keys]
file = \"keys.toml\"
[admin]
listen = \"127.0.0.1:0\"
[log]
access = false
level = \"warn\"
[[proxy]]
name = \"kitchen\"
mode = \"{mode}\"
listen = \"127.0.0.1:0\"
upstream = \"http://{upstream}\"
"
    )
}

/// The binary that cargo built beside this bench, or the one that `ALEWIFE_BENCH_BINARY` names: two builds of
/// the same source can be compared that way.
pub(crate) fn binary() -> OsString {
    std::env::var_os("ALEWIFE_BENCH_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_alewife").into())
}
