//! `alewife profiles`: the wire formats that there are, as tables of a configuration; and its subcommands, which import a
//! vendor's description and try profiles out on sample requests.

mod import;
mod table;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use super::exit::Exit;
use super::{complain, print};
use crate::config::Config;
use crate::document::Faults;

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "\
Without a NAME every preset has a line, and with --config every profile of that file. With one, it is printed as a table \
that can be put into a configuration: each key with its value and what it is, and at the end what the vendor does not \
publish and the preset therefore assumes. Keep the preset and the lines that you change.

Exit status: 0, 64 for a wrong command line or a profile that is not there, 78 for a wrong configuration.

Examples:
  alewife profiles
  alewife profiles payon
  alewife profiles payon | grep 'confirm with your vendor'"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    shown: Shown,
}

/// What else is done about profiles.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Makes a profile of a vendor's {"enc":{…}} object, and keeps its key and iv in files
    Import(import::Args),
    /// Shows sample requests before and after, in clear, and whether each came as expected
    Test(test::Args),
}

/// What is shown.
#[derive(Debug, clap::Args)]
struct Shown {
    /// The profile that is printed as a table; unless given, all are listed
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// A configuration file, whose own profiles are shown as well
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match &args.command {
        Some(Command::Import(args)) => import::run(args),
        Some(Command::Test(args)) => test::run(args),
        None => match shown(&args.shown) {
            Ok(text) => print(&text).into(),
            Err(fault) => fault.told().into(),
        },
    }
}

fn shown(args: &Shown) -> Result<String, ShowFault> {
    let config = args.config.as_deref().map(Config::load).transpose()?;
    let own = config.map(|config| config.profiles).unwrap_or_default();
    match &args.name {
        None => Ok(table::list(&own)),
        Some(name) => table::of(name, &own).ok_or_else(|| ShowFault::Unknown {
            name: name.clone(),
            known: table::names(&own).join(", "),
            has_config: args.config.is_some(),
        }),
    }
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
enum ShowFault {
    #[error(transparent)]
    Configuration(#[from] Faults),
    #[error("there is no profile {name:?}; there are {known}{}", hint(*has_config))]
    Unknown { name: String, known: String, has_config: bool },
}

fn hint(has_config: bool) -> &'static str {
    if has_config { "" } else { ", and with --config FILE those of a configuration" }
}

impl ShowFault {
    fn told(&self) -> Exit {
        match self {
            Self::Configuration(faults) => {
                complain(&faults.to_string());
                Exit::WrongConfiguration
            }
            Self::Unknown { .. } => {
                complain(&format!("alewife profiles: {self}"));
                Exit::Usage
            }
        }
    }
}
