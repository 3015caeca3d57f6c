//! What the sidecar needs of the machine: no privilege, no place to write, and few system calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use super::{read, systemd};
use crate::support::{Origin, Program, Sidecar, TestKey, eventually};

const NAMESPACES: Program = Program {
    needs: "root, who may make a mount namespace (`unshare`), and `setpriv`",
    program: "unshare",
    file: "a read-only root without capabilities",
    probe: &["--mount", "setpriv", "--no-new-privs", "true"],
};

const STRACE: Program =
    Program { needs: "strace", program: "strace", file: "the list of system calls", probe: &["-qq", "true"] };

/// Everything that it reads stands on file systems that are mounted for reading, and it is left no capability: as in a
/// container with a read-only root, all capabilities dropped and no new privileges. `$4` is the configuration.
const READ_ONLY: &str = r#"
    set -e
    here="$(dirname "$4")"
    mount --make-rprivate /
    mount --bind "$here" "$here"
    for place in "$here" /; do mount -o remount,ro,bind "$place"; done
    for place in "$here" /; do
        if (: > "$place/probe") 2>/dev/null; then echo "$place is not read-only" >&2; exit 1; fi
    done
    exec setpriv --no-new-privs --inh-caps=-all --ambient-caps=-all --bounding-set=-all "$@"
"#;

/// Takes a request through the sidecar, as well as what its life is made of.
fn live(sidecar: &mut Sidecar, key: &TestKey, origin: &Origin) {
    let reply = sidecar.connect().exchange(&key.request("POST", "/orders", "", b"soup"));
    assert_eq!((reply.status, origin.count()), (200, 1));
    assert_eq!(sidecar.admin_page("/readyz"), (200, "ok\n".to_owned()));
    assert_eq!(sidecar.admin_page("/metrics").0, 200);
    sidecar.signal("HUP");
    eventually("the keys are read again", || sidecar.log().contains("reload"));
    assert_eq!(sidecar.status()["keysets"].as_array().unwrap().len(), 1);
}

/// `name:` of `/proc/PID/status`.
fn of_the_process(sidecar: &Sidecar, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", sidecar.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

#[test]
fn sidecar_lives_without_privileges_on_a_file_system_that_nobody_may_write() {
    if !NAMESPACES.is_here() {
        return;
    }
    let (key, origin) = (TestKey::new("AES-256-GCM"), Origin::echo());
    let builder = Sidecar::inbound().keys(&[&key]).upstream(origin.address());
    let mut sidecar = builder.under(&["unshare", "--mount", "sh", "-c", READ_ONLY, "sh"]).start();
    let none = "0000000000000000";
    for _ in ["at the start", "after all that"] {
        assert_eq!(of_the_process(&sidecar, "NoNewPrivs"), "1");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(of_the_process(&sidecar, set), none, "{set}");
        }
        if origin.count() == 0 {
            live(&mut sidecar, &key, &origin);
        }
    }
    assert!(sidecar.stop().success(), "{}", sidecar.log());
}

/// The sets of system calls that systemd knows, `@name` by what is in it.
fn sets() -> BTreeMap<String, Vec<String>> {
    let output = Command::new("systemd-analyze").arg("syscall-filter").output().unwrap();
    let mut sets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut set = String::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let word = line.trim();
        if line.starts_with('@') {
            set = word.to_owned();
        } else if !word.is_empty() && !word.starts_with('#') {
            sets.entry(set.clone()).or_default().push(word.to_owned());
        }
    }
    sets
}

/// What `name`, a set or a system call, stands for.
fn calls_of(name: &str, sets: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    match sets.get(name) {
        Some(members) => members.iter().flat_map(|member| calls_of(member, sets)).collect(),
        None => [name.to_owned()].into(),
    }
}

/// What the unit of examples/systemd lets pass.
fn permitted() -> BTreeSet<String> {
    let sets = sets();
    let mut permitted = BTreeSet::new();
    for filter in systemd::values("alewife.service", "SystemCallFilter") {
        let (taken, names) = filter.strip_prefix('~').map_or((false, &*filter), |names| (true, names));
        for call in names.split(' ').flat_map(|name| calls_of(name, &sets)) {
            if taken {
                permitted.remove(&call)
            } else {
                permitted.insert(call)
            };
        }
    }
    permitted
}

/// The table of docs/OPERATIONS.md.
fn documented() -> BTreeSet<String> {
    let operations = read("docs/OPERATIONS.md");
    let (_, table) = operations.split_once("| for | system calls |").unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// The names in a log of `strace -f`: `PID name(…`, or `PID <... name resumed>…`.
fn traced(log: &str) -> BTreeSet<String> {
    let calls = log.lines().filter_map(|line| line.split_once(' ')?.1.trim_start().split_once('('));
    let names = calls.map(|(name, _)| name.to_owned());
    names.filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).collect()
}

#[test]
fn system_calls_are_those_that_the_unit_of_systemd_permits() {
    if !STRACE.is_here() || !systemd::ANALYZE.is_here() {
        return;
    }
    let permitted = permitted();
    assert!(permitted.contains("accept4") && !permitted.contains("mount") && !permitted.contains("chroot"));
    let (key, origin) = (TestKey::new("AES-256-GCM"), Origin::echo());
    // In a directory of its own: where the keys are looked for, each line of the log would wake the sidecar up.
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    // By a name, which is looked up. With -D the sidecar is the child, and strace beside it.
    let upstream = format!("http://localhost:{}", origin.address().port());
    let builder = Sidecar::inbound().keys(&[&key]).upstream_url(&upstream);
    let trace = ["strace", "-D", "-f", "-q", "-o", log.to_str().unwrap()];
    let mut sidecar = builder.under(&trace).start();
    live(&mut sidecar, &key, &origin);
    let id = sidecar.process_id().to_string();
    let is_end = |line: &str| line.starts_with(&id) && line.ends_with(" +++ exited with 0 +++");
    assert!(sidecar.stop().success());
    let traced_so_far = || fs::read_to_string(&log).unwrap();
    eventually("strace has written all", || traced_so_far().lines().any(is_end));
    let traced = traced(&traced_so_far());
    assert!(traced.contains("accept4") && traced.contains("execve"), "{traced:?}");
    let documented = documented();
    let others = |calls: &BTreeSet<String>, known: &BTreeSet<String>| -> Vec<String> {
        calls.difference(known).cloned().collect()
    };
    assert_eq!(others(&traced, &documented), Vec::<String>::new(), "not in the table");
    assert_eq!(others(&documented, &permitted), Vec::<String>::new(), "not permitted by the unit");
}
