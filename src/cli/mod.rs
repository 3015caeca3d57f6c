//! The command line: one file per command.

mod ask;
mod check;
mod completions;
mod config;
mod demo;
#[cfg(feature = "inspector")]
mod dev;
mod doctor;
mod duration;
mod exit;
mod healthcheck;
mod hexdump;
mod key_file;
mod keygen;
mod keys;
mod log;
mod message;
mod open;
mod paint;
mod ping;
mod pipe;
mod processor;
mod profiles;
mod run;
mod seal;
mod send;
mod shell;
mod socket;
mod status;
mod stop;
mod terminal;
mod told;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand};

use self::exit::Exit;

/// What the words of the command line ask for.
#[derive(Debug, Parser)]
#[command(
    name = "alewife",
    version,
    about = "Gives an unmodified application application-level encryption",
    after_help = "Example:\n  alewife keygen > keys.toml\n  alewife check --config config.toml",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Examines a configuration and its key file, and tells everything that is wrong
    Check(check::Args),
    /// Prints what a shell needs to complete the command line
    Completions(completions::Args),
    /// Prints every setting that holds, and where its value is from
    Config(config::Args),
    /// Shows a sealed order on its way to an application and back
    Demo(demo::Args),
    /// Shows what passes between an application that is being written and its sealed clients
    #[cfg(feature = "inspector")]
    Dev(dev::Args),
    /// Finds the profile that a captured message is in
    Doctor(doctor::Args),
    /// Asks a running sidecar whether it is ready
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Prints a fresh key as an entry of a key file
    Keygen(keygen::Args),
    /// Shows how the keys of a running sidecar are used, and which of them may go
    Keys(keys::Args),
    /// Opens a sealed message: a pipe, the inverse of seal
    Open(open::Args),
    /// Asks whether both sidecars of a bridge understand each other
    Ping(ping::Args),
    /// Shows the wire formats that there are, imports a vendor's, and tries them out
    Profiles(profiles::Args),
    /// Runs the sidecar
    Run(run::Args),
    /// Seals a message: a pipe, the inverse of open
    Seal(seal::Args),
    /// Sends a sealed request or opens a sealed WebSocket: a curl for sealed exchanges
    Send(send::Args),
    /// Shows what a running sidecar does: its listeners, keys and sources of keys
    Status(status::Args),
}

impl Command {
    fn run(self) -> ExitCode {
        match self {
            Self::Check(args) => check::run(&args),
            Self::Completions(args) => completions::run(&args),
            Self::Config(args) => config::run(&args),
            Self::Demo(args) => demo::run(&args),
            #[cfg(feature = "inspector")]
            Self::Dev(args) => dev::run(&args),
            Self::Doctor(args) => doctor::run(&args),
            Self::Healthcheck(args) => healthcheck::run(args),
            Self::Keygen(args) => keygen::run(&args),
            Self::Keys(args) => keys::run(args),
            Self::Open(args) => open::run(&args),
            Self::Ping(args) => ping::run(&args),
            Self::Profiles(args) => profiles::run(&args),
            Self::Run(args) => run::run(&args),
            Self::Seal(args) => seal::run(&args),
            Self::Send(args) => send::run(&args),
            Self::Status(args) => status::run(args),
        }
    }
}

/// The `--config` of every command that reads a configuration.
#[derive(Debug, clap::Args)]
struct ConfigArg {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "ALEWIFE_CONFIG", hide_env_values = true)]
    config: PathBuf,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    if !processor::suffices() {
        return Exit::UnfitProcessor.into();
    }
    start()
}

/// Not inlined, so that nothing of it is moved before the look at the processor.
#[inline(never)]
fn start() -> ExitCode {
    if let Err(error) = turn_core_dumps_off() {
        complain(&format!("alewife: core dumps cannot be turned off: {error}"));
    }
    match Cli::try_parse() {
        Ok(cli) => cli.command.run(),
        Err(error) => refuse_command_line(&error),
    }
}

fn refuse_command_line(error: &clap::Error) -> ExitCode {
    // Nobody is left to be told if the stream is closed.
    let _ = error.print();
    let lacks_config = error.kind() == ErrorKind::MissingRequiredArgument
        && matches!(
            error.get(ContextKind::InvalidArg),
            Some(ContextValue::Strings(lacking)) if lacking.iter().any(|arg| arg.starts_with("--config"))
        );
    if lacks_config {
        complain("The environment's ALEWIFE_CONFIG may name the configuration file instead.");
    }
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ if std::env::args_os().nth(1).as_deref() == Some(OsStr::new("send")) => Exit::SendUsage.into(),
        _ => Exit::Usage.into(),
    }
}

/// Writes `text` to standard output.
fn print(text: &str) -> Exit {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Success,
        Err(error) => {
            complain(&format!("alewife: standard output: {error}"));
            Exit::Failure
        }
    }
}

/// Writes a line to standard error. If that is closed, nobody is left to be told.
fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A core dump would bear every key.
#[cfg(target_os = "linux")]
fn turn_core_dumps_off() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(not(target_os = "linux"))]
fn turn_core_dumps_off() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_has_an_example() {
        let all = Cli::command();
        for command in all.get_subcommands().flat_map(|command| command.get_subcommands().chain([command])) {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("\nExample"), "no example in the help of {}", command.get_name());
        }
    }
}
