//! `alewife completions`: what a shell needs to complete the command line.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, print};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  alewife completions bash > /etc/bash_completion.d/alewife
  alewife completions zsh > ~/.zfunc/_alewife
  alewife completions fish > ~/.config/fish/completions/alewife.fish")]
pub(super) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "alewife", &mut script);
    print(&String::from_utf8_lossy(&script)).into()
}
