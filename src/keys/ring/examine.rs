//! What makes keys a ring: every check of keys together, each in one pass.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use jiff::Timestamp;

use super::RingPolicy;
use crate::crypto::{Algorithm, SecretKey};
use crate::keys::{Fingerprint, Key, Validity};

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
pub(in crate::keys) struct Findings {
    pub(in crate::keys) faults: Vec<RingFault>,
    pub(in crate::keys) warnings: Vec<RingWarning>,
}

/// A key as far as it is known: a file with other faults is examined all the same.
pub(in crate::keys) struct Candidate<'a> {
    pub(in crate::keys) fingerprint: Option<&'a Fingerprint>,
    /// Known wherever the secret is, and for a passphrase that no key is derived from yet.
    pub(in crate::keys) algorithm: Option<Algorithm>,
    pub(in crate::keys) secret: Option<&'a SecretKey>,
    pub(in crate::keys) validity: Validity,
}

impl<'a> From<&'a Key> for Candidate<'a> {
    fn from(key: &'a Key) -> Self {
        let (secret, validity) = (&key.secret, key.validity);
        let algorithm = Some(secret.algorithm());
        Self { fingerprint: Some(&key.fingerprint), algorithm, secret: Some(secret), validity }
    }
}

/// Looks for whatever is wrong or odd with these keys together, each check in one pass.
pub(in crate::keys) fn examine(
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
    let authenticated = candidate.algorithm.is_none_or(Algorithm::is_authenticated);
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
