//! A clock that is set while the sidecar runs: forward, back, and back to before the keys.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::faults::shown;
use super::{GCM, await_fetch, document_of, entry, key, opens, reloads, sealing, sidecar, source};
use crate::support::{Portal, Program, Sidecar, eventually};

const CLOCK: Program = Program {
    needs: "a C compiler (`cc`)",
    program: "cc",
    file: "tests/peers/clock.c",
    probe: &["--version"],
};

/// A clock that a test sets, and a sidecar that goes by it.
struct Clock {
    directory: tempfile::TempDir,
}

impl Clock {
    /// `None` where there is no compiler.
    fn new() -> Option<Self> {
        if !cfg!(target_os = "linux") || !CLOCK.is_here() {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(CLOCK.file);
        let mut compile = Command::new(CLOCK.program);
        compile.args(["-shared", "-fPIC", "-O1", "-o"]).arg(directory.path().join("clock.so")).arg(source);
        assert!(compile.stdin(Stdio::null()).status().unwrap().success());
        let clock = Self { directory };
        clock.set(0);
        Some(clock)
    }

    /// So many seconds from the machine's own time.
    fn set(&self, seconds: i64) {
        // Not truncated: whoever reads meanwhile gets all of one or of the other.
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(false).open(self.path("offset")).unwrap();
        file.write_all(&seconds.to_ne_bytes()).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

#[test]
fn clock_that_is_set_moves_the_windows_and_stops_nothing() {
    let (Some(portal), Some(clock)) = (Portal::start(), Clock::new()) else { return };
    portal.serve(&document_of(vec![
        entry(&key(1), Some(-HOUR), Some(HOUR)),
        entry(&key(2), Some(50 * MINUTE), Some(3 * HOUR)),
    ]));
    let lines = format!("{GCM}max_stale = \"30m\"\nunready_when_stale = true");
    let sidecar = sidecar(&portal)
        .portal(&portal, &lines)
        .environment("LD_PRELOAD", &clock.path("clock.so"))
        .environment("ALEWIFE_TEST_CLOCK", &clock.path("offset"))
        .start();
    let opens = |number| opens(&sidecar, &key(number));
    let seals =
        |number| eventually("it seals", || sealing(&sidecar).as_ref() == Some(&key(number).fingerprint));
    assert!(opens(1) && !opens(2));
    seals(1);

    clock.set(55 * MINUTE);
    eventually("the second key begins", || opens(2));
    assert!(opens(1));
    seals(2);
    // What is old by this clock is confirmed by the next fetch, whose turn comes by another.
    eventually("it is ready", || sidecar.admin_page("/readyz").0 == 200);
    assert!(source(&sidecar, "portal")["age_seconds"].as_u64().unwrap() < MINUTE as u64);

    clock.set(2 * HOUR);
    eventually("the first key ends", || !opens(1));
    assert!(opens(2));

    clock.set(0);
    eventually("it is as it was", || opens(1) && !opens(2));
    seals(1);
    await_fetch(&sidecar, "unchanged");
    shown(&sidecar, "a clock that is set");

    // To before all keys: nothing seals, and the portal's word is not doubted for it.
    clock.set(-2 * HOUR);
    eventually("no key is valid", || !opens(1) && !opens(2));
    assert_eq!(sealing(&sidecar), None);
    assert_eq!(sidecar.admin_page("/readyz"), (503, "no key that seals is valid\n".to_owned()));
    await_fetch(&sidecar, "unchanged");
    clock.set(0);
    eventually("it serves again", || opens(1));
    // Ahead of what was confirmed two hours before: old, until the next fetch.
    eventually("it is ready again", || sidecar.admin_page("/readyz").0 == 200);
    assert_eq!(reloads(&sidecar), 1);
}

#[test]
fn start_by_a_clock_that_is_wrong_recovers_once_it_is_right() {
    let (Some(portal), Some(clock)) = (Portal::start(), Clock::new()) else { return };
    portal.serve(&document_of(vec![entry(&key(1), Some(-HOUR), None)]));
    // A machine without a battery.
    clock.set(-20 * 365 * 24 * HOUR);
    let start = || -> Sidecar {
        sidecar(&portal)
            .environment("LD_PRELOAD", &clock.path("clock.so"))
            .environment("ALEWIFE_TEST_CLOCK", &clock.path("offset"))
            .start()
    };
    let sidecar = start();
    // Not even the portal's certificate is valid yet.
    shown(&sidecar, "a clock that is far behind at the start");
    assert!(!opens(&sidecar, &key(1)));
    clock.set(0);
    sidecar.signal("HUP");
    eventually("it serves", || opens(&sidecar, &key(1)));
    assert_eq!(sidecar.admin_page("/readyz").0, 200);
}
