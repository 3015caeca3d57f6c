//! Which profile and which keys a request is taken with.

use std::sync::Arc;

use http::request::Parts;
use jiff::Timestamp;

use super::{Args, TestFault};
use crate::config::Config;
use crate::keys::{KeyRing, RingPolicy};
use crate::profile::{PRESETS, Preset, Profile};
use crate::proxy::ProxyConfig;
use crate::sources::{file_now, key_file};

/// Everything that a request may be taken with.
pub(super) struct Choice {
    profile: Profile,
    ring: KeyRing,
}

/// What one request is taken with.
pub(super) struct Chosen<'c> {
    pub(super) profile: &'c Profile,
    pub(super) ring: &'c KeyRing,
}

impl Choice {
    /// Reads what the command line names.
    pub(super) fn read(args: &Args, now: Timestamp) -> Result<Self, TestFault> {
        let config = args.config.as_deref().map(Config::load).transpose()?;
        let needs_proxy = args.profile.is_none() || args.keys.is_none();
        let proxy = match &config {
            Some(config) if needs_proxy => Some(proxy(config, args.proxy.as_deref())?),
            _ => None,
        };
        let profile = match (&args.profile, proxy) {
            (Some(name), _) => named(name, config.as_ref())?,
            (None, Some(proxy)) => Profile::Stream(Arc::clone(&proxy.profile)),
            (None, None) => Profile::ale(),
        };
        let of_proxy = config.as_ref().zip(proxy).and_then(|(config, proxy)| config.keys_of(proxy));
        let ring = match (&args.keys, of_proxy) {
            (Some(file), _) => key_file::load(file, RingPolicy::default(), now)?.ring,
            (None, Some(keys)) => file_now(keys)?.ring,
            (None, None) => return Err(TestFault::Choice("name a key file with --keys".to_owned())),
        };
        if ring.is_empty() {
            let problem = "the keys come from a portal, which is not asked; name a key file with --keys";
            return Err(TestFault::Choice(problem.to_owned()));
        }
        Ok(Self { profile, ring })
    }

    /// What a request with this head is taken with.
    pub(super) fn of(&self, _head: &Parts) -> Chosen<'_> {
        Chosen { profile: &self.profile, ring: &self.ring }
    }
}

/// The proxy of that name, or the only one.
fn proxy<'c>(config: &'c Config, name: Option<&str>) -> Result<&'c ProxyConfig, TestFault> {
    let known = || config.proxies.iter().map(|proxy| &*proxy.name).collect::<Vec<_>>().join(", ");
    match (name, &config.proxies[..]) {
        (None, [only]) => Ok(only),
        (None, _) => Err(TestFault::Choice(format!("name one of the proxies with --proxy: {}", known()))),
        (Some(name), proxies) => proxies
            .iter()
            .find(|proxy| &*proxy.name == name)
            .ok_or_else(|| TestFault::Choice(format!("there is no proxy {name:?}; there are {}", known()))),
    }
}

/// The configuration's own profile of that name, or the preset.
fn named(name: &str, config: Option<&Config>) -> Result<Profile, TestFault> {
    let own = config.map(|config| &config.profiles[..]).unwrap_or_default();
    if let Some(own) = own.iter().find(|own| own.name == name) {
        return Ok(own.profile.clone());
    }
    let Some(preset) = Preset::named(name) else {
        let known = own.iter().map(|own| own.name.as_str()).chain(PRESETS.iter().map(|preset| preset.name));
        let known: Vec<_> = known.collect();
        return Err(TestFault::Choice(format!(
            "there is no profile {name:?}; there are {}",
            known.join(", ")
        )));
    };
    preset.draft().build(name).map_err(|faults| {
        let faults: Vec<_> = faults.into_iter().map(|fault| format!("{}: {}", fault.key, fault.problem)).collect();
        TestFault::Choice(format!(
            "the preset {name} lacks what only you know: {}; write [profile.NAME] with preset = \"{name}\" into a \
             configuration, and name both",
            faults.join("; ")
        ))
    })
}
