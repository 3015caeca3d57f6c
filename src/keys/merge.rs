//! One ring of the keys of several sources.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::ring::{self, Candidate};
use super::whereabouts::{Origin, Origins, Part};
use super::{Company, Fingerprint, Key, KeyRing, RingFault, RingPolicy, SourceKeys};
use crate::document::{Fault, Faults, Refusal};

/// A ring made from texts, and what looks odd about them.
pub struct ParsedRing {
    /// The ring.
    pub ring: KeyRing,
    /// What is allowed but seldom meant.
    pub warnings: Vec<Fault>,
}

/// Makes one ring of all that `sources` hold, an earlier source's keys counting as older on a tie.
///
/// The same key in two sources is one key. One fingerprint for two keys is a fault. A key file's `primary` may name a key
/// of any source.
pub fn merge(sources: &[&SourceKeys], policy: RingPolicy, now: Timestamp) -> Result<ParsedRing, Faults> {
    if sources.is_empty() {
        return Err(Faults::from(no_source()));
    }
    merge_in(Company::Alone, sources, policy, now)
}

/// The same for as long as another source has not said what it holds: there may be no key yet, and none of the name that
/// is to seal. Nothing seals then.
pub fn merge_some(sources: &[&SourceKeys], policy: RingPolicy, now: Timestamp) -> Result<ParsedRing, Faults> {
    if sources.is_empty() {
        return Ok(ParsedRing { ring: KeyRing::empty(policy), warnings: Vec::new() });
    }
    merge_in(Company::Others, sources, policy, now)
}

fn merge_in(
    company: Company,
    sources: &[&SourceKeys],
    policy: RingPolicy,
    now: Timestamp,
) -> Result<ParsedRing, Faults> {
    let (keys, origins) = gather(sources);
    let named = |source: &&SourceKeys| source.primary.is_some();
    let primary_source = sources.iter().position(named).unwrap_or(0);
    let primary = sources[primary_source].primary.as_ref();
    let texts = sources.iter().map(|source| &source.whereabouts).collect();
    let origins = Origins::of(texts, origins, primary_source);

    let candidates: Vec<_> = keys.iter().map(|key| Candidate::from(&**key)).collect();
    let findings = ring::examine(&candidates, primary, policy, now);
    let found = findings.faults.into_iter().filter(|fault| company.can_tell(fault));
    let placed = found.map(|fault| place(&origins, &keys, fault));
    in_order(sources.len(), placed.chain(second_primaries(sources, primary_source, &origins)))?;

    let told = sources.iter().flat_map(|source| &source.warnings).cloned();
    let warnings =
        told.chain(findings.warnings.into_iter().map(|warning| origins.warning(warning))).collect();
    Ok(ParsedRing { ring: KeyRing::of_examined(keys, primary, policy), warnings })
}

/// All keys and where they are from, without those that an earlier source defines alike.
fn gather(sources: &[&SourceKeys]) -> (Vec<Arc<Key>>, Vec<Origin>) {
    let count = sources.iter().map(|source| source.keys.len()).sum();
    let (mut keys, mut origins) =
        (Vec::<Arc<Key>>::with_capacity(count), Vec::<Origin>::with_capacity(count));
    let mut first: HashMap<&Fingerprint, usize> = HashMap::with_capacity(count);
    for (source, held) in sources.iter().enumerate() {
        for (number, key) in held.keys.iter().enumerate() {
            let first = *first.entry(&key.fingerprint).or_insert(keys.len());
            let is_elsewhere = origins.get(first).is_some_and(|origin| origin.source != source);
            if !(is_elsewhere && differences(&keys[first], key).is_empty()) {
                keys.push(Arc::clone(key));
                origins.push(Origin { source, key: number });
            }
        }
    }
    (keys, origins)
}

/// In what two keys of one name differ.
fn differences(one: &Key, other: &Key) -> Vec<&'static str> {
    let all = [
        (one.secret.algorithm() != other.secret.algorithm(), "another algorithm"),
        (one.secret.bytes() != other.secret.bytes(), "another secret"),
        (one.validity != other.validity, "another window"),
    ];
    all.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what).collect()
}

/// Puts a fault where it stands; one fingerprint in two sources is told with both.
fn place(origins: &Origins<'_>, keys: &[Arc<Key>], fault: RingFault) -> (usize, Fault) {
    match fault {
        RingFault::DuplicateFingerprint { first, second }
            if origins.source_of(first) != origins.source_of(second) =>
        {
            let place = origins.place_of(first, Part::Fingerprint, second);
            let differences = differences(&keys[first], &keys[second]).join(" and ");
            let problem = format!("{place} defines this fingerprint with {differences}");
            let remedy = "remove one of the two, or define them alike";
            origins.at_key(second, Part::Fingerprint, Refusal::new(problem, remedy))
        }
        fault => origins.fault(fault),
    }
}

/// Sources that name another key to seal than the first that names one.
fn second_primaries<'s>(
    sources: &'s [&'s SourceKeys],
    first: usize,
    origins: &'s Origins<'_>,
) -> impl Iterator<Item = (usize, Fault)> + 's {
    let primary = sources[first].primary.as_ref();
    let named = sources.iter().enumerate().filter(|(_, source)| source.primary.is_some());
    named.filter(move |(_, source)| source.primary.as_ref() != primary).map(move |(number, _)| {
        let problem = format!("{} names another key to seal", sources[first].name);
        let refusal = Refusal::new(problem, "name one key in one of the two");
        (number, origins.primary_fault(number, refusal))
    })
}

/// `Ok` if there is no fault, else all of them: source by source, each in the order of its text.
fn in_order(sources: usize, faults: impl Iterator<Item = (usize, Fault)>) -> Result<(), Faults> {
    let mut by_source: Vec<Vec<Fault>> = (0..sources).map(|_| Vec::new()).collect();
    for (source, fault) in faults {
        by_source[source].push(fault);
    }
    let wrong = by_source.into_iter().filter_map(|faults| Faults::check(faults).err());
    let all = wrong.reduce(|mut all, more| {
        all.extend(more);
        all
    });
    all.map_or(Ok(()), Err)
}

fn no_source() -> Fault {
    Fault {
        file: "keys".into(),
        place: None,
        key_path: String::new(),
        problem: RingFault::NoKeys.to_string(),
        remedy: "name a source of keys".to_owned(),
    }
}

#[cfg(test)]
mod tests;
