//! `alewife check`: everything that is wrong with a configuration and its keys, at once. Binds nothing.

mod explain;

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use tokio::runtime::{self, Runtime};

use explain::Question;

use super::exit::Exit;
use super::{ConfigArg, complain, print};
use crate::config::{self, Config};
use crate::document::{Fault, Faults};
use crate::keys::ParsedRing;
use crate::proxy::{Mode, ProxyConfig, replay_warning, unfit_keys};
use crate::sources::{KeysConfig, ask_now, file_now, key_file};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status: 0 if it is right, 78 if it is not. Nothing is bound, and no portal is asked unless --fetch says so.

Examples:
  alewife check --config config.toml
  alewife check --config config.toml --explain 'POST https://kitchen.example/orders'")]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Asks the portals for their keys as well, once each
    #[arg(long)]
    fetch: bool,
    /// Says which route of each proxy a request takes, and why; without METHOD it is a GET
    #[arg(long, value_name = "[METHOD ]URL")]
    explain: Vec<Question>,
}

/// A key set, and what its sources make of it.
struct CheckedKeys {
    config: KeysConfig,
    ring: Result<ParsedRing, Faults>,
    /// Whether the portal was asked.
    fetched: bool,
}

impl CheckedKeys {
    fn of(config: KeysConfig, runtime: Option<&Runtime>) -> Self {
        let fetches = runtime.filter(|_| config.portal.is_some());
        let ring = match fetches {
            Some(runtime) => runtime.block_on(ask_now(&config)),
            None => file_now(&config),
        };
        Self { config, ring, fetched: fetches.is_some() }
    }
}

pub(super) fn run(args: &Args) -> ExitCode {
    let now = Timestamp::now();
    let file = &args.config.config;
    let runtime = args.fetch.then(|| runtime::Builder::new_current_thread().enable_all().build()).transpose();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("alewife check: the runtime cannot be started: {error}"));
            return Exit::Failure.into();
        }
    };
    // The keys are examined even if the configuration is wrong elsewhere.
    let examined = config::examine(file);
    let keys: Vec<_> =
        examined.key_sets.into_iter().map(|keys| CheckedKeys::of(keys, runtime.as_ref())).collect();
    let of_config = examined.config.iter().flat_map(|config| &config.warnings);
    let of_keys = keys.iter().flat_map(|keys| &keys.ring).flat_map(|parsed| &parsed.warnings);
    of_config.chain(of_keys).for_each(|warning| complain(&format!("warning: {warning}")));
    keys.iter().filter_map(|keys| cache_warning(&keys.config, now)).for_each(|warning| complain(&warning));
    // Who asks the portal is told by that.
    let unasked = keys.iter().filter(|keys| !keys.fetched);
    unasked.flat_map(|keys| header_warnings(&keys.config)).for_each(|warning| complain(&warning));
    keys.iter().for_each(|keys| note_exposure(&keys.config));
    let faults = keys.iter().filter_map(|keys| keys.ring.as_ref().err());
    let exit = match examined.config {
        Ok(config) if faults.clone().next().is_none() => {
            if let Some(unfit) = unfit(&config, &keys) {
                return refuse(std::iter::once(unfit)).into();
            }
            for warning in outlived(&config, &keys, now) {
                complain(&format!("warning: {warning}"));
            }
            let unproven = keys.iter().filter_map(|keys| note_unproven(keys, now));
            notes(&config).into_iter().chain(unproven).for_each(|note| complain(&format!("note: {note}")));
            let explained = args.explain.iter().map(|question| question.explain(&config));
            print(&(summary(file, &config, &keys, now) + &explained.collect::<String>()))
        }
        config => refuse(config.err().into_iter().chain(faults.cloned())),
    };
    exit.into()
}

/// A cache that could not be used if it were needed now. No fault: the portal may answer all the same.
fn cache_warning(keys: &KeysConfig, now: Timestamp) -> Option<String> {
    let portal = keys.portal.as_ref()?;
    let cache = portal.cache.as_ref()?;
    let url = portal.client.url.reveal();
    let looked = cache.check_key().and_then(|()| cache.load(&url, now, portal.max_stale).map(drop));
    let fault = looked.err()?;
    let (path, remedy) = (cache.path.display(), fault.remedy());
    Some(format!(
        "warning: {path}: the cache of the portal's keys cannot be used: {fault}\n    remedy: {remedy}"
    ))
}

/// Headers of the portal whose value cannot be had now. No fault: a machine that only checks may have none of the secrets.
fn header_warnings(keys: &KeysConfig) -> Vec<String> {
    let Some(portal) = &keys.portal else { return Vec::new() };
    let url = &portal.client.url;
    let faults = portal.client.headers.iter().filter_map(|header| header.check_value().err());
    faults.map(|fault| format!("warning: {url}: {fault}\n    remedy: {}", fault.remedy())).collect()
}

/// Profiles for which there is no key.
fn unfit(config: &Config, keys: &[CheckedKeys]) -> Option<Faults> {
    let mut faults = Vec::new();
    for keys in keys {
        let Ok(parsed) = &keys.ring else { continue };
        let place = keys.config.places();
        let of_proxy = |proxy| unfit_keys(proxy, &keys.config.name, &parsed.ring, &place);
        faults.extend(config.proxies.iter().flat_map(of_proxy));
    }
    Faults::check(faults).err()
}

/// Replay windows that keys outlive.
fn outlived(config: &Config, keys: &[CheckedKeys], now: Timestamp) -> Vec<String> {
    let mut warnings = Vec::new();
    for proxy in &config.proxies {
        let used = proxy.routes.key_sets();
        let used = keys.iter().filter(|keys| used.contains(&&keys.config.name));
        let rings = used.filter_map(|keys| Some(&keys.ring.as_ref().ok()?.ring));
        warnings.extend(rings.filter_map(|ring| replay_warning(proxy, ring, now)));
    }
    warnings
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
    let Some(file) = &keys.file else { return };
    if key_file::is_world_readable(file).unwrap_or(false) {
        let file = file.display();
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
    let few_are_let_in = proxy.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    let exposed = matches!(proxy.mode, Mode::Outbound(_)) && !listen.is_local() && !few_are_let_in;
    let exposed = exposed.then(|| {
        format!("proxy.{name}.listen: whoever reaches {listen} can have requests sealed and sent from here")
    });
    let store = proxy.replay.as_ref().and_then(|replay| replay.store.as_ref()).map(|store| &store.address);
    let open_store = store.filter(|address| address.tls.is_none() && !address.is_loopback());
    let open_store = open_store.map(|address| {
        format!(
            "proxy.{name}.replay_store: nothing proves what {} says over an open network; rediss:// does",
            address.host
        )
    });
    let believed = [
        ("proxy_protocol_from", &proxy.proxy_protocol_from),
        ("trust_forwarded_from", &proxy.trust_forwarded_from),
    ];
    let believed = believed.map(|(key, networks)| {
        networks.contain_all().then(|| {
            format!("proxy.{name}.{key}: whoever connects may say that he comes from anywhere; name the proxies alone")
        })
    });
    [
        beyond("max_body", *max_body, "larger bodies are answered 503"),
        beyond("websocket.max_message", max_message, "larger messages end their session with 1013"),
        exposed,
        open_store,
    ]
    .into_iter()
    .chain(believed)
    .flatten()
}

/// CFB and CTR are allowed, but whoever takes one for what GCM is errs.
fn note_unproven(keys: &CheckedKeys, now: Timestamp) -> Option<String> {
    let ring = &keys.ring.as_ref().ok()?.ring;
    let key = ring.sealing_key(now)?;
    let algorithm = key.secret.algorithm();
    (!algorithm.is_authenticated()).then(|| {
        format!(
            "{}: {} seals now, and {algorithm} proves nothing: neither who sent a message nor that it is \
             unchanged; see keys.require_authenticated",
            keys.config.places(),
            key.fingerprint
        )
    })
}

/// What `run` would do with all this.
fn summary(file: &Path, config: &Config, keys: &[CheckedKeys], now: Timestamp) -> String {
    let mut text = format!("{}: no faults\n", file.display());
    // Writing to a string does not fail.
    for ProxyConfig { name, mode, listen, tls, routes, .. } in &config.proxies {
        let listen = if tls.is_some() { listen.url(true) } else { listen.to_string() };
        let _ = writeln!(text, "  proxy {name}: {mode}, {listen} -> {}", routes.destination());
        for route in routes.iter() {
            match &route.name {
                Some(name) => {
                    let _ = writeln!(text, "    route {name}: {} -> {}", route.policy, route.upstream);
                }
                None if route.migration().is_some() => {
                    let _ = writeln!(text, "    all requests: {}", route.policy);
                }
                None => {}
            }
        }
    }
    let admin = config.admin.listen.map_or_else(|| "off".to_owned(), |address| address.to_string());
    let _ = writeln!(text, "  admin: {admin}");
    if let Some(probes) = config.admin.probes {
        let _ = writeln!(text, "  probes: {probes}");
    }
    for keys in keys {
        let _ = writeln!(text, "  {}", summary_of_keys(keys, now));
    }
    let _ = writeln!(text, "  workers: {}", config.workers);
    text
}

fn summary_of_keys(keys: &CheckedKeys, now: Timestamp) -> String {
    let config = &keys.config;
    let title = match &*config.name {
        KeysConfig::DEFAULT_NAME => "keys".to_owned(),
        name => format!("keyset {name}"),
    };
    let known = keys.ring.as_ref().ok().filter(|parsed| keys.fetched || !parsed.ring.is_empty());
    let Some(ParsedRing { ring, .. }) = known else {
        return format!("{title}: from {}, which was not asked (--fetch asks it)", config.places());
    };
    let sealing = ring.sealing_key(now).map_or_else(
        || "none that seals now".to_owned(),
        |key| format!("{} ({}) seals", key.fingerprint, key.secret.algorithm()),
    );
    let unasked = match &config.portal {
        Some(_) if !keys.fetched => " (the portal was not asked; --fetch asks it)",
        _ => "",
    };
    format!("{title}: {} in {}, {sealing}{unasked}", ring.len(), config.places())
}
