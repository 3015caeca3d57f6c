//! Finds the profile of a captured message, by trying what vendors do.
//!
//! Everything is tried on the bytes alone, within a time that the caller keeps. What opens is then described as a profile,
//! and the capture is opened with that as a sidecar would: what is named works. Only a verified tag of 12 bytes or more is
//! called a proof.

mod capture;
mod confirm;
mod finding;
mod group;
mod hints;
mod keys;
mod lenient;
mod plausible;
mod search;
mod site;
mod sources;
mod tell;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;

pub use capture::{Capture, CaptureFault, CaptureKind};
pub use finding::{Finding, Proof};
pub use plausible::Looks;

use crate::crypto::Prf;
use group::Group;
use keys::{Keyed, Salt, SaltFrom};
use search::Search;
use sources::{IvSource, Sources};

/// What an operator has of one message.
pub struct Case<'c> {
    /// The message.
    pub capture: &'c Capture,
    /// The key as it was given, in whatever form.
    pub key: &'c [u8],
    /// The IV that both sides know, as it was given.
    pub iv: Option<&'c str>,
    /// The salt of a derivation: plain text, or with `hex:`, `base64:` or `utf8:` before it.
    pub salt: Option<&'c str>,
    /// Additional data that is the same in each message.
    pub aad: Option<&'c str>,
}

/// What came of it.
#[derive(Default)]
pub struct Diagnosis {
    /// Profiles that open the capture, the surest first.
    pub findings: Vec<Finding>,
    /// Near misses and oddities, one sentence each.
    pub hints: Vec<String>,
    /// Whether the time was over before everything had been tried.
    pub is_cut_short: bool,
}

/// Bits that must be left of a plausible plaintext: one in so many wrong ones looks as good.
const ENOUGH_BITS: f64 = 10.0;

/// Bits after which nothing better is looked for.
const PLENTY_OF_BITS: f64 = 30.0;

/// Results that are told.
const MOST_FINDINGS: usize = 5;

/// Tries everything. `left` says how much time is left, and is asked between trials; `now` is any time.
pub fn examine(case: &Case<'_>, left: &dyn Fn() -> Duration, now: Timestamp) -> Diagnosis {
    let search = Search { left, trials: Cell::new(0) };
    let sources = Sources::strict(case);
    let mut diagnosis = Diagnosis::default();
    let direct = keys::direct(case.key);
    let is_settled = attempt(case, &search, &sources, &direct, now, &mut diagnosis);
    let mut near = Vec::new();
    if !is_settled {
        // Before the derivations, which take all the time that they get; and not all of it, so that they get some.
        let reserved = left() * 3 / 5;
        let left = || left().saturating_sub(reserved);
        let search = Search { left: &left, trials: Cell::new(search.trials.get()) };
        near.extend(diagnosis.hints.iter().cloned());
        hints::near_misses(case, &search, &sources, &direct, &mut near);
        near.drain(..diagnosis.hints.len());
        derive(case, &search, &sources, now, &mut diagnosis);
    }
    let is_proven = diagnosis.findings.iter().any(Finding::is_proven);
    if is_proven {
        diagnosis.findings.retain(Finding::is_proven);
    }
    diagnosis.findings.sort_by(Finding::by_rank);
    diagnosis.findings.truncate(MOST_FINDINGS);
    if diagnosis.findings.is_empty() {
        diagnosis.hints.append(&mut near);
    }
    diagnosis.hints.extend(case.capture.oddities.iter().cloned());
    diagnosis.is_cut_short = search.is_over();
    diagnosis
}

/// Tries these keys; whether that settles it.
fn attempt(
    case: &Case<'_>,
    search: &Search<'_>,
    sources: &Sources,
    keys: &[Keyed],
    now: Timestamp,
    diagnosis: &mut Diagnosis,
) -> bool {
    let verified = search.verified(sources, keys, sources.likely_aads);
    let mut is_settled = false;
    for group in Group::all(sources, verified) {
        is_settled |= add(case, sources, keys, &group, (search, now), diagnosis);
    }
    if is_settled {
        return true;
    }
    let mut doubtful = Vec::new();
    for group in Group::all(sources, search.plausible(sources, keys)) {
        let bits = group.net_bits(search.trials.get());
        if bits < ENOUGH_BITS {
            continue;
        }
        if group.first().tag == search::TagShape::None && group.first().mode != crate::crypto::Mode::Gcm {
            is_settled |= add(case, sources, keys, &group, (search, now), diagnosis) && bits > PLENTY_OF_BITS;
        } else {
            doubtful.push(group);
        }
    }
    if doubtful.is_empty() {
        return is_settled;
    }
    // The cipher is right: what is authenticated besides may stand anywhere.
    let all = search.verified(sources, keys, usize::MAX);
    let is_verified = !all.is_empty();
    for group in Group::all(sources, all) {
        is_settled |= add(case, sources, keys, &group, (search, now), diagnosis);
    }
    if !is_verified {
        for group in doubtful {
            // A message that was cut has lost its tag; that is no reason to do without.
            let is_bare = group.first().tag == search::TagShape::None && !case.capture.is_cut;
            is_settled |= is_bare && add(case, sources, keys, &group, (search, now), diagnosis);
            diagnosis.hints.push(hints::unverified(sources, &keys[group.first().key], &group));
        }
    }
    is_settled
}

/// Confirms a group, and notes it; whether it opened.
fn add(
    case: &Case<'_>,
    sources: &Sources,
    keys: &[Keyed],
    group: &Group,
    (search, now): (&Search<'_>, Timestamp),
    diagnosis: &mut Diagnosis,
) -> bool {
    let keyed = &keys[group.first().key];
    let is_per_message =
        matches!(&keyed.form, keys::KeyForm::Pbkdf2 { salt, .. } if salt.from == SaltFrom::Iv);
    let confirmed = if is_per_message {
        Err("no key file can say so: each message has a key of its own, derived with its iv as salt"
            .to_owned())
    } else {
        confirm::confirm(case, sources, keyed, group, now)
    };
    match confirmed {
        Ok(confirmed) => {
            let bits = group.net_bits(search.trials.get());
            diagnosis.findings.push(Finding::of(sources, keyed, group, confirmed, bits));
            true
        }
        Err(against) => {
            diagnosis.hints.push(hints::opens_but(sources, keyed, group, &against));
            false
        }
    }
}

/// Tries the text as a passphrase, the cheap derivations first, as far as the time goes.
fn derive(
    case: &Case<'_>,
    search: &Search<'_>,
    sources: &Sources,
    now: Timestamp,
    diagnosis: &mut Diagnosis,
) {
    let (cut, text) = keys::cuts(case.key)[0];
    let salts = salts(case, sources);
    // Measured as it goes, so that the last derivation does not run past the end.
    let mut per_iteration = Duration::from_nanos(1_000);
    for iterations in keys::ITERATIONS {
        for salt in &salts {
            for prf in [Prf::Sha256, Prf::Sha1, Prf::Sha512] {
                let before = (search.left)();
                if before < per_iteration.saturating_mul(iterations).saturating_mul(2) {
                    return;
                }
                let keys = keys::derived(text, cut, prf, iterations, salt);
                let taken = before.saturating_sub((search.left)());
                per_iteration = per_iteration.max(taken / iterations);
                if attempt(case, search, sources, &keys, now, diagnosis) {
                    return;
                }
            }
        }
    }
}

/// The salts that are tried; one that the operator gives is the only one.
fn salts(case: &Case<'_>, sources: &Sources) -> Vec<Salt> {
    if let Some(text) = case.salt {
        return vec![Salt::read(text)];
    }
    let habit = |text: &[u8]| Salt { bytes: text.to_vec(), from: SaltFrom::Habit };
    let mut salts = vec![habit(b""), habit(b"salt")];
    let named = sources.sites.iter().find(|site| site.is_called_key());
    salts.extend(named.map(|site| Salt { bytes: site.text.to_vec(), from: SaltFrom::Fingerprint }));
    let iv = sources.ivs.iter().find_map(|source| match source {
        IvSource::At { part, iv } if sources.sites[part.site].is_called_iv() => Some(iv),
        _ => None,
    });
    salts.extend(iv.map(|iv| Salt { bytes: iv.as_bytes().to_vec(), from: SaltFrom::Iv }));
    salts
}
