//! `alewife keys`: how the keys of a running sidecar fare; and its subcommand, which rotates a key file.

pub(super) mod rotate;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use http::StatusCode;

use super::ask::{self, Question, Target, Unanswered};
use super::duration::positive;
use super::exit::Exit;
use super::{complain, print};
use crate::admin::StatusReport;

const QUESTION: Question = Question { page: "/status", agent: "alewife-keys", largest: 64 * 1024 * 1024 };

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "\
Each key has a line: what it does now, when it holds, how many messages were opened and sealed with it since the \
sidecar has it, how many named it and were refused, when it was used last, and whether it may be taken out of the key \
file. It may once it is not needed to seal and nobody used it for keys.observation (24h unless configured); where it was \
not watched for so long, that is what is said. Counts are those of one process: ask each sidecar.

Exit status: 0 if the table was printed, 64 for a wrong command line, 1 otherwise.

Examples:
  alewife keys
  alewife keys --json | jq '.keysets[].keys[] | select(.retire.safe) | .fingerprint'"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    table: TableArgs,
}

/// What else is done about keys.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Adds the next key to a key file, gives the older ones an end, and removes those that have ended
    Rotate(rotate::Args),
}

/// What the table is asked for with.
#[derive(Debug, clap::Args)]
struct TableArgs {
    /// The admin listener of a sidecar on this machine; to others it does not tell
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9180")]
    admin: Target,
    /// Prints what the sidecar tells as it is, with full fingerprints
    #[arg(long)]
    json: bool,
    /// The longest wait, with its unit: 500ms, 3s, 1m
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = positive)]
    timeout: Duration,
}

pub(super) fn run(args: Args) -> ExitCode {
    match args.command {
        None => show(args.table),
        Some(Command::Rotate(args)) => rotate::run(&args),
    }
}

fn show(args: TableArgs) -> ExitCode {
    let (url, json) = (args.admin.uri.to_string(), args.json);
    match told(args) {
        Ok((text, _)) if json => print(&in_ascii(&text)).into(),
        Ok((_, report)) => print(&table::of(&report)).into(),
        Err(fault) => {
            complain(&format!("alewife keys: {url}: {fault}"));
            Exit::Failure.into()
        }
    }
}

/// What the sidecar tells, as text and read.
fn told(args: TableArgs) -> Result<(String, StatusReport), Untold> {
    let answer = ask::ask(args.admin, QUESTION, args.timeout)?;
    if answer.status != StatusCode::OK {
        return Err(Untold::Status { status: answer.status, reasons: answer.reasons() });
    }
    let report = serde_json::from_str(&answer.body).map_err(|_| Untold::NoReport)?;
    Ok((answer.body, report))
}

/// The same JSON in visible ASCII and line ends: what a stranger wrote must not command a terminal.
fn in_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\n' | ' '..='~' => text.push(character),
            // Between the members, since strings bear none.
            '\t' | '\r' => text.push(' '),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    text += &format!("\\u{unit:04x}");
                }
            }
        }
    }
    text
}

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
enum Untold {
    #[error("the answer is not an Alewife's status")]
    NoReport,
    #[error("{status}{reasons}")]
    Status { status: StatusCode, reasons: String },
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_ascii_means_the_same() {
        let json = "{\"id\":\t\"a…b\u{9b}\u{1f35c}\u{7f}\\n\"}\r\n";
        let text = in_ascii(json);
        assert_eq!(text, "{\"id\": \"a\\u2026b\\u009b\\ud83c\\udf5c\\u007f\\n\"} \n");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&text), read(json));
    }
}
