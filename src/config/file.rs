//! The configuration file, section by section.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::profile::Profiles;
use super::proxy::{Listener, Shared};
use super::values::{AdminListen, ByteSize, LineRate, Workers};
use super::{Config, ConfigDigest, Environment, Examined, inspector, keys, memory, proxy};
use crate::admin::AdminConfig;
use crate::document::{Disclosure, Document, Field, Refusal, Section};
use crate::telemetry::{Level, LogConfig, LogFormat};

/// Reads a configuration's text, whatever the environment has. `name` is the file's in faults; relative paths start at
/// `directory`.
#[cfg(test)]
pub(super) fn parse(text: &str, name: &str, directory: &Path) -> Examined {
    parse_under(text, &Environment::default(), name, directory)
}

/// The same with what the environment has in the place of what is written, or besides.
pub(super) fn parse_under(text: &str, environment: &Environment, name: &str, directory: &Path) -> Examined {
    let parsed = Document::parse_under(name, text, environment.assignments(), Disclosure::Quotable);
    let (mut document, mut root) = match parsed {
        Ok(parsed) => parsed,
        Err(faults) => return Examined::faulty(faults),
    };
    environment.faults().iter().for_each(|fault| document.note(fault.clone()));
    let keys = document.table(&mut root, "keys");
    let keysets = document.table(&mut root, "keyset");
    let admin = document.table(&mut root, "admin");
    let inspector = document.table(&mut root, "inspector");
    let log = document.table(&mut root, "log");
    let profiles = document.table(&mut root, "profile");
    let proxies = document.tables(&mut root, "proxy");

    let process = read_process(&mut document, root);
    let mut sets = keys::read_all(&mut document, keys, keysets, directory);
    let admin = read_admin(&mut document, admin);
    let inspector = inspector::read(&mut document, inspector, directory);
    let log = read_log(&mut document, log);
    let mut others = admin.all();
    others.extend(inspector.as_ref().map(|inspector| (inspector.listener.clone(), "the inspector")));
    let profiles = Profiles::read(&mut document, profiles, directory);
    let proxies = proxy::read_all(
        &mut document,
        proxies,
        Shared { sets: &sets, profiles: &profiles, directory },
        &others,
    );
    let mut warnings = std::mem::take(&mut sets.warnings);
    warnings.extend(proxies.warnings);
    warnings.extend(inspector.as_ref().map(|inspector| inspector.warning.clone()));

    let all_sets = (sets.configs.len() == sets.names.len()).then(|| sets.configs.clone());
    let config = all_sets.zip(proxies.configs).map(|(key_sets, configs)| Config {
        workers: process.workers,
        shutdown_delay: process.shutdown_delay,
        shutdown_grace: process.shutdown_grace,
        max_held: process.max_held,
        key_sets,
        admin: AdminConfig {
            listen: admin.listen.map(|(address, _)| address),
            probes: admin.probes.map(|(address, _)| address),
        },
        #[cfg(feature = "inspector")]
        inspector: inspector.map(|inspector| inspector.config),
        log,
        proxies: configs,
        profiles: profiles.sound(),
        digest: ConfigDigest::of(text.as_bytes()),
        warnings,
    });
    let settings = document.settings().to_vec();
    Examined { config: document.conclude(config), key_sets: sets.configs, settings }
}

/// The top of the file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawProcess {
    workers: Field<Workers>,
    shutdown_delay: Field<Duration>,
    shutdown_grace: Field<Duration>,
    max_held: Field<ByteSize>,
}

struct Process {
    workers: NonZeroUsize,
    shutdown_delay: Duration,
    shutdown_grace: Duration,
    max_held: u64,
}

fn read_process<'t>(document: &mut Document<'t>, section: Section<'t>) -> Process {
    let (raw, at) = document.read::<RawProcess>(section);
    let workers = document.optional(&at, "workers", raw.workers).map(|Workers(workers)| workers);
    let max_held = document.optional(&at, "max_held", raw.max_held).map(|ByteSize(bytes)| bytes);
    Process {
        workers: workers.unwrap_or_else(default_workers),
        shutdown_delay: document.or(&at, "shutdown_delay", raw.shutdown_delay, Duration::ZERO),
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
    probes: Field<AdminListen>,
}

/// The admin listeners, and where they are written.
#[derive(Clone, Copy)]
struct Admin {
    listen: Option<Written>,
    probes: Option<Written>,
}

/// An address, and the line that says so.
type Written = (SocketAddr, Option<usize>);

impl Admin {
    /// All of them, and what they are called.
    fn all(&self) -> Vec<(Listener, &'static str)> {
        let named = [(self.listen, "the admin listener"), (self.probes, "the admin listener for probes")];
        let listener = |(address, line): Written| Listener { address: address.into(), line };
        named.into_iter().filter_map(|(written, name)| Some((listener(written?), name))).collect()
    }
}

fn read_admin<'t>(document: &mut Document<'t>, section: Section<'t>) -> Admin {
    let (raw, at) = document.read::<RawAdmin>(section);
    let mut read = |key, field: Field<AdminListen>, usual| {
        let line = field.start().map(|at| document.place(at).line);
        let AdminListen(address) = document.or(&at, key, field, AdminListen(usual));
        address.map(|address| (address, line))
    };
    let listen = read("listen", raw.listen, AdminConfig::default().listen);
    let probes_at = raw.probes.start();
    let probes = read("probes", raw.probes, AdminConfig::default().probes);
    if let (Some((listen, _)), Some((probes, _))) = (listen, probes)
        && proxy::collide(&listen.into(), &probes.into())
    {
        let problem = format!("{probes} is where admin.listen stands already");
        let remedy = "give it another address, or \"off\": probes and metrics are on admin.listen as well";
        document.refuse(&at, "probes", probes_at, Refusal::new(problem, remedy));
    }
    Admin { listen, probes }
}

/// `[log]` as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLog {
    level: Field<Level>,
    format: Field<LogFormat>,
    access: Field<bool>,
    access_limit: Field<LineRate>,
}

fn read_log<'t>(document: &mut Document<'t>, section: Section<'t>) -> LogConfig {
    let (raw, at) = document.read::<RawLog>(section);
    let default = LogConfig::default();
    LogConfig {
        level: document.or(&at, "level", raw.level, default.level),
        format: document.or(&at, "format", raw.format, default.format),
        access: document.or(&at, "access", raw.access, default.access),
        access_limit: document.or(&at, "access_limit", raw.access_limit, LineRate(default.access_limit)).0,
    }
}
