//! `alewife check`: everything that is wrong with a configuration and its keys, at once. Binds nothing.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;

use super::exit::Exit;
use super::{ConfigArg, complain, print};
use crate::config::{self, Config};
use crate::document::{Fault, Faults};
use crate::keys::ParsedRing;
use crate::proxy::{Mode, ProxyConfig};
use crate::sources::{KeysConfig, key_file};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status: 0 if it is right, 78 if it is not. Nothing is bound.

Example:
  alewife check --config config.toml")]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let now = Timestamp::now();
    let file = &args.config.config;
    // The key file is examined even if the configuration is wrong elsewhere.
    let examined = config::examine(file);
    let keys = examined.keys.map(|keys| (key_file::load(&keys.file, keys.policy(), now), keys));
    let of_config = examined.config.iter().flat_map(|config| &config.warnings);
    let of_keys = keys.iter().flat_map(|(ring, _)| ring).flat_map(|parsed| &parsed.warnings);
    of_config.chain(of_keys).for_each(|warning| complain(&format!("warning: {warning}")));
    if let Some((_, keys)) = &keys {
        note_exposure(keys);
    }
    let exit = match (examined.config, keys) {
        (Ok(config), Some((Ok(parsed), _))) => {
            let unproven = note_unproven(&config, &parsed, now);
            notes(&config).iter().chain(&unproven).for_each(|note| complain(&format!("note: {note}")));
            print(&summary(file, &config, &parsed, now))
        }
        (config, keys) => {
            let keys = keys.and_then(|(ring, _)| ring.err());
            refuse([config.err(), keys].into_iter().flatten())
        }
    };
    exit.into()
}

fn refuse(faults: impl Iterator<Item = Faults>) -> Exit {
    let faults: Vec<Fault> = faults.flat_map(|faults| faults.iter().cloned().collect::<Vec<_>>()).collect();
    faults.iter().for_each(|fault| complain(&fault.to_string()));
    let count = faults.len();
    complain(&format!("{count} {}", if count == 1 { "fault" } else { "faults" }));
    Exit::WrongConfiguration
}

/// Secret mounts are readable by all, so this is no fault; on a machine with other users it is worth knowing.
fn note_exposure(keys: &KeysConfig) {
    if key_file::is_world_readable(&keys.file).unwrap_or(false) {
        let file = keys.file.display();
        complain(&format!(
            "note: {file}: every user of this machine may read it; chmod o-r unless that is meant"
        ));
    }
}

/// What works, but perhaps not as it is meant.
fn notes(config: &Config) -> Vec<String> {
    // One peer may hold a quarter of the budget.
    let share = config.max_held / 4;
    config.proxies.iter().flat_map(|proxy| notes_on(proxy, share)).collect()
}

fn notes_on(proxy: &ProxyConfig, share: u64) -> impl Iterator<Item = String> {
    let ProxyConfig { name, max_body, listen, .. } = proxy;
    let max_message = proxy.websocket.max_message;
    let beyond = |key: &str, bytes: u64, end: &str| {
        (bytes > share).then(|| {
            format!(
                "proxy.{name}.{key}: {bytes} bytes are more than the {share} that one peer may have held at a \
                 time (a quarter of max_held); {end}"
            )
        })
    };
    let exposed = matches!(proxy.mode, Mode::Outbound(_)) && !listen.ip().is_loopback();
    let exposed = exposed.then(|| {
        format!("proxy.{name}.listen: whoever reaches {listen} can have requests sealed and sent from here")
    });
    [
        beyond("max_body", *max_body, "larger bodies are answered 503"),
        beyond("websocket.max_message", max_message, "larger messages end their session with 1013"),
        exposed,
    ]
    .into_iter()
    .flatten()
}

/// CFB and CTR are allowed, but whoever takes one for what GCM is errs.
fn note_unproven(config: &Config, parsed: &ParsedRing, now: Timestamp) -> Option<String> {
    let key = parsed.ring.sealing_key(now)?;
    let algorithm = key.secret.algorithm();
    (!algorithm.is_authenticated()).then(|| {
        format!(
            "{}: {} seals now, and {algorithm} proves nothing: neither who sent a message nor that it is \
             unchanged; see keys.require_authenticated",
            config.keys.file.display(),
            key.fingerprint
        )
    })
}

/// What `run` would do with all this.
fn summary(file: &Path, config: &Config, parsed: &ParsedRing, now: Timestamp) -> String {
    let mut text = format!("{}: no faults\n", file.display());
    // Writing to a string does not fail.
    for ProxyConfig { name, mode, listen, upstream, .. } in &config.proxies {
        let _ = writeln!(text, "  proxy {name}: {mode}, {listen} -> {upstream}");
    }
    let admin = config.admin.map_or_else(|| "off".to_owned(), |address| address.to_string());
    let _ = writeln!(text, "  admin: {admin}");
    let sealing = parsed.ring.sealing_key(now).map_or_else(
        || "none that seals now".to_owned(),
        |key| format!("{} ({}) seals", key.fingerprint, key.secret.algorithm()),
    );
    let _ = writeln!(text, "  keys: {} in {}, {sealing}", parsed.ring.len(), config.keys.file.display());
    let _ = writeln!(text, "  workers: {}", config.workers);
    text
}
