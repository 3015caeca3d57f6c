//! What a sidecar of the tests is started with.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use super::{Launched, Sidecar, follow};
use crate::support::{Portal, TestKey};

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
    pub(super) fn of_mode(mode: &'static str) -> Self {
        Self {
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
