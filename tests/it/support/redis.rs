//! A real Redis server, started by the test.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::{PATIENCE, Program, eventually};

const SERVER: Program = Program {
    needs: "Redis (`redis-server`)",
    program: "redis-server",
    file: "the replay store",
    probe: &["--version"],
};

/// A server on a port that it keeps when it is started again. What it holds goes with its process.
pub(crate) struct Redis {
    port: u16,
    options: Vec<String>,
    directory: tempfile::TempDir,
    child: Option<Child>,
}

impl Redis {
    /// `None` where Redis is not on the machine.
    pub(crate) fn start() -> Option<Self> {
        let mut redis = Self::prepared(&[])?;
        redis.run();
        Some(redis)
    }

    /// One with these options, that does not run yet.
    pub(crate) fn prepared(options: &[&str]) -> Option<Self> {
        if !SERVER.is_here() {
            return None;
        }
        // Free now, and hardly anybody takes it meanwhile.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Some(Self { port, options, directory: tempfile::tempdir().unwrap(), child: None })
    }

    /// Starts the process and waits until it answers, be it with an error.
    pub(crate) fn run(&mut self) {
        let port = self.port.to_string();
        let is_secured = self.options.iter().any(|option| option == "--tls-cert-file");
        let ports = if is_secured {
            ["--port", "0", "--tls-port", &port]
        } else {
            ["--port", &port, "--tls-port", "0"]
        };
        let mut command = Command::new("redis-server");
        command.args(ports).args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.directory.path()).args(&self.options);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
        self.child = Some(child);
        eventually("redis listens", || TcpStream::connect(self.address()).is_ok());
        if !is_secured {
            eventually("redis answers", || self.ask("PING").is_some());
        }
    }

    /// Ends the process, and with it all that it holds.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends a signal by name to the process.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The lines of a proxy that remembers here.
    pub(crate) fn lines(&self, failure: &str) -> String {
        format!(
            "replay_window = \"1h\"\nreplay_store = \"redis://{}\"\nreplay_store_failure = \"{failure}\"\n",
            self.address()
        )
    }

    /// The first line of what it says to an inline command.
    pub(crate) fn ask(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address()).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok().filter(|count| *count > 0)?;
        Some(line.trim_end().to_owned())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
