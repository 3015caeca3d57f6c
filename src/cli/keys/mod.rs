//! `alewife keys`: how the keys of a running sidecar fare; and its subcommand, which rotates a key file.

pub(super) mod rotate;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use super::ask::Target;
use super::duration::positive;
use super::exit::Exit;
use super::terminal::in_ascii;
use super::told::told;
use super::{complain, print};

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
    match told(args.admin, "alewife-keys", args.timeout) {
        Ok((text, _)) if json => print(&in_ascii(&text)).into(),
        Ok((_, report)) => print(&table::of(&report)).into(),
        Err(fault) => {
            complain(&format!("alewife keys: {url}: {fault}"));
            Exit::Failure.into()
        }
    }
}
