//! examples/systemd, judged by systemd itself.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use super::{configuration, here_and_now, read};
use crate::support::{Connection, Origin, Program, Sidecar, TestKey, eventually};

pub(super) const ANALYZE: Program = Program {
    needs: "systemd 252 or newer (`systemd-analyze`)",
    program: "systemd-analyze",
    file: "examples/systemd",
    probe: &["--version"],
};

/// The exposure that the unit may have at most, of 100, in tenths of what `systemd-analyze security` prints.
const EXPOSURE: u32 = 11;

/// Where systemd keeps units, with the example's in it and this build's binary for the installed one.
struct Units {
    directory: tempfile::TempDir,
}

impl Units {
    /// As for the machine's own systemd: units for one that is too old get what the README says.
    fn installed() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        let service = read("examples/systemd/alewife.service");
        assert!(service.contains("\nExecStart=/usr/local/bin/alewife run "));
        write("alewife.service", &service.replace("/usr/local/bin/alewife", env!("CARGO_BIN_EXE_alewife")));
        write("alewife.socket", &read("examples/systemd/alewife.socket"));
        if version() < 253 {
            fs::create_dir(directory.path().join("alewife.service.d")).unwrap();
            write("alewife.service.d/before-253.conf", &read("examples/systemd/before-253.conf"));
            // A type that it does not know is a complaint even where a drop-in replaces it.
            let service = fs::read_to_string(directory.path().join("alewife.service")).unwrap();
            write("alewife.service", &service.replace("\nType=notify-reload\n", "\n"));
        }
        Self { directory }
    }

    /// Runs `systemd-analyze`; whether it succeeds, and all that it says.
    fn analyze(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("systemd-analyze")
            .args(arguments)
            .env("SYSTEMD_UNIT_PATH", format!("{}:", self.path().display()))
            .env("SYSTEMD_PAGER", "")
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// `systemd 252 (252.38-1~deb12u1)`.
fn version() -> u32 {
    let output = Command::new("systemd-analyze").arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().nth(1).unwrap().split(['.', '~', '-']).next().unwrap().parse().unwrap()
}

/// The values of `name` in a unit.
pub(super) fn values(unit: &str, name: &str) -> Vec<String> {
    let text = read(&format!("examples/systemd/{unit}"));
    let values = text.lines().filter_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned()));
    values.collect()
}

fn value(unit: &str, name: &str) -> String {
    let [value] = values(unit, name).try_into().unwrap_or_else(|all| panic!("{unit}: {name}: {all:?}"));
    value
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    if !ANALYZE.is_here() {
        return;
    }
    let units = Units::installed();
    let verify = || units.analyze(&["verify", "alewife.service", "alewife.socket"]);
    assert_eq!(verify(), (true, String::new()));
    // It does speak where there is a reason to.
    let service = units.path().join("alewife.service");
    let text = fs::read_to_string(&service).unwrap();
    fs::write(&service, text.replace("WatchdogSec=", "WatchdogSecs=")).unwrap();
    assert!(verify().1.contains("WatchdogSecs"));
}

#[test]
fn unit_exposes_little() {
    if !ANALYZE.is_here() {
        return;
    }
    let units = Units::installed();
    let service = units.path().join("alewife.service");
    let judge = |threshold: u32| {
        let threshold = format!("--threshold={threshold}");
        units.analyze(&["security", "--offline=true", &threshold, service.to_str().unwrap()])
    };
    let (fine, said) = judge(EXPOSURE);
    assert!(fine, "{said}");
    assert!(!judge(0).0, "the threshold is not looked at");
}

#[test]
fn service_is_told_apart_by_systemd_as_ready_reloaded_and_alive() {
    assert_eq!(value("alewife.service", "Type"), "notify-reload");
    assert_eq!(value("alewife.service", "WatchdogSec"), "30s");
    assert_eq!(value("before-253.conf", "Type"), "notify");
    assert_eq!(value("before-253.conf", "ExecReload"), "/bin/kill -HUP $MAINPID");
}

#[test]
fn unit_names_what_the_configuration_names() {
    let configuration = configuration("examples/systemd/config.toml");
    let name = value("alewife.socket", "FileDescriptorName");
    assert_eq!(configuration["proxy"][0]["listen"].as_str(), Some(&*format!("fd:{name}")));
    let credential = value("alewife.service", "LoadCredential");
    let (credential, _) = credential.split_once(':').unwrap();
    let keys = configuration["keys"]["file"].as_str().unwrap();
    assert_eq!(keys, format!("/run/credentials/alewife.service/{credential}"));
    let start = value("alewife.service", "ExecStart");
    assert!(start.ends_with(" --config /etc/alewife/config.toml"), "{start}");
    let readme = read("examples/systemd/README.md");
    assert!(readme.contains("/etc/alewife/config.toml") && readme.contains("/etc/alewife/keys.toml"));
}

/// By the tool that stands for a socket unit: it listens, and starts the service with the first connection.
#[test]
fn sidecar_serves_on_the_socket_that_systemd_holds() {
    const ACTIVATE: Program = Program { program: "systemd-socket-activate", ..ANALYZE };
    if !ACTIVATE.is_here() {
        return;
    }
    let (key, origin) = (TestKey::new("AES-256-GCM"), Origin::echo());
    let text = here_and_now(&read("examples/systemd/config.toml"), &["127.0.0.1:9180"]);
    let text = text.replace("127.0.0.1:3000", &origin.address().to_string());
    // Free at this moment; the tool takes no port 0 of which it would say what became of it.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let name = format!("--fdname={}", value("alewife.socket", "FileDescriptorName"));
    let activate = ["systemd-socket-activate", "-l", &address.to_string(), &name];
    let builder = Sidecar::inbound().keys(&[&key]).configured(&text).under(&activate);
    let first = thread::spawn(move || {
        eventually("the socket is there", || TcpStream::connect(address).is_ok());
    });
    let mut sidecar = builder.start();
    first.join().unwrap();
    let reply = Connection::to(address).exchange(&key.request("POST", "/orders", "", b"soup"));
    assert_eq!((reply.status, origin.only().body.as_slice()), (200, &b"soup"[..]));
    assert!(sidecar.stop().success(), "{}", sidecar.log());
}

#[test]
fn statuses_that_a_new_start_does_not_help_are_those_of_the_code() {
    let operations = read("docs/OPERATIONS.md");
    let hopeless =
        operations.lines().filter(|line| line.starts_with("| 64 |") || line.contains("does not help"));
    let hopeless: BTreeSet<&str> =
        hopeless.filter_map(|line| line.strip_prefix("| ")?.split(' ').next()).collect();
    let prevented = value("alewife.service", "RestartPreventExitStatus");
    assert_eq!(prevented.split(' ').collect::<BTreeSet<_>>(), hopeless);
}

#[test]
fn stop_is_waited_for_longer_than_the_grace() {
    let seconds = |text: &str| text.strip_suffix('s').unwrap().parse::<u32>().unwrap();
    let configuration = configuration("examples/systemd/config.toml");
    let grace = seconds(configuration["shutdown_grace"].as_str().unwrap());
    assert!(seconds(&value("alewife.service", "TimeoutStopSec")) > grace + 5);
}
