//! A peer in another language that answers one line of JSON with another.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;

use serde_json::Value;

use super::Program;

/// A running program; it is ended when this is dropped.
pub(crate) struct Talker {
    child: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Talker {
    /// `None` where the program is not on the machine.
    pub(crate) fn start(program: &Program) -> Option<Self> {
        if !program.is_here() {
            return None;
        }
        let mut child = program.command("").stderr(Stdio::inherit()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let pipes = Mutex::new((child.stdin.take().unwrap(), output));
        Some(Self { child, pipes })
    }

    /// What it says to `task`.
    pub(crate) fn ask(&self, task: &Value) -> Value {
        let mut pipes = self.pipes.lock().unwrap();
        let (input, output) = &mut *pipes;
        writeln!(input, "{task}").unwrap();
        input.flush().unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no answer to {task}"))
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
