//! Whether the keys of a set can be used by the profiles that are to use them.

use crate::document::Fault;
use crate::keys::KeyRing;
use crate::profile::{KeyNaming, Profile};
use crate::proxy::ProxyConfig;

/// Profiles of `proxy` that no key of `ring`, which is the set of that name from `place`, can be used by. Nothing is said of
/// a ring without keys, which may be yet to come.
pub fn unfit_keys(proxy: &ProxyConfig, set: &str, ring: &KeyRing, place: &str) -> Vec<Fault> {
    if ring.is_empty() {
        return Vec::new();
    }
    let using = proxy.routes.iter().filter(|route| route.keys().is_some_and(|keys| **keys == *set));
    let mut faults: Vec<Fault> = Vec::new();
    for profile in using.filter_map(|route| route.profile()) {
        for (key, problem) in [of_algorithm(profile, ring), of_name(profile, ring)].into_iter().flatten() {
            let fault = Fault {
                file: place.into(),
                place: None,
                key_path: format!("profile.{}.{key}", profile.name()),
                problem: format!("{problem}; proxy {} seals and opens with them", proxy.name),
                remedy: format!("put such a key into the set, or name another in profile.{}", profile.name()),
            };
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
    }
    faults
}

fn of_algorithm(profile: &Profile, ring: &KeyRing) -> Option<(&'static str, String)> {
    let named = profile.algorithm()?;
    let fits = ring.keys().any(|key| key.secret.algorithm() == named);
    (!fits).then(|| ("algorithm", format!("none of these keys is one of {named}")))
}

fn of_name(profile: &Profile, ring: &KeyRing) -> Option<(&'static str, String)> {
    let Profile::Whole(whole) = profile else { return None };
    let KeyNaming::Fixed(fingerprint) = &whole.key else { return None };
    let name = fingerprint.as_str();
    match ring.key(name) {
        None => Some(("fingerprint", format!("none of these keys is called {name:?}"))),
        Some(key) if whole.algorithm.is_some_and(|named| named != key.secret.algorithm()) => {
            Some(("fingerprint", format!("the key {name:?} is one of {}", key.secret.algorithm())))
        }
        Some(_) => None,
    }
}
