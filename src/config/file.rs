//! The configuration file, section by section.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::proxy::Listener;
use super::values::{AdminListen, ByteSize, Deadline, Workers};
use super::{Config, Examined, memory, proxy};
use crate::document::{Disclosure, Document, Field, Section};
use crate::sources::KeysConfig;
use crate::telemetry::{Level, LogConfig, LogFormat};

const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);

/// Reads a configuration's text. `name` is the file's in faults; relative paths start at `directory`.
pub(super) fn parse(text: &str, name: &str, directory: &Path) -> Examined {
    let (mut document, mut root) = match Document::parse(name, text, Disclosure::Quotable) {
        Ok(parsed) => parsed,
        Err(faults) => return Examined { config: Err(faults), keys: None },
    };
    let keys = document.table(&mut root, "keys");
    let admin = document.table(&mut root, "admin");
    let log = document.table(&mut root, "log");
    let proxies = document.tables(&mut root, "proxy");

    let process = read_process(&mut document, root);
    let keys = read_keys(&mut document, keys, directory);
    let admin = read_admin(&mut document, admin);
    let log = read_log(&mut document, log);
    let proxies = proxy::read_all(&mut document, proxies, admin, directory);

    let config = keys.clone().zip(proxies.configs).map(|(keys, configs)| Config {
        workers: process.workers,
        shutdown_grace: process.shutdown_grace,
        max_held: process.max_held,
        keys,
        admin: admin.map(|listener| listener.address),
        log,
        proxies: configs,
        warnings: proxies.warnings,
    });
    Examined { config: document.conclude(config), keys }
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

/// `[keys]` as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawKeys {
    file: Field<PathBuf>,
    clock_skew: Field<Duration>,
    require_authenticated: Field<bool>,
    seal_delay: Field<Duration>,
    refetch_cooldown: Field<Deadline>,
    poll_interval: Field<Deadline>,
    observation: Field<Deadline>,
}

fn read_keys<'t>(document: &mut Document<'t>, section: Section<'t>, directory: &Path) -> Option<KeysConfig> {
    let (raw, at) = document.read::<RawKeys>(section);
    let file = document.require(
        &at,
        "file",
        raw.file,
        "write a section [keys] with file = \"keys.toml\"; `alewife keygen > keys.toml` makes one",
    );
    let clock_skew = document.or(&at, "clock_skew", raw.clock_skew, Duration::from_secs(30));
    let require_authenticated = document.or(&at, "require_authenticated", raw.require_authenticated, false);
    let seal_delay = document.or(&at, "seal_delay", raw.seal_delay, Duration::from_secs(60));
    let cooldown = Deadline(Duration::from_secs(10));
    let Deadline(refetch_cooldown) = document.or(&at, "refetch_cooldown", raw.refetch_cooldown, cooldown);
    let poll_interval = Deadline(Duration::from_secs(30));
    let Deadline(poll_interval) = document.or(&at, "poll_interval", raw.poll_interval, poll_interval);
    let observation = Deadline(Duration::from_secs(24 * 60 * 60));
    let Deadline(observation) = document.or(&at, "observation", raw.observation, observation);
    Some(KeysConfig {
        file: directory.join(file?),
        clock_skew,
        require_authenticated,
        seal_delay,
        refetch_cooldown,
        poll_interval,
        observation,
    })
}

/// `[admin]` as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawAdmin {
    listen: Field<AdminListen>,
}

fn read_admin<'t>(document: &mut Document<'t>, section: Section<'t>) -> Option<Listener> {
    let (raw, at) = document.read::<RawAdmin>(section);
    let line = raw.listen.start().map(|at| document.place(at).line);
    let AdminListen(address) = document.or(&at, "listen", raw.listen, AdminListen(Some(ADMIN)));
    address.map(|address| Listener { address, line })
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
