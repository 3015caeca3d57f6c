//! `alewife status`: what a running sidecar does, for people.

mod page;
mod report;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use http::StatusCode;

use super::ask::{NotATarget, Target, Unanswered};
use super::duration::positive;
use super::exit::Exit;
use super::terminal::in_ascii;
use super::told::{Untold, told};
use super::{complain, print};
use crate::config::Config;
use crate::document::Faults;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The first line says which version runs, since when, and under which configuration. Then each listener with what it has \
under way of what it may have, each key with what it has sealed of what it may and whether it may go, each source of \
keys, each route that lets plain clients pass, and who repeats IVs. Counts are those of one process: ask each sidecar.

Exit status: 0 if the page was printed, 64 for a wrong command line, 78 for a wrong configuration, 1 otherwise.

Examples:
  alewife status
  alewife status --config config.toml
  alewife status --json | jq '.listeners[] | {name, connections}'")]
pub(super) struct Args {
    /// The admin listener of a sidecar on this machine; to others it does not tell
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9180",
        value_parser = target,
        conflicts_with = "config"
    )]
    admin: Target,
    /// Asks where this configuration has the admin listener
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Prints what the sidecar tells as it is, with full fingerprints
    #[arg(long)]
    json: bool,
    /// The longest wait, with its unit: 500ms, 3s, 1m
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = positive)]
    timeout: Duration,
}

pub(super) fn run(args: Args) -> ExitCode {
    match text(args) {
        Ok(text) => print(&text).into(),
        Err(fault) => {
            complain(&fault.to_string());
            fault.exit().into()
        }
    }
}

/// Why there is nothing to print.
#[derive(Debug, thiserror::Error)]
enum Unshown {
    #[error("{0}\n    --admin ADDRESS asks without the configuration")]
    Config(#[from] Faults),
    #[error(
        "alewife status: {file} has no admin listener at an address that it names ({what})\n    \
         remedy: --admin takes the address that `alewife run` printed"
    )]
    Nowhere { file: String, what: &'static str },
    #[error("alewife status: {url}: {fault}\n    remedy: {}", remedy(fault))]
    Untold { url: String, fault: Untold },
}

impl Unshown {
    fn exit(&self) -> Exit {
        match self {
            Self::Config(_) => Exit::WrongConfiguration,
            Self::Nowhere { .. } | Self::Untold { .. } => Exit::Failure,
        }
    }
}

fn remedy(fault: &Untold) -> &'static str {
    match fault {
        Untold::Status { status: StatusCode::FORBIDDEN, .. } => {
            "ask on the sidecar's own machine, at 127.0.0.1"
        }
        Untold::Status { status: StatusCode::NOT_FOUND, .. } => {
            "ask `[admin] listen`; the address of `[admin] probes` has no /status"
        }
        Untold::NoReport | Untold::Status { .. } | Untold::Unanswered(Unanswered::NotHttp) => {
            "ask the address that `alewife run` prints behind \"admin\"; somebody else answers at this one"
        }
        Untold::Unanswered(Unanswered::TimedOut(_)) => "--timeout waits longer",
        Untold::Unanswered(_) => {
            "see that the sidecar runs on this machine; --admin or --config says where its admin listener is"
        }
    }
}

fn text(args: Args) -> Result<String, Unshown> {
    let admin = match &args.config {
        None => args.admin,
        Some(path) => configured(path)?,
    };
    let url = admin.uri.to_string();
    let untold = |fault| Unshown::Untold { url: url.clone(), fault };
    let (text, report) = told(admin, "alewife-status", args.timeout).map_err(untold)?;
    if args.json {
        return Ok(in_ascii(&text));
    }
    page::of(&report).map_err(|_| untold(Untold::NoReport))
}

/// Where the configuration has the admin listener.
fn configured(path: &Path) -> Result<Target, Unshown> {
    let nowhere = |what| Unshown::Nowhere { file: path.display().to_string(), what };
    let listen = Config::load(path)?.admin.listen.ok_or_else(|| nowhere("it is \"off\""))?;
    if listen.port() == 0 {
        return Err(nowhere("port 0 is any"));
    }
    target(&reachable(listen).to_string()).map_err(|_| nowhere("no URL can be made of it"))
}

/// The same, where all addresses of the machine are meant, on loopback.
fn reachable(mut listen: SocketAddr) -> SocketAddr {
    let loopback: IpAddr = match listen {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    if listen.ip().is_unspecified() {
        listen.set_ip(loopback);
    }
    listen
}

/// An address, or its URL.
fn target(text: &str) -> Result<Target, NotATarget> {
    if text.contains("://") { text.parse() } else { format!("http://{text}").parse() }
}
