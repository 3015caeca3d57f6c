//! Programs in other languages: the clients of examples/clients/ and the peers of tests/peers/.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use super::TestKey;

/// A file of this project that another language runs.
pub(crate) struct Program {
    /// What must be on the machine, in words.
    pub(crate) needs: &'static str,
    pub(crate) program: &'static str,
    /// Relative to the project.
    pub(crate) file: &'static str,
    /// Arguments under which `program` succeeds only where the file can run.
    pub(crate) probe: &'static [&'static str],
}

/// What a program did.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) exit_status: Option<i32>,
    pub(crate) output: Vec<u8>,
    /// Its standard error, without the last line's end.
    pub(crate) said: String,
}

impl Outcome {
    pub(crate) fn nothing(exit_status: i32, said: &str) -> Self {
        Self { exit_status: Some(exit_status), output: Vec::new(), said: said.to_owned() }
    }
}

impl Program {
    /// Checks of a page in Chromium, which Node drives.
    pub(crate) const fn in_chromium(file: &'static str) -> Self {
        Self {
            needs: "Chromium, or Node with the packages `playwright-core` and `@axe-core/playwright` (`node`)",
            program: "node",
            file,
            probe: &[
                "-e",
                "require('playwright-core').chromium ?? process.exit(1); require('@axe-core/playwright').AxeBuilder ?? process.exit(1);
                 require('child_process').execFileSync(process.env.ALEWIFE_CHROMIUM || 'chromium', ['--version'])",
            ],
        }
    }

    /// Whether it can run here. Says so where it can't; fails where it must.
    pub(crate) fn is_here(&self) -> bool {
        let mut probe = Command::new(self.program);
        probe.args(self.probe).env("NODE_PATH", node_path());
        probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if probe.status().is_ok_and(|status| status.success()) {
            return true;
        }
        let absence = format!("{} was not tested: {} is missing", self.file, self.needs);
        assert!(std::env::var_os("ALEWIFE_REQUIRE_CLIENTS").is_none_or(|value| value != "1"), "{absence}");
        // Not eprintln!, which the test harness keeps to itself when a test passes.
        let mut terminal = std::io::stderr();
        writeln!(terminal, "{absence}").unwrap();
        false
    }

    /// The command for `url`, without a key.
    pub(crate) fn command(&self, url: &str) -> Command {
        let mut command = Command::new(self.program);
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(self.file))
            .env("ALE_URL", url)
            .env("NODE_PATH", node_path())
            .env("no_proxy", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The command for `url` under `key`.
    pub(crate) fn sealing(&self, url: &str, key: &TestKey) -> Command {
        let mut command = self.command(url);
        command
            .env("ALE_ALGORITHM", key.algorithm.to_string())
            .env("ALE_FINGERPRINT", &key.fingerprint)
            .env("ALE_KEY", key.secret_base64());
        command
    }
}

/// Runs `command` to its end with `input`.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Outcome {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // It may answer before it has read everything, and it may end so: its own report counts, not the broken pipe.
    let feeding = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    let said = String::from_utf8(output.stderr).unwrap().trim_end().to_owned();
    Outcome { exit_status: output.status.code(), output: output.stdout, said }
}

/// Where .ci/install-clients puts Node's packages, unless somebody else's stand elsewhere.
pub(crate) fn node_path() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let tools = || {
        let cache = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
        named("ALEWIFE_CI_TOOLS").or_else(|| Some(cache?.join("alewife-ci")))
    };
    named("NODE_PATH").or_else(|| Some(tools()?.join("node/node_modules"))).unwrap_or_default()
}

const ALE_SERVER: Program = Program {
    needs: "Node 18.3 or newer with the package `ws` (`node`)",
    program: "node",
    file: "tests/peers/ale-server.mjs",
    probe: &["-e", "require('ws').WebSocketServer ?? process.exit(1)"],
};

/// A far end of ALE that shares no code with Alewife: it opens what it is sent and answers with the same, sealed.
pub(crate) struct AleServer {
    child: Child,
    address: SocketAddr,
}

impl AleServer {
    /// `None` where Node is not on the machine.
    pub(crate) fn start(key: &TestKey) -> Option<Self> {
        if !ALE_SERVER.is_here() {
            return None;
        }
        let mut child = ALE_SERVER.sealing("", key).stderr(Stdio::inherit()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap()));
        Some(Self { child, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for AleServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
