//! One key of a key file.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use toml::value::Datetime;

use super::secret::WrittenSecret;
use crate::crypto::{Algorithm, Pbkdf2};
use crate::document::{Document, Fault, Field, Heading, Refusal, Section, Value};
use crate::keys::source::{DraftKey, DraftSecret};
use crate::keys::whereabouts::EntryPlaces;
use crate::keys::{Fingerprint, Validity, read_pbkdf2};

/// One `[[key]]` as far as it could be read, and what looks odd about it.
pub(super) struct Entry {
    pub(super) key: DraftKey<'static>,
    pub(super) places: EntryPlaces,
    pub(super) warning: Option<Fault>,
}

/// One `[[key]]` as it is written, without its table `pbkdf2`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawKey {
    fingerprint: Field<Fingerprint>,
    algorithm: Field<Algorithm>,
    secret: Field<WrittenSecret>,
    valid_after: Field<Moment>,
    valid_until: Field<Moment>,
}

/// Reads one entry.
pub(super) fn read<'t>(document: &mut Document<'t>, mut section: Section<'t>) -> Entry {
    let derivation = Derivation::take(document, &mut section);
    let (raw, heading) = document.read::<RawKey>(section);
    let place = |document: &Document<'_>, at: Option<usize>| at.map(|at| document.place(at));
    let secret_at = raw.secret.start();
    let places = EntryPlaces {
        algorithm: place(document, raw.algorithm.start()),
        fingerprint: place(document, raw.fingerprint.start()),
        secret: place(document, secret_at),
        until: place(document, raw.valid_until.start()),
    };
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
    let warning = derivation.warning();
    let secret =
        written.and_then(|written| secret(document, &heading, secret_at, algorithm, written, derivation));
    let validity = Validity { after: after.map(|moment| moment.0), until: until.map(|moment| moment.0) };
    Entry { key: DraftKey { fingerprint, secret, validity }, places, warning }
}

/// What the entry gives for a key. A passphrase needs its parameters, and a key must have none.
fn secret(
    document: &mut Document<'_>,
    heading: &Heading,
    at: Option<usize>,
    algorithm: Option<Algorithm>,
    written: WrittenSecret,
    derivation: Derivation,
) -> Option<DraftSecret<'static>> {
    match (written, derivation) {
        (WrittenSecret::Key(key), Derivation::Absent) => {
            let key = key.into_key(algorithm?);
            key.map_err(|refusal| document.refuse(heading, "secret", at, refusal))
                .map(DraftSecret::Ready)
                .ok()
        }
        (WrittenSecret::Key(_), Derivation::Written { at, .. }) => {
            let remedy = "write the passphrase as secret = \"pbkdf2:…\", or remove `pbkdf2`";
            document.refuse(heading, "pbkdf2", at, Refusal::new("the secret is no passphrase", remedy));
            None
        }
        (WrittenSecret::Passphrase(_), Derivation::Absent) => {
            let remedy = "write how the key is derived: pbkdf2 = { hash = \"sha256\", iterations = 600000, salt = \"utf8:…\" }";
            document.refuse(
                heading,
                "pbkdf2",
                at,
                Refusal::new("missing, and the secret is a passphrase", remedy),
            );
            None
        }
        (WrittenSecret::Passphrase(passphrase), Derivation::Written { pbkdf2, .. }) => {
            Some(DraftSecret::Passphrase { algorithm: algorithm?, passphrase, pbkdf2: Cow::Owned(pbkdf2?) })
        }
    }
}

/// The table `pbkdf2` of an entry.
enum Derivation {
    Absent,
    /// It is there, and right or not.
    Written {
        at: Option<usize>,
        pbkdf2: Option<Pbkdf2>,
        warning: Option<Fault>,
    },
}

impl Derivation {
    fn take<'t>(document: &mut Document<'t>, section: &mut Section<'t>) -> Self {
        let is_written = section.has("pbkdf2");
        let table = document.table(section, "pbkdf2");
        if !is_written {
            return Self::Absent;
        }
        let Some(at) = table.start() else {
            // It is no table, which is noted.
            return Self::Written { at: None, pbkdf2: None, warning: None };
        };
        let (pbkdf2, warning) = read_pbkdf2(document, table);
        Self::Written { at: Some(at), pbkdf2, warning }
    }

    fn warning(&self) -> Option<Fault> {
        match self {
            Self::Absent => None,
            Self::Written { warning, .. } => warning.clone(),
        }
    }
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
