//! The configuration file, section by section.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::profile::Profiles;
use super::proxy::{Listener, Shared};
use super::values::{AdminListen, ByteSize, Workers};
use super::{Config, Examined, keys, memory, proxy};
use crate::document::{Disclosure, Document, Field, Section};
use crate::telemetry::{Level, LogConfig, LogFormat};

const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);

/// Reads a configuration's text. `name` is the file's in faults; relative paths start at `directory`.
pub(super) fn parse(text: &str, name: &str, directory: &Path) -> Examined {
    let (mut document, mut root) = match Document::parse(name, text, Disclosure::Quotable) {
        Ok(parsed) => parsed,
        Err(faults) => return Examined { config: Err(faults), key_sets: Vec::new() },
    };
    let keys = document.table(&mut root, "keys");
    let keysets = document.table(&mut root, "keyset");
    let admin = document.table(&mut root, "admin");
    let log = document.table(&mut root, "log");
    let profiles = document.table(&mut root, "profile");
    let proxies = document.tables(&mut root, "proxy");

    let process = read_process(&mut document, root);
    let mut sets = keys::read_all(&mut document, keys, keysets, directory);
    let admin = read_admin(&mut document, admin);
    let log = read_log(&mut document, log);
    let profiles = Profiles::read(&mut document, profiles, directory);
    let proxies = proxy::read_all(
        &mut document,
        proxies,
        Shared { sets: &sets, profiles: &profiles, directory },
        admin.map(|(address, line)| Listener { address: address.into(), line }),
    );
    let mut warnings = std::mem::take(&mut sets.warnings);
    warnings.extend(proxies.warnings);

    let all_sets = (sets.configs.len() == sets.names.len()).then(|| sets.configs.clone());
    let config = all_sets.zip(proxies.configs).map(|(key_sets, configs)| Config {
        workers: process.workers,
        shutdown_grace: process.shutdown_grace,
        max_held: process.max_held,
        key_sets,
        admin: admin.map(|(address, _)| address),
        log,
        proxies: configs,
        profiles: profiles.sound(),
        warnings,
    });
    Examined { config: document.conclude(config), key_sets: sets.configs }
}

/// The top of the file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawProcess {
    workers: Field<Workers>,
    shutdown_grace: Field<Duration>,
    max_held: Field<ByteSize>,
}

struct Process {
    workers: NonZeroUsize,
    shutdown_grace: Duration,
    max_held: u64,
}

fn read_process<'t>(document: &mut Document<'t>, section: Section<'t>) -> Process {
    let (raw, at) = document.read::<RawProcess>(section);
    let workers = document.optional(&at, "workers", raw.workers).map(|Workers(workers)| workers);
    let max_held = document.optional(&at, "max_held", raw.max_held).map(|ByteSize(bytes)| bytes);
    Process {
        workers: workers.unwrap_or_else(default_workers),
        shutdown_grace: document.or(&at, "shutdown_grace", raw.shutdown_grace, Duration::from_secs(30)),
        max_held: max_held.unwrap_or_else(memory::default_max_held),
    }
}

fn default_workers() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// `[admin]` as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawAdmin {
    listen: Field<AdminListen>,
}

/// Where the admin listener stands, and the line that says so.
fn read_admin<'t>(document: &mut Document<'t>, section: Section<'t>) -> Option<(SocketAddr, Option<usize>)> {
    let (raw, at) = document.read::<RawAdmin>(section);
    let line = raw.listen.start().map(|at| document.place(at).line);
    let AdminListen(address) = document.or(&at, "listen", raw.listen, AdminListen(Some(ADMIN)));
    address.map(|address| (address, line))
}

/// `[log]` as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLog {
    level: Field<Level>,
    format: Field<LogFormat>,
    access: Field<bool>,
}

fn read_log<'t>(document: &mut Document<'t>, section: Section<'t>) -> LogConfig {
    let (raw, at) = document.read::<RawLog>(section);
    let default = LogConfig::default();
    LogConfig {
        level: document.or(&at, "level", raw.level, default.level),
        format: document.or(&at, "format", raw.format, default.format),
        access: document.or(&at, "access", raw.access, default.access),
    }
}
