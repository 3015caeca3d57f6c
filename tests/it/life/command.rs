//! `alewife run -- COMMAND`: an application that the sidecar starts and ends.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::free_address;
use crate::support::{Connection, Origin, Sidecar, SidecarBuilder, TestKey, eventually};

/// A service of one request at a time. It notes what happens to it in a file; a request waits for leave by another; at
/// SIGTERM it calls `last` once more and ends with 7.
const APPLICATION: &str = r#"
import http.server, os, signal, sys, threading, time, urllib.request
host, port, notes, leave, last = sys.argv[1], int(sys.argv[2]), *sys.argv[3:6]
def note(text):
    with open(notes, "a") as file: file.write(text + "\n")
class Service(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        note("begun")
        while not os.path.exists(leave): time.sleep(0.01)
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers()
        self.wfile.write(body); note("answered")
    def log_message(self, *_): pass
def end(*_):
    note("asked to end")
    if last:
        try:
            with urllib.request.urlopen(urllib.request.Request(last, data=b"last", method="POST")) as reply: note("last call " + str(reply.status))
        except Exception as fault: note(f"last call failed: {fault}")
    os._exit(7)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGUSR1, lambda *_: note("usr1"))
note("own variables: " + ",".join(name for name in os.environ if name.startswith(("NOTIFY", "LISTEN", "WATCHDOG", "ALEWIFE__"))))
if os.getpgrp() != os.getpid(): note("in the group of the sidecar")
server = http.server.HTTPServer((host, port), Service)
note("up")
threading.Thread(target=server.serve_forever, daemon=True).start()
while True: time.sleep(1)
"#;

struct Stage {
    directory: tempfile::TempDir,
    address: SocketAddr,
}

impl Stage {
    fn set() -> Self {
        let stage = Self { directory: tempfile::tempdir().unwrap(), address: free_address() };
        std::fs::write(stage.path("application.py"), APPLICATION).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn leave(&self) {
        std::fs::write(self.path("leave"), "").unwrap();
    }

    fn notes(&self) -> String {
        std::fs::read_to_string(self.path("notes")).unwrap_or_default()
    }

    fn sidecar(&self, key: &TestKey, last: &str) -> SidecarBuilder {
        let [script, notes, leave] = ["application.py", "notes", "leave"].map(|name| self.path(name));
        let [script, notes, leave] = [&script, &notes, &leave].map(|path| path.to_str().unwrap());
        let (ip, port) = (self.address.ip().to_string(), self.address.port().to_string());
        let words = ["--", "python3", script, &ip, &port, notes, leave, last];
        Sidecar::inbound().keys(&[key]).upstream(self.address).arguments(&words)
    }

    fn is_up(&self) {
        eventually("the application is up", || self.notes().contains("up\n"));
    }
}

fn gcm() -> TestKey {
    TestKey::new("AES-256-GCM")
}

#[test]
fn stop_finishes_requests_then_ends_the_application_then_what_it_calls() {
    let key = gcm();
    let (stage, peer) = (Stage::set(), Origin::echo());
    let outbound = free_address();
    let tables = format!(
        "[[proxy]]\nname = \"out\"\nmode = \"outbound\"\nreplies = \"plain\"\nlisten = \"{outbound}\"\nupstream = \"http://{}\"\n",
        peer.address()
    );
    let sidecar = stage.sidecar(&key, &format!("http://{outbound}/")).tables(&tables);
    let mut sidecar = sidecar.environment("ALEWIFE__LOG__LEVEL", "info").start();
    stage.is_up();
    assert!(stage.notes().contains("own variables: \n"), "{}", stage.notes());
    let mut client = Connection::to(sidecar.address_of("kitchen"));
    client.send(&key.request("POST", "/", "", b"slow"));
    eventually("the application has it", || stage.notes().contains("begun"));
    sidecar.signal("TERM");
    eventually("the stop has begun", || sidecar.log().contains("exchanges under way are finished"));
    stage.leave();
    assert_eq!(client.reply("POST").open(&key).unwrap(), b"slow");
    assert_eq!(sidecar.wait().code(), Some(7));
    let notes: Vec<_> = stage.notes().lines().skip(1).map(str::to_owned).collect();
    assert_eq!(notes, ["up", "begun", "answered", "asked to end", "last call 200"]);
    assert_eq!(peer.count(), 1);
}

#[test]
fn sidecar_ends_with_the_application_and_with_its_status() {
    for (script, code) in [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137)] {
        let sidecar = Sidecar::inbound().keys(&[&gcm()]).arguments(&["--", "sh", "-c", script]);
        assert_eq!(sidecar.start().wait().code(), Some(code), "{script}");
    }
}

#[test]
fn signals_that_say_nothing_to_the_sidecar_reach_the_application() {
    let stage = Stage::set();
    let mut sidecar = stage.sidecar(&gcm(), "").start();
    stage.is_up();
    sidecar.signal("USR1");
    eventually("the application has it", || stage.notes().contains("usr1"));
    assert!(!sidecar.has_ended());
    sidecar.signal("HUP");
    let unchanged = "alewife_config_reloads_total{outcome=\"unchanged\"}";
    eventually("the sidecar has the other", || sidecar.metric(unchanged) == 1.0);
    assert!(!stage.notes().contains("asked to end"));
    assert_eq!(sidecar.stop().code(), Some(7));
}

#[test]
fn application_that_does_not_end_is_killed_when_the_grace_is_over() {
    let script = "trap '' TERM; while :; do sleep 0.05; done";
    let sidecar = Sidecar::inbound().keys(&[&gcm()]).top("shutdown_grace = \"300ms\"");
    let mut sidecar = sidecar.arguments(&["--", "sh", "-c", script]).start();
    assert_eq!(sidecar.stop().code(), Some(137));
    assert!(sidecar.log().contains("is killed"), "{}", sidecar.log());
}

#[test]
fn sidecar_ends_with_the_status_of_its_application_even_if_requests_had_to_be_cut() {
    let (key, stage) = (gcm(), Stage::set());
    let mut sidecar = stage.sidecar(&key, "").top("shutdown_grace = \"100ms\"").start();
    stage.is_up();
    let mut client = sidecar.connect();
    client.send(&key.request("POST", "/", "", b"never answered"));
    eventually("the application has it", || stage.notes().contains("begun"));
    assert_eq!(sidecar.stop().code(), Some(7));
    assert!(sidecar.log().contains("did not end within shutdown_grace and were cut"), "{}", sidecar.log());
}

#[test]
fn command_that_is_none_ends_the_start_with_127() {
    let (code, _, errors) = Sidecar::inbound().keys(&[&gcm()]).run_to_end(&["--", "/nowhere/at-all"]);
    assert_eq!(code, 127, "{errors}");
    assert!(errors.contains("the application /nowhere/at-all cannot be started"), "{errors}");
}

#[test]
fn application_is_not_started_where_the_configuration_is_wrong() {
    let stage = Stage::set();
    let notes = stage.path("notes");
    let touch = ["--", "touch", notes.to_str().unwrap()];
    let (code, _, _) = Sidecar::inbound().keys(&[&gcm()]).proxy("listen_on = 1").run_to_end(&touch);
    assert_eq!((code, notes.exists()), (78, false));
}

#[test]
fn start_waits_for_the_upstream_and_tells_that_it_does() {
    let address = free_address();
    let sidecar = Sidecar::inbound().keys(&[&gcm()]).upstream(address).arguments(&["--wait-for-upstream"]);
    let (started, is_up) = std::sync::mpsc::channel();
    let starting = std::thread::spawn(move || {
        let sidecar = sidecar.start();
        started.send(()).unwrap();
        sidecar
    });
    assert!(is_up.try_recv().is_err());
    let listener = std::net::TcpListener::bind(address).unwrap();
    let sidecar = starting.join().unwrap();
    assert_eq!(sidecar.admin_page("/readyz").0, 200);
    drop(listener);
}

#[test]
fn configuration_that_changes_while_the_upstream_is_waited_for_is_taken() {
    let (key, origin, nobody) = (gcm(), Origin::echo(), free_address());
    let sidecar = Sidecar::inbound().keys(&[&key]).upstream(nobody);
    let waiting = sidecar.arguments(&["--wait-for-upstream"]).launch();
    eventually("it waits", || waiting.sidecar.log().contains("waiting for the upstream"));
    waiting.sidecar.reconfigure(|text| text.replace(&nobody.to_string(), &origin.address().to_string()));
    let sidecar = waiting.listening();
    let reply = sidecar.connect().exchange(&key.request("POST", "/", "", b"one"));
    assert_eq!(reply.open(&key).unwrap(), b"one");
}

#[test]
fn upstream_that_is_waited_for_in_vain_is_named() {
    let address = free_address();
    let sidecar = Sidecar::inbound().keys(&[&gcm()]).upstream(address);
    let (code, _, errors) = sidecar.run_to_end(&["--wait-for-upstream=300ms"]);
    assert_eq!(code, 1, "{errors}");
    assert!(
        errors.contains(&format!("the upstream http://{address} cannot be connected to after 300ms")),
        "{errors}"
    );
}

#[test]
fn waiting_for_an_application_that_is_yet_to_be_started_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_alewife"))
        .args(["run", "--config", "none.toml", "--wait-for-upstream", "--", "true"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
}
