//! The real binary as a process.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use super::{Connection, PATIENCE, Portal, TestKey, eventually};

/// A sidecar about to be started.
pub(crate) struct SidecarBuilder {
    top: String,
    mode: &'static str,
    keys: String,
    keys_extra: String,
    keys_path: Option<String>,
    portal: String,
    tables: String,
    files: Vec<(String, Vec<u8>)>,
    proxy: String,
    listen: String,
    upstream: String,
    log: String,
    environment: Vec<(String, String)>,
    under: Vec<String>,
    whole: Option<String>,
    arguments: Vec<String>,
}

impl SidecarBuilder {
    /// Lines for the top of the configuration.
    pub(crate) fn top(mut self, lines: &str) -> Self {
        self.top.push_str(lines);
        self.top.push('\n');
        self
    }

    /// The keys of the ring.
    pub(crate) fn keys(mut self, keys: &[&TestKey]) -> Self {
        self.keys = keys.iter().map(|key| key.entry()).collect();
        self
    }

    /// The key file's text.
    pub(crate) fn key_file(mut self, text: &str) -> Self {
        self.keys = text.to_owned();
        self
    }

    /// The key file stands elsewhere, and is the test's own.
    pub(crate) fn keys_at(mut self, path: &Path) -> Self {
        self.keys_path = Some(path.display().to_string());
        self
    }

    /// Lines for `[keys]`.
    pub(crate) fn keys_section(mut self, lines: &str) -> Self {
        self.keys_extra.push_str(lines);
        self.keys_extra.push('\n');
        self
    }

    /// The keys come from `portal`, of whose section these are the other lines; and from a key file only if there is one.
    pub(crate) fn portal(mut self, portal: &Portal, lines: &str) -> Self {
        self.portal = format!("[keys.portal]\n{}{lines}\n", portal.place());
        self
    }

    /// Whole tables: other key sets, other proxies.
    pub(crate) fn tables(mut self, text: &str) -> Self {
        self.tables.push_str(text);
        self.tables.push('\n');
        self
    }

    /// A file beside the configuration.
    pub(crate) fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// Lines for the `[[proxy]]`.
    pub(crate) fn proxy(mut self, lines: &str) -> Self {
        self.proxy.push_str(lines);
        self.proxy.push('\n');
        self
    }

    /// Where the proxy listens, if not at a port of the system's choice.
    pub(crate) fn listen(mut self, listen: &str) -> Self {
        self.listen = listen.to_owned();
        self
    }

    pub(crate) fn upstream(self, address: SocketAddr) -> Self {
        self.upstream_url(&format!("http://{address}"))
    }

    pub(crate) fn upstream_url(mut self, url: &str) -> Self {
        self.upstream = url.to_owned();
        self
    }

    /// Lines for `[log]`.
    pub(crate) fn log(mut self, lines: &str) -> Self {
        self.log = lines.to_owned();
        self
    }

    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The process is started by this command line, to which its own is appended; it must end as the process itself.
    pub(crate) fn under(mut self, command: &[&str]) -> Self {
        self.under = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// This text is the configuration, and of the rest only keys and environment count. It must have an admin listener.
    pub(crate) fn configured(mut self, text: &str) -> Self {
        self.whole = Some(text.to_owned());
        self
    }

    /// Further words of the command line.
    pub(crate) fn arguments(mut self, words: &[&str]) -> Self {
        self.arguments.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Starts the process and waits until it listens.
    pub(crate) fn start(self) -> Sidecar {
        self.launch().listening()
    }

    /// Starts the process.
    pub(crate) fn launch(self) -> Launched {
        let directory = self.directory();
        let mut words = self.under.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_alewife")]);
        let mut child = Command::new(words.next().expect("the binary at least"))
            .args(words)
            .args(["run", "--config"])
            .arg(directory.path().join("config.toml"))
            .args(self.arguments)
            .envs(self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        follow(child.stderr.take().unwrap(), Arc::clone(&log));
        let (lines, ready) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let output = Arc::new(Mutex::new(String::new()));
        let copy = Arc::clone(&output);
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                copy.lock().unwrap().push_str(&format!("{line}\n"));
                let _ = lines.send(line);
            }
        });
        let sidecar = Sidecar { child, directory, log, output, listens: false, address: None, admin: None };
        Launched { sidecar, ready }
    }

    /// Runs the sidecar with further words of the command line to an end that it comes to by itself.
    pub(crate) fn run_to_end(&self, words: &[&str]) -> (i32, String, String) {
        self.run_with(&["run"], words)
    }

    /// Runs the binary's `command` on the configuration to its end: exit status, standard output, standard error.
    pub(crate) fn run(&self, command: &[&str]) -> (i32, String, String) {
        self.run_with(command, &[])
    }

    fn run_with(&self, command: &[&str], words: &[&str]) -> (i32, String, String) {
        let directory = self.directory();
        let output = Command::new(env!("CARGO_BIN_EXE_alewife"))
            .args(command)
            .arg("--config")
            .arg(directory.path().join("config.toml"))
            .args(words)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code().expect("it ends by itself"), stdout, stderr)
    }

    /// The configuration and what stands beside it.
    fn directory(&self) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let write =
            |name: &str, content: &[u8]| std::fs::write(directory.path().join(name), content).unwrap();
        if self.has_key_file() {
            write("keys.toml", self.keys.as_bytes());
        }
        self.files.iter().for_each(|(name, content)| write(name, content));
        write("config.toml", self.config_text().as_bytes());
        directory
    }

    fn has_key_file(&self) -> bool {
        self.portal.is_empty() || !self.keys.is_empty() || self.keys_path.is_some()
    }

    fn config_text(&self) -> String {
        if let Some(text) = &self.whole {
            return text.clone();
        }
        let path = self.keys_path.as_deref().unwrap_or("keys.toml");
        let file = if self.has_key_file() { format!("file = \"{path}\"") } else { String::new() };
        format!(
            "{}\n[keys]\n{file}\n{}\n{}\n[admin]\nlisten = \"127.0.0.1:0\"\n[log]\n{}\n[[proxy]]\n\
             name = \"kitchen\"\nmode = \"{}\"\nlisten = \"{}\"\nupstream = \"{}\"\n{}\n{}",
            self.top,
            self.keys_extra,
            self.portal,
            self.log,
            self.mode,
            self.listen,
            self.upstream,
            self.proxy,
            self.tables
        )
    }
}

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
        Self::of_mode("inbound")
    }

    /// Seals for the peer at `upstream`.
    pub(crate) fn outbound() -> SidecarBuilder {
        Self::of_mode("outbound")
    }

    fn of_mode(mode: &'static str) -> SidecarBuilder {
        SidecarBuilder {
            top: "workers = 2".to_owned() + "\n",
            mode,
            keys: String::new(),
            keys_extra: String::new(),
            keys_path: None,
            portal: String::new(),
            tables: String::new(),
            files: Vec::new(),
            proxy: String::new(),
            listen: "127.0.0.1:0".to_owned(),
            upstream: "http://127.0.0.1:9".to_owned(),
            log: String::new(),
            environment: Vec::new(),
            under: Vec::new(),
            whole: None,
            arguments: Vec::new(),
        }
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
