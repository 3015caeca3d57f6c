//! The real binary as a process.

mod builder;

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use super::{Connection, PATIENCE, eventually};
pub(crate) use builder::SidecarBuilder;

/// A sidecar on its way up.
pub(crate) struct Launched {
    pub(crate) sidecar: Sidecar,
    ready: mpsc::Receiver<String>,
}

impl Launched {
    /// Waits until it listens.
    pub(crate) fn listening(self) -> Sidecar {
        let Self { mut sidecar, ready } = self;
        while !sidecar.listens || sidecar.admin.is_none() {
            match ready.recv_timeout(PATIENCE) {
                Ok(line) => sidecar.take_ready_line(&line),
                Err(_) => panic!("the sidecar did not start:\n{}", sidecar.log()),
            }
        }
        sidecar
    }
}

/// A running sidecar; it is ended when this is dropped.
pub(crate) struct Sidecar {
    child: Child,
    directory: tempfile::TempDir,
    log: Arc<Mutex<String>>,
    output: Arc<Mutex<String>>,
    listens: bool,
    /// If it is one of TCP.
    address: Option<SocketAddr>,
    admin: Option<SocketAddr>,
}

impl Sidecar {
    pub(crate) fn inbound() -> SidecarBuilder {
        SidecarBuilder::of_mode("inbound")
    }

    /// Seals for the peer at `upstream`.
    pub(crate) fn outbound() -> SidecarBuilder {
        SidecarBuilder::of_mode("outbound")
    }

    /// Where the proxy listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.unwrap()
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin.unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.directory.path().join("keys.toml")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Puts `change` of the configuration in its place, in one step.
    pub(crate) fn reconfigure(&self, change: impl FnOnce(String) -> String) {
        let path = self.directory().join("config.toml");
        let before = std::fs::read_to_string(&path).unwrap();
        let after = change(before.clone());
        assert_ne!(after, before, "nothing was changed");
        let fresh = self.directory().join("fresh-config.toml");
        std::fs::write(&fresh, after).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// A fresh connection to the proxy.
    pub(crate) fn connect(&self) -> Connection {
        Connection::to(self.address())
    }

    /// What it wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// What it wrote to standard output so far.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Where the proxy of that name listens.
    pub(crate) fn address_of(&self, proxy: &str) -> SocketAddr {
        let output = self.output();
        let line = output.lines().find(|line| line.starts_with(&format!("proxy {proxy}: "))).unwrap();
        line.split("://").nth(1).unwrap().split(',').next().unwrap().parse().unwrap()
    }

    /// `/status`.
    pub(crate) fn status(&self) -> serde_json::Value {
        let (status, text) = self.admin_page("/status");
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// One page of the admin listener: status and body.
    pub(crate) fn admin_page(&self, path: &str) -> (u16, String) {
        let mut connection = Connection::to(self.admin());
        connection
            .send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes());
        let reply = connection.reply("GET");
        (reply.status, String::from_utf8(reply.body).unwrap())
    }

    /// What an order to the admin listener comes to: status and body.
    pub(crate) fn order(&self, path: &str) -> (u16, String) {
        let mut connection = Connection::to(self.admin());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        connection.send(head.as_bytes());
        let reply = connection.reply("POST");
        (reply.status, String::from_utf8(reply.body).unwrap())
    }

    /// The value of the metric whose line begins with `series` and a space.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.admin_page("/metrics");
        let line =
            text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("no series {series} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// What it tells of one key.
    pub(crate) fn key_status(&self, fingerprint: &str) -> serde_json::Value {
        let (status, text) = self.admin_page("/status");
        assert_eq!(status, 200, "{text}");
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut keys = report["keysets"][0]["keys"].as_array().unwrap().iter();
        let key = keys.find(|key| key["fingerprint"] == fingerprint);
        key.unwrap_or_else(|| panic!("no key {fingerprint} in {text}")).clone()
    }

    /// Sends a signal by name, as `kill` knows it.
    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().expect("kill");
        assert!(status.success());
    }

    /// Asks it to stop and waits for its end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the process ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    fn take_ready_line(&mut self, line: &str) {
        let address = line.split("://").nth(1).map(|rest| rest.split([',', ' ', '/']).next().unwrap());
        let address = address.and_then(|text| text.parse().ok());
        if line.starts_with("proxy ") {
            self.listens = true;
            self.address = address;
        } else if line.starts_with("admin") {
            self.admin = address;
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- log of the sidecar ---\n{}", self.log());
        }
    }
}

fn follow(mut pipe: impl Read + Send + 'static, into: Arc<Mutex<String>>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read) = pipe.read(&mut buffer)
            && read > 0
        {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    });
}
