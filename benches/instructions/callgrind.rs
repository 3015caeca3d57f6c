//! A sidecar under callgrind, from its start to its end.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::alewife;
use crate::fault::{Doing, Fault};

const OUTPUT: &str = "callgrind.out";
/// Everything takes some fifty times as long.
const PATIENCE: Duration = Duration::from_secs(120);

/// The instructions that a sidecar executes from its start to its end, while it is sent `load`.
pub(crate) fn count(
    program: &Path,
    origin: SocketAddr,
    keys: &str,
    load: impl FnOnce(SocketAddr) -> Result<(), Fault>,
) -> Result<u64, Fault> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet"]).arg(format!("--callgrind-out-file={OUTPUT}")).arg(program);
    let mut server =
        alewife::start_by(valgrind, PATIENCE, "inbound", origin, keys).map_err(|fault| match fault {
            Fault::Io { what: "starting alewife", source } => Fault::Io { what: "starting valgrind", source },
            other => other,
        })?;
    load(server.address)?;
    // By the signal that a supervisor sends: callgrind writes when the process ends.
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw).ok_or_else(malformed);
    kill_process(pid.doing("ending the sidecar")?, Signal::TERM)
        .map_err(io::Error::from)
        .doing("ending the sidecar")?;
    let began = Instant::now();
    while server.child.try_wait().doing("waiting for the sidecar's end")?.is_none() {
        if began.elapsed() > PATIENCE {
            return Err(Fault::TooSlow { what: "the sidecar's end", seconds: PATIENCE.as_secs() });
        }
        thread::sleep(Duration::from_millis(20));
    }
    let written = fs::read_to_string(server.directory.path().join(OsString::from(OUTPUT)));
    summary(&written.doing("reading what callgrind counted")?)
        .ok_or_else(malformed)
        .doing("reading what callgrind counted")
}

/// `summary: 12345678`: all that was counted.
fn summary(written: &str) -> Option<u64> {
    written
        .lines()
        .find_map(|line| line.strip_prefix("summary:").or(line.strip_prefix("totals:")))?
        .trim()
        .parse()
        .ok()
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "unexpected text")
}
