//! Key files: TOML text in, a checked ring out.
//!
//! Nothing of the text is ever quoted in a fault: whatever stands in a key file may be a secret.

mod secret;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use toml::value::Datetime;

use self::secret::WrittenSecret;
use super::ring::{self, Candidate};
use super::{Fingerprint, Key, KeyRing, RingFault, RingPolicy, RingWarning, Validity};
use crate::crypto::{Algorithm, SecretKey};
use crate::document::{Disclosure, Document, Fault, Faults, Field, Heading, Refusal, Section, Value};

/// A ring made from a key file, and what looks odd about it.
pub struct ParsedRing {
    /// The ring.
    pub ring: KeyRing,
    /// What is allowed but seldom meant.
    pub warnings: Vec<Fault>,
}

/// Reads a key file's text. `file` is its name in faults; `now` judges which keys hold.
///
/// The text is the caller's to wipe; whatever is decoded from it here is wiped.
pub fn parse_key_file(
    text: &str,
    file: &str,
    policy: RingPolicy,
    now: Timestamp,
) -> Result<ParsedRing, Faults> {
    let (mut document, mut root) = Document::parse(file, text, Disclosure::Secret)?;
    let sections = document.tables(&mut root, "key");
    let misshapen = !document.is_sound();
    let (top, heading) = document.read::<RawFile>(root);
    let primary_at = top.primary.start();
    let primary = document.optional(&heading, "primary", top.primary);
    let entries: Vec<_> = sections.into_iter().map(|section| Entry::read(&mut document, section)).collect();

    let candidates: Vec<_> = entries.iter().map(Entry::candidate).collect();
    let findings = ring::examine(&candidates, primary.as_ref(), policy, now);
    for fault in findings.faults {
        if !(misshapen && fault == RingFault::NoKeys) {
            let fault = place_fault(&document, &entries, primary_at, fault);
            document.note(fault);
        }
    }
    let warnings =
        findings.warnings.iter().map(|warning| place_warning(&document, &entries, *warning)).collect();
    document.finish()?;

    // No fault means that each entry is whole and that they are right together.
    let keys = entries.into_iter().filter_map(Entry::into_key).map(Arc::new).collect();
    Ok(ParsedRing { ring: KeyRing::of_examined(keys, primary.as_ref(), policy), warnings })
}

/// The top of a key file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawFile {
    primary: Field<Fingerprint>,
}

/// One `[[key]]` as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawKey {
    fingerprint: Field<Fingerprint>,
    algorithm: Field<Algorithm>,
    secret: Field<WrittenSecret>,
    valid_after: Field<Moment>,
    valid_until: Field<Moment>,
}

/// One `[[key]]` as far as it could be read.
struct Entry {
    heading: Heading,
    fingerprint: Option<Fingerprint>,
    fingerprint_at: Option<usize>,
    algorithm_at: Option<usize>,
    secret: Option<SecretKey>,
    secret_at: Option<usize>,
    validity: Validity,
    until_at: Option<usize>,
}

impl Entry {
    fn read<'t>(document: &mut Document<'t>, section: Section<'t>) -> Self {
        let (raw, heading) = document.read::<RawKey>(section);
        let (fingerprint_at, algorithm_at) = (raw.fingerprint.start(), raw.algorithm.start());
        let (secret_at, until_at) = (raw.secret.start(), raw.valid_until.start());
        let fingerprint = document.require(
            &heading,
            "fingerprint",
            raw.fingerprint,
            "write the name by which messages call the key: fingerprint = \"…\"",
        );
        let algorithm = document.require(
            &heading,
            "algorithm",
            raw.algorithm,
            "write the key's one algorithm, for example algorithm = \"AES-256-GCM\"",
        );
        let written = document.require(
            &heading,
            "secret",
            raw.secret,
            "write the key with its encoding: secret = \"base64:…\", or `alewife keygen` makes a fresh entry",
        );
        let after = document.optional(&heading, "valid_after", raw.valid_after);
        let until = document.optional(&heading, "valid_until", raw.valid_until);
        let secret = algorithm.zip(written).and_then(|(algorithm, written)| {
            written
                .into_key(algorithm)
                .map_err(|refusal| document.refuse(&heading, "secret", secret_at, refusal))
                .ok()
        });
        let validity = Validity { after: after.map(|moment| moment.0), until: until.map(|moment| moment.0) };
        Self { heading, fingerprint, fingerprint_at, algorithm_at, secret, secret_at, validity, until_at }
    }

    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            fingerprint: self.fingerprint.as_ref(),
            algorithm: self.secret.as_ref().map(SecretKey::algorithm),
            secret: self.secret.as_ref(),
            validity: self.validity,
        }
    }

    fn into_key(self) -> Option<Key> {
        Some(Key::new(self.fingerprint?, self.secret?, self.validity))
    }
}

/// Puts a fault of the ring where it stands in the file.
fn place_fault(
    document: &Document<'_>,
    entries: &[Entry],
    primary_at: Option<usize>,
    fault: RingFault,
) -> Fault {
    let problem = fault.to_string();
    let at_key =
        |index: usize, name: &str, at: fn(&Entry) -> Option<usize>, problem: String, remedy: &str| {
            let entry = &entries[index];
            document.fault(at(entry), entry.heading.key_path(name), Refusal::new(problem, remedy))
        };
    let line = |index: usize, at: fn(&Entry) -> Option<usize>| line_of(document, at(&entries[index]));
    match fault {
        RingFault::DuplicateFingerprint { first, second } => {
            let problem = format!("{problem}, the first in {}", line(first, |entry| entry.fingerprint_at));
            at_key(
                second,
                "fingerprint",
                |entry| entry.fingerprint_at,
                problem,
                "give each key a name of its own",
            )
        }
        RingFault::EmptyWindow { key } => at_key(
            key,
            "valid_until",
            |entry| entry.until_at,
            problem,
            "write a valid_until later than valid_after",
        ),
        RingFault::NoKeys => document.fault(
            None,
            "key".to_owned(),
            Refusal::new(problem, "add one with `alewife keygen`, appending its output to the file"),
        ),
        RingFault::PrimaryOutsideWindow => document.fault(
            primary_at,
            "primary".to_owned(),
            Refusal::new(problem, "name a key that is valid now, or remove `primary`"),
        ),
        RingFault::SecretUnderTwoAlgorithms { first, second } => {
            let problem = format!("{problem}, the first in {}", line(first, |entry| entry.secret_at));
            at_key(
                second,
                "secret",
                |entry| entry.secret_at,
                problem,
                "make a fresh key with `alewife keygen`",
            )
        }
        RingFault::Unauthenticated { key } => at_key(
            key,
            "algorithm",
            |entry| entry.algorithm_at,
            problem,
            "use a GCM key, or set require_authenticated = false in [keys] of the configuration",
        ),
        RingFault::UnknownPrimary => document.fault(
            primary_at,
            "primary".to_owned(),
            Refusal::new(problem, "write the fingerprint of one of the keys below, or remove `primary`"),
        ),
    }
}

/// Puts a warning about the ring where it stands in the file.
fn place_warning(document: &Document<'_>, entries: &[Entry], warning: RingWarning) -> Fault {
    match warning {
        RingWarning::NoSealingKey => document.fault(
            None,
            "key".to_owned(),
            Refusal::new(
                warning.to_string(),
                "add a key that is valid now; until then nothing can be sealed",
            ),
        ),
        RingWarning::RepeatedSecret { first, second } => {
            let problem = format!("{warning}, the first in {}", line_of(document, entries[first].secret_at));
            let entry = &entries[second];
            let refusal = Refusal::new(problem, "a rotation needs a fresh key: `alewife keygen` makes one");
            document.fault(entry.secret_at, entry.heading.key_path("secret"), refusal)
        }
    }
}

fn line_of(document: &Document<'_>, at: Option<usize>) -> String {
    at.map_or_else(|| "another entry".to_owned(), |at| format!("line {}", document.place(at).line))
}

impl Value for Fingerprint {
    const EXPECTED: &'static str = "a fingerprint in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        text.parse::<Self>().map_err(|fault| {
            Refusal::new(
                format!("not a fingerprint: {fault}"),
                "write the name by which messages call the key",
            )
        })
    }
}

impl Value for Algorithm {
    const EXPECTED: &'static str = "the name of an algorithm";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        text.parse::<Self>().map_err(|fault| {
            Refusal::new(fault.to_string(), "write one of these, for example \"AES-256-GCM\"")
        })
    }
}

/// An end of a validity window.
struct Moment(Timestamp);

impl Moment {
    const REMEDY: &'static str = "write date, time and offset, for example 2026-01-31T12:00:00Z";
}

impl Value for Moment {
    const EXPECTED: &'static str = "a time with an offset";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        text.parse().map(Self).map_err(|_| Refusal::new("not a time with an offset", Self::REMEDY))
    }

    fn from_datetime(time: Datetime) -> Result<Self, Refusal> {
        if time.offset.is_none() {
            return Err(Refusal::new("a time without an offset", Self::REMEDY));
        }
        Self::from_text(&time.to_string())
    }
}
