//! Which profile and which keys a request is taken with.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use jiff::Timestamp;

use super::{Args, TestFault};
use crate::config::Config;
use crate::keys::{KeyRing, RingPolicy};
use crate::profile::{PRESETS, Preset, Profile};
use crate::proxy::{Asked, ProxyConfig};
use crate::sources::{file_now, key_file};

/// Everything that a request may be taken with.
pub(super) enum Choice {
    /// The same for every request.
    One(Profile, KeyRing),
    /// The routes of a proxy, whose key sets are here by name.
    Routes(Box<ProxyConfig>, HashMap<Arc<str>, KeyRing>),
}

/// What one request is taken with.
pub(super) struct Chosen<'c> {
    pub(super) profile: &'c Profile,
    pub(super) ring: &'c KeyRing,
}

/// A request that nothing is opened or sealed of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Untouched {
    /// It passes as it is, by the route of this name.
    Bypass(Arc<str>),
    /// No route is for it.
    NoRoute,
}

impl fmt::Display for Untouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bypass(route) => write!(f, "passes as it is, by the route {route}"),
            Self::NoRoute => f.write_str("no route is for it: 404, errorCode 114"),
        }
    }
}

impl Choice {
    /// Reads what the command line names.
    pub(super) fn read(args: &Args, now: Timestamp) -> Result<Self, TestFault> {
        let config = args.config.as_deref().map(Config::load).transpose()?;
        let profile = args.profile.as_deref().map(|name| named(name, config.as_ref())).transpose()?;
        let ring = args.keys.as_deref().map(|file| key_file::load(file, RingPolicy::default(), now));
        let ring = ring.transpose()?.map(|parsed| parsed.ring);
        let (profile, ring, config) = match (profile, ring, config) {
            (Some(profile), Some(ring), _) => return filled(Self::One(profile, ring)),
            (profile, ring, Some(config)) => (profile, ring, config),
            (None, Some(ring), None) => return filled(Self::One(Profile::ale(), ring)),
            (_, None, None) => return Err(TestFault::Choice("name a key file with --keys".to_owned())),
        };
        let mut proxy = proxy(&config, args.proxy.as_deref())?.clone();
        if let Some(profile) = profile {
            proxy.routes.adjust(|policy| policy.seal_as(&profile));
        }
        let mut rings = HashMap::new();
        match ring {
            Some(ring) => {
                let name: Arc<str> = Arc::from("--keys");
                proxy.routes.adjust(|policy| policy.seal_with(&name));
                rings.insert(name, ring);
            }
            None => {
                for name in proxy.routes.key_sets() {
                    let set =
                        config.key_set(name).ok_or_else(|| TestFault::Choice(format!("no keys {name}")))?;
                    rings.insert(Arc::clone(name), file_now(set)?.ring);
                }
            }
        }
        filled(Self::Routes(Box::new(proxy), rings))
    }

    /// What a request with this head is taken with.
    pub(super) fn of(&self, head: &Parts) -> Result<Chosen<'_>, Untouched> {
        let (proxy, rings) = match self {
            Self::One(profile, ring) => return Ok(Chosen { profile, ring }),
            Self::Routes(proxy, rings) => (proxy, rings),
        };
        let host = head.uri.authority().map(|authority| authority.as_str());
        let written = head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        let asked = Asked { method: &head.method, host: host.or(written), path: head.uri.path() };
        let taken = proxy.routes.judge(&asked).find(|(_, judged)| judged.is_ok());
        let (route, _) = taken.ok_or(Untouched::NoRoute)?;
        match route.policy.sealing() {
            Some((keys, profile)) => match rings.get(keys) {
                Some(ring) => Ok(Chosen { profile, ring }),
                None => Err(Untouched::NoRoute),
            },
            None => Err(Untouched::Bypass(route.name.clone().unwrap_or_else(|| "all".into()))),
        }
    }
}

/// Keys that come from a portal are not there.
fn filled(choice: Choice) -> Result<Choice, TestFault> {
    let is_empty = match &choice {
        Choice::One(_, ring) => ring.is_empty(),
        Choice::Routes(_, rings) => rings.values().any(KeyRing::is_empty),
    };
    if is_empty {
        let problem = "the keys come from a portal, which is not asked; name a key file with --keys";
        return Err(TestFault::Choice(problem.to_owned()));
    }
    Ok(choice)
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
