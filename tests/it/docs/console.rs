//! Runs the commands of a document, one after another in a directory of their own, and compares what they print.
//!
//! A block fenced as `console` has lines that begin with `$ `, each followed by what it prints. A command that ends
//! in ` &` stays in the background once it has printed that. `…` stands for anything in a line, and alone on a line
//! for any number of lines. A comment `<!-- file: NAME -->` makes the block after it a file, `<!-- before: COMMAND -->`
//! is run unseen. Addresses that a document names are replaced by free ones.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::support::{Origin, eventually};

/// Where the application of every document listens.
const APPLICATION: &str = "127.0.0.1:3000";
/// Where its sidecar listens.
const LISTENERS: [&str; 2] = ["127.0.0.1:8080", "127.0.0.1:9180"];

/// What a document asks for, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Before(String),
    File { name: String, text: String },
    Run(Printed),
}

/// A command and what it is said to print.
#[derive(Debug, Default, PartialEq, Eq)]
struct Printed {
    command: String,
    lines: Vec<String>,
}

/// Runs all of `document` beside `application`; the number of commands that were run.
pub(super) fn run(document: &str, application: &Origin) -> usize {
    let steps = steps(document);
    let mut house = House::new(application);
    for step in &steps {
        house.take(step);
    }
    house.close();
    steps.iter().filter(|step| matches!(step, Step::Run(_))).count()
}

fn steps(document: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = document.lines();
    let mut file = None;
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let comment = |name: &str| line.trim().strip_prefix(name)?.strip_suffix(" -->");
        if let Some(command) = comment("<!-- before: ") {
            steps.push(Step::Before(command.to_owned()));
        } else if let Some(name) = comment("<!-- file: ") {
            file = Some(name.to_owned());
        } else if let Some(language) = line.trim_start().strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| line.trim_start() != "```");
            let block: Vec<&str> = inside.map(|line| line.get(indent..).unwrap_or("")).collect();
            match (file.take(), language) {
                (Some(name), _) => steps.push(Step::File { name, text: block.join("\n") + "\n" }),
                (None, "console") => steps.extend(commands(&block).into_iter().map(Step::Run)),
                (None, _) => {}
            }
        }
    }
    steps
}

fn commands(block: &[&str]) -> Vec<Printed> {
    let mut commands: Vec<Printed> = Vec::new();
    for line in block {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push(Printed { command: command.to_owned(), lines: Vec::new() }),
            None => {
                commands.last_mut().expect("a block begins with a command").lines.push((*line).to_owned())
            }
        }
    }
    commands
}

/// Where a document is tried out.
struct House {
    directory: TempDir,
    /// What the document says, and what stands for it here.
    addresses: Vec<(&'static str, String)>,
    background: Vec<Child>,
}

impl House {
    fn new(application: &Origin) -> Self {
        let mut addresses = vec![(APPLICATION, application.address().to_string())];
        addresses.extend(LISTENERS.map(|listener| (listener, "127.0.0.1:0".to_owned())));
        Self { directory: tempfile::tempdir().unwrap(), addresses, background: Vec::new() }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Before(command) => drop(self.output(command)),
            Step::File { name, text } => {
                std::fs::write(self.directory.path().join(name), self.here(text)).unwrap();
            }
            Step::Run(printed) => match printed.command.strip_suffix(" &") {
                Some(command) => self.start(command, &printed.lines),
                None => self.compare(printed),
            },
        }
    }

    fn compare(&self, printed: &Printed) {
        if !self.is_here(&printed.command) {
            return;
        }
        let output = self.output(&printed.command);
        let expected: Vec<String> = printed.lines.iter().map(|line| self.here(line)).collect();
        let actual: Vec<&str> = output.lines().collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        assert!(
            lines_match(&expected, &actual),
            "{} printed\n{output}\nbut the document says\n{expected:#?}",
            printed.command
        );
    }

    /// Standard output of a command that succeeds and has nothing to complain of.
    fn output(&self, command: &str) -> String {
        let output = self.shell(command).output().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && complaints.is_empty(),
            "{command}: {}\n{complaints}",
            output.status
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts a command that stays, and learns from what it prints where it listens.
    fn start(&mut self, command: &str, lines: &[String]) {
        let mut child = self.shell(&format!("exec {command}")).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        self.background.push(child);
        for expected in lines {
            let line = self.line(&mut stdout);
            let pattern =
                LISTENERS.iter().fold(expected.clone(), |line, listener| line.replace(listener, "…"));
            assert!(
                line_matches(&self.here(&pattern), &line),
                "{command} printed {line} instead of {expected}"
            );
            let listener = LISTENERS.into_iter().find(|listener| expected.contains(listener));
            let address = line.split("http://").nth(1).and_then(|rest| rest.split([',', ' ']).next());
            if let (Some(listener), Some(address)) = (listener, address) {
                self.addresses.retain(|(known, _)| *known != listener);
                self.addresses.push((listener, address.to_owned()));
            }
        }
    }

    fn line(&self, stdout: &mut BufReader<ChildStdout>) -> String {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Ends what runs in the background, which must stop cleanly.
    fn close(mut self) {
        for mut child in std::mem::take(&mut self.background) {
            let told = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap();
            assert!(told.success());
            let mut status = None;
            eventually("the background command ends", || {
                status = child.try_wait().unwrap();
                status.is_some()
            });
            let mut complaints = String::new();
            child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
            assert!(status.unwrap().success(), "{status:?}\n{complaints}");
        }
    }

    fn shell(&self, command: &str) -> Command {
        let binary = std::path::Path::new(env!("CARGO_BIN_EXE_alewife"));
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &self.here(command)])
            .current_dir(&self.directory)
            .env("PATH", format!("{}:{path}", binary.parent().unwrap().display()))
            .env_remove("ALEWIFE_CONFIG")
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        shell
    }

    /// Whether the command's program is on this machine; says so where it isn't.
    fn is_here(&self, command: &str) -> bool {
        if !command.starts_with("curl ") || self.shell("command -v curl").output().unwrap().status.success() {
            return true;
        }
        assert!(
            std::env::var_os("ALEWIFE_REQUIRE_CLIENTS").is_none_or(|value| value != "1"),
            "curl is missing"
        );
        // Not eprintln!, which the test harness keeps to itself when a test passes.
        let mut terminal = std::io::stderr();
        writeln!(terminal, "not tested, since curl is missing: {command}").unwrap();
        false
    }

    /// `text` with the addresses of this house.
    fn here(&self, text: &str) -> String {
        self.addresses.iter().fold(text.to_owned(), |text, (said, real)| text.replace(said, real))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for child in &mut self.background {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn lines_match(expected: &[&str], actual: &[&str]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((&"…", rest)) => (0..=actual.len()).any(|skipped| lines_match(rest, &actual[skipped..])),
        Some((first, rest)) => actual
            .split_first()
            .is_some_and(|(line, later)| line_matches(first, line) && lines_match(rest, later)),
    }
}

fn line_matches(expected: &str, actual: &str) -> bool {
    let mut pieces = expected.split('…');
    let first = pieces.next().unwrap_or("");
    let Some(mut rest) = actual.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn ellipsis_stands_for_anything_and_nothing_else_does() {
    assert!(line_matches("a … c", "a bbb c") && line_matches("…", "") && line_matches("same", "same"));
    assert!(
        !line_matches("a … c", "a bbb d") && !line_matches("same", "same ") && !line_matches("a…b…a", "aba!")
    );
    assert!(lines_match(&["1", "…", "4", "…"], &["1", "2", "3", "4"]));
    assert!(
        !lines_match(&["1", "…", "4"], &["1", "2", "3"])
            && !lines_match(&[], &["1"])
            && !lines_match(&["1"], &[])
    );
}

#[test]
fn document_is_read_as_files_and_commands() {
    let document = "text\n<!-- before: true -->\n<!-- file: a.toml -->\n```toml\nx = 1\n```\n1. item\n   ```console\n   \
                    $ one\n   out\n   $ two &\n   ```\n```sh\n$ not run\n```\n";
    let printed = |command: &str, lines: &[&str]| {
        Step::Run(Printed {
            command: command.to_owned(),
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
        })
    };
    let file = Step::File { name: "a.toml".to_owned(), text: "x = 1\n".to_owned() };
    let expected = [Step::Before("true".to_owned()), file, printed("one", &["out"]), printed("two &", &[])];
    assert_eq!(steps(document), expected);
}
