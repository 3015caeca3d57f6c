//! All keys that hold together, checked when the ring is made.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Fingerprint, Key, KeyUsage, Validity};
use crate::crypto::{Algorithm, SecretKey};

/// The keys of one source at one time. Holding a ring means that it is right.
pub struct KeyRing {
    keys: HashMap<Fingerprint, Arc<Key>>,
    /// By `valid_after`, latest first, a later entry of the file before an earlier one.
    by_age: Vec<Arc<Key>>,
    primary: Option<Arc<Key>>,
    clock_skew: Duration,
    seal_delay: Duration,
}

impl KeyRing {
    /// A ring of `keys`, of which a later one counts as younger on a tie. `primary` names the one that seals.
    pub fn new(
        keys: Vec<Key>,
        primary: Option<&Fingerprint>,
        policy: RingPolicy,
        now: Timestamp,
    ) -> Result<Self, Vec<RingFault>> {
        let candidates: Vec<_> = keys.iter().map(Candidate::from).collect();
        let faults = examine(&candidates, primary, policy, now).faults;
        if faults.is_empty() { Ok(Self::of_examined(keys, primary, policy)) } else { Err(faults) }
    }

    /// A ring of keys in which [`examine`] found no fault.
    pub(super) fn of_examined(keys: Vec<Key>, primary: Option<&Fingerprint>, policy: RingPolicy) -> Self {
        let mut by_age: Vec<_> = keys.into_iter().rev().map(Arc::new).collect();
        // Stable, so that a later entry stays before an earlier one; `None` is less than any time.
        by_age.sort_by_key(|key| Reverse(key.validity.after));
        let keys: HashMap<_, _> = by_age.iter().map(|key| (key.fingerprint.clone(), key.clone())).collect();
        let primary = primary.and_then(|named| keys.get(named)).cloned();
        Self { keys, by_age, primary, clock_skew: policy.clock_skew, seal_delay: policy.seal_delay }
    }

    /// The key that a message names, if it may open at `now` (clock skew is granted at both ends).
    pub fn opening_key(&self, fingerprint: &str, now: Timestamp) -> Result<&Arc<Key>, KeyUnavailable> {
        let key = self.keys.get(fingerprint).ok_or(KeyUnavailable::Unknown)?;
        if key.validity.is_future(now, self.clock_skew) {
            Err(KeyUnavailable::NotYetValid)
        } else if key.validity.is_past(now, self.clock_skew) {
            Err(KeyUnavailable::Expired)
        } else {
            Ok(key)
        }
    }

    /// The key of that name, whether it may be used now or not.
    pub fn key(&self, fingerprint: &str) -> Option<&Arc<Key>> {
        self.keys.get(fingerprint)
    }

    /// The key that seals new messages at `now`: the primary if one is named, else the key inside its window with the
    /// latest `valid_after` of those that began `seal_delay` ago or earlier, so that the other side has it by now. If
    /// none began so early, the latest does not wait.
    pub fn sealing_key(&self, now: Timestamp) -> Option<&Arc<Key>> {
        let holds = |key: &&Arc<Key>| key.validity.contains(now, Duration::ZERO);
        if let Some(primary) = &self.primary {
            return Some(primary).filter(holds);
        }
        let known = now.checked_sub(self.seal_delay).unwrap_or(Timestamp::MIN);
        let is_known = |key: &&Arc<Key>| !key.validity.is_future(known, Duration::ZERO);
        let mut candidates = self.by_age.iter().filter(holds);
        let latest = candidates.next()?;
        if is_known(&latest) { Some(latest) } else { candidates.find(is_known).or(Some(latest)) }
    }

    /// All keys, by `valid_after`, latest first.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.by_age.iter()
    }

    /// Whether one key is named to seal, whatever began later.
    pub(super) fn has_primary(&self) -> bool {
        self.primary.is_some()
    }

    /// From when `key` may seal while others are valid; absent if from ever.
    pub(super) fn seals_after(&self, key: &Key) -> Option<Timestamp> {
        key.validity.after.map(|after| after.checked_add(self.seal_delay).unwrap_or(Timestamp::MAX))
    }

    /// Has the uses of each key counted from `now` on, or as `before` has counted them of the same key.
    pub(super) fn watch(&self, before: Option<&Self>, now: Timestamp) {
        for key in &self.by_age {
            let known = before.and_then(|ring| ring.key(key.fingerprint.as_str()));
            let known = known.filter(|known| known.is_same(key)).and_then(|known| known.usage());
            key.watch(|| known.map_or_else(|| Arc::new(KeyUsage::new(now)), Arc::clone));
        }
    }

    /// The same ring with `key` as the one that is named to seal.
    pub fn led_by(self, key: &Arc<Key>) -> Self {
        Self { primary: Some(Arc::clone(key)), ..self }
    }

    /// How many keys the ring has.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the ring has no key at all.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// What a ring must satisfy besides being right in itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingPolicy {
    /// Whether keys under CFB and CTR are refused.
    pub require_authenticated: bool,
    /// The grace that opening grants at both ends of a window.
    pub clock_skew: Duration,
    /// How long after its `valid_after` a key begins to seal.
    pub seal_delay: Duration,
}

impl Default for RingPolicy {
    fn default() -> Self {
        Self {
            require_authenticated: false,
            clock_skew: Duration::from_secs(30),
            seal_delay: Duration::from_secs(60),
        }
    }
}

/// Why the key that a message names cannot open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyUnavailable {
    /// Its window is over.
    #[error("the key has expired")]
    Expired,
    /// Its window has not begun.
    #[error("the key is not yet valid")]
    NotYetValid,
    /// No key of the ring has this fingerprint.
    #[error("no key has this fingerprint")]
    Unknown,
}

/// Why keys make no ring. Keys are numbered as they were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingFault {
    /// Two keys have one name.
    #[error("two keys have this fingerprint")]
    DuplicateFingerprint {
        /// The earlier key.
        first: usize,
        /// The later key.
        second: usize,
    },
    /// The window ends before it begins, or as it begins.
    #[error("the window ends before it begins")]
    EmptyWindow {
        /// The key.
        key: usize,
    },
    /// There is no key.
    #[error("there is no key at all")]
    NoKeys,
    /// The key that is named to seal may not seal now.
    #[error("the primary key is outside its window")]
    PrimaryOutsideWindow,
    /// The same bytes stand under two algorithms; one mode can give away another's secrets.
    #[error("the same key stands under two algorithms")]
    SecretUnderTwoAlgorithms {
        /// The earlier key.
        first: usize,
        /// The later key.
        second: usize,
    },
    /// Only authenticated keys are allowed, and this one is not.
    #[error("the algorithm does not authenticate, and require_authenticated is set")]
    Unauthenticated {
        /// The key.
        key: usize,
    },
    /// No key has the name that is to seal.
    #[error("no key has the fingerprint that `primary` names")]
    UnknownPrimary,
}

/// What is allowed in a ring but seldom meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingWarning {
    /// No key may seal now.
    #[error("no key is valid for sealing now")]
    NoSealingKey,
    /// Two names stand for one key.
    #[error("the same key stands under two fingerprints")]
    RepeatedSecret {
        /// The earlier key.
        first: usize,
        /// The later key.
        second: usize,
    },
}

/// What [`examine`] found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) faults: Vec<RingFault>,
    pub(super) warnings: Vec<RingWarning>,
}

/// A key as far as it is known: a file with other faults is examined all the same.
pub(super) struct Candidate<'a> {
    pub(super) fingerprint: Option<&'a Fingerprint>,
    pub(super) secret: Option<&'a SecretKey>,
    pub(super) validity: Validity,
}

impl<'a> From<&'a Key> for Candidate<'a> {
    fn from(key: &'a Key) -> Self {
        Self { fingerprint: Some(&key.fingerprint), secret: Some(&key.secret), validity: key.validity }
    }
}

/// Looks for whatever is wrong or odd with these keys together, each check in one pass.
pub(super) fn examine(
    keys: &[Candidate<'_>],
    primary: Option<&Fingerprint>,
    policy: RingPolicy,
    now: Timestamp,
) -> Findings {
    let mut findings = Findings::default();
    if keys.is_empty() {
        findings.faults.push(RingFault::NoKeys);
    }
    for (index, key) in keys.iter().enumerate() {
        examine_alone(index, key, policy, &mut findings);
    }
    examine_names(keys, &mut findings);
    examine_secrets(keys, &mut findings);
    examine_sealing(keys, primary, now, &mut findings);
    findings
}

fn examine_alone(key: usize, candidate: &Candidate<'_>, policy: RingPolicy, findings: &mut Findings) {
    if candidate.validity.is_empty() {
        findings.faults.push(RingFault::EmptyWindow { key });
    }
    let authenticated = candidate.secret.is_none_or(|secret| secret.algorithm().is_authenticated());
    if policy.require_authenticated && !authenticated {
        findings.faults.push(RingFault::Unauthenticated { key });
    }
}

fn examine_names(keys: &[Candidate<'_>], findings: &mut Findings) {
    let mut seen: HashMap<&Fingerprint, usize> = HashMap::with_capacity(keys.len());
    for (second, key) in keys.iter().enumerate() {
        let Some(fingerprint) = key.fingerprint else { continue };
        match seen.entry(fingerprint) {
            Entry::Occupied(first) => {
                findings.faults.push(RingFault::DuplicateFingerprint { first: *first.get(), second });
            }
            Entry::Vacant(place) => {
                place.insert(second);
            }
        }
    }
}

fn examine_secrets(keys: &[Candidate<'_>], findings: &mut Findings) {
    let mut seen: HashMap<&[u8], (usize, Algorithm)> = HashMap::with_capacity(keys.len());
    for (second, key) in keys.iter().enumerate() {
        let Some(secret) = key.secret else { continue };
        match seen.entry(secret.bytes()) {
            Entry::Occupied(earlier) => {
                let (first, algorithm) = *earlier.get();
                if algorithm == secret.algorithm() {
                    findings.warnings.push(RingWarning::RepeatedSecret { first, second });
                } else {
                    findings.faults.push(RingFault::SecretUnderTwoAlgorithms { first, second });
                }
            }
            Entry::Vacant(place) => {
                place.insert((second, secret.algorithm()));
            }
        }
    }
}

fn examine_sealing(
    keys: &[Candidate<'_>],
    primary: Option<&Fingerprint>,
    now: Timestamp,
    findings: &mut Findings,
) {
    let holds = |key: &Candidate<'_>| key.validity.contains(now, Duration::ZERO);
    let Some(primary) = primary else {
        if !keys.is_empty() && !keys.iter().any(holds) {
            findings.warnings.push(RingWarning::NoSealingKey);
        }
        return;
    };
    match keys.iter().find(|key| key.fingerprint == Some(primary)) {
        Some(key) if !holds(key) && !key.validity.is_empty() => {
            findings.faults.push(RingFault::PrimaryOutsideWindow);
        }
        Some(_) => {}
        // A key whose name could not be read may be the one.
        None if keys.iter().any(|key| key.fingerprint.is_none()) => {}
        None => findings.faults.push(RingFault::UnknownPrimary),
    }
}
