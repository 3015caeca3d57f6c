//! Sockets that are passed: by systemd, and from one process to the one that takes its place.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::support::{Connection, Origin, TestKey, eventually};

/// Takes the socket on standard input and passes it on as systemd would.
const PASSING: &str =
    r#"exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=kitchen exec "$0" run --config "$1""#;

/// A process that listens on `socket`; ended when this is dropped.
struct Process(Child);

impl Process {
    /// Once it is ready.
    fn start(socket: &TcpListener, config: &std::path::Path) -> Self {
        let socket = OwnedFd::from(socket.try_clone().unwrap());
        let mut child = Command::new("sh")
            .args(["-c", PASSING, env!("CARGO_BIN_EXE_alewife")])
            .arg(config)
            .stdin(Stdio::from(socket))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        while !ready.contains("proxy kitchen") {
            assert_ne!(output.read_line(&mut ready).unwrap(), 0, "it did not start: {ready}");
        }
        thread::spawn(move || output.lines().for_each(drop));
        Self(child)
    }

    fn stop(&mut self) -> Option<i32> {
        let status = Command::new("kill").args(["-s", "TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn configured(key: &TestKey, origin: SocketAddr, listen: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("keys.toml"), key.entry()).unwrap();
    let config = format!(
        "workers = 2\n[keys]\nfile = \"keys.toml\"\n[admin]\nlisten = \"off\"\n[[proxy]]\nname = \"kitchen\"\n\
         mode = \"inbound\"\nlisten = \"{listen}\"\nupstream = \"http://{origin}\"\n"
    );
    std::fs::write(directory.path().join("config.toml"), config).unwrap();
    directory
}

#[test]
fn new_process_takes_the_place_of_the_old_one_under_load_without_a_failed_request() {
    let key = TestKey::new("AES-256-GCM");
    let origin = Origin::echo();
    let directory = configured(&key, origin.address(), "fd:kitchen");
    let config = directory.path().join("config.toml");
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let mut old = Process::start(&socket, &config);
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..8_u32)
        .map(|client| {
            let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
            thread::spawn(move || {
                let key = TestKey::new("AES-256-GCM");
                let mut connection = Connection::to(address);
                for number in 0_u32.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let order = format!("order {number} of {client}");
                    let reply = connection.exchange(&key.request("POST", "/", "", order.as_bytes()));
                    assert_eq!(reply.open(&key).as_deref(), Some(order.as_bytes()), "{reply:?}");
                    answered.fetch_add(1, Ordering::Relaxed);
                    // Half of them come anew each time, and whoever is told to go goes.
                    if client % 2 == 0 || reply.header("connection") == Some("close") {
                        connection = Connection::to(address);
                    }
                }
            })
        })
        .collect();
    for _ in 0..4 {
        let before = answered.load(Ordering::Relaxed);
        eventually("requests are answered", || answered.load(Ordering::Relaxed) > before + 32);
        let new = Process::start(&socket, &config);
        assert_eq!(old.stop(), Some(0));
        old = new;
    }
    let before = answered.load(Ordering::Relaxed);
    eventually("requests go on", || answered.load(Ordering::Relaxed) > before + 32);
    over.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(old.stop(), Some(0));
}

#[test]
fn socket_that_was_not_passed_is_named() {
    let key = TestKey::new("AES-256-GCM");
    let directory = configured(&key, SocketAddr::from((Ipv4Addr::LOCALHOST, 9)), "fd:kitchen");
    let output = Command::new(env!("CARGO_BIN_EXE_alewife"))
        .args(["run", "--config"])
        .arg(directory.path().join("config.toml"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("cannot listen on fd:kitchen: no socket of that name was passed"), "{errors}");
}
