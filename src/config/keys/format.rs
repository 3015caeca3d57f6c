//! How a portal's document is laid out, as a configuration says it.

use serde::Deserialize;

use crate::config::values::Literal;
use crate::crypto::{Algorithm, Pbkdf2};
use crate::document::{Document, Fault, Field, Refusal, Section, Value};
use crate::keys::{DocumentFormat, MemberNames, ValueEncoding, ValueForm, read_pbkdf2};
use crate::payload::Pointer;

/// The layout, as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawFormat {
    preset: Field<Preset>,
    keys_pointer: Field<Pointer>,
    encryption_pointer: Field<Pointer>,
    algorithm: Field<Algorithm>,
    encoding: Field<ValueEncoding>,
}

/// What the members of an entry are called, as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawMembers {
    fingerprint: Field<Literal>,
    value: Field<Literal>,
    valid_after: Field<Literal>,
    valid_until: Field<Literal>,
    algorithm: Field<Literal>,
}

/// The parts of a section that describe a layout.
pub(super) struct Parts<'t> {
    format: Section<'t>,
    members: Section<'t>,
    derive: Section<'t>,
}

impl<'t> Parts<'t> {
    pub(super) fn take(document: &mut Document<'t>, section: &mut Section<'t>) -> Self {
        let members = document.table(section, "members");
        let derive = document.table(section, "derive");
        Self { format: section.part::<RawFormat>(), members, derive }
    }

    /// Reads the layout; what is missing is a fault.
    pub(super) fn read(
        self,
        document: &mut Document<'t>,
        warnings: &mut Vec<Fault>,
    ) -> Option<DocumentFormat> {
        let has_derive = !self.derive.is_absent();
        let (raw, at) = document.read::<RawFormat>(self.format);
        let preset_at = raw.preset.start();
        let preset = document.optional(&at, "preset", raw.preset);
        let encoding_at = raw.encoding.start();
        let keys = document.or(&at, "keys_pointer", raw.keys_pointer, keys_by_default());
        let switch = document.optional(&at, "encryption_pointer", raw.encryption_pointer);
        let algorithm = document.optional(&at, "algorithm", raw.algorithm);
        let encoding = document.optional(&at, "encoding", raw.encoding);
        let members = read_members(document, self.members);
        let derived = has_derive.then(|| read_derive(document, self.derive, warnings));
        let algorithm = algorithm.or(preset.map(|Preset::EnterpriseKitchen| enterprise_kitchen()));
        // Of a preset that is not known, nobody can say whether it has one.
        let may_be_preset = preset.is_none() && preset_at.is_some();
        if algorithm.is_none() && members.algorithm.is_none() && !may_be_preset {
            let remedy = "write the algorithm of the keys, for example algorithm = \"AES-256-GCM\"; or, if each entry \
                          names its own, how: members = { algorithm = \"…\" }";
            document.refuse(&at, "algorithm", at.start(), Refusal::new("missing", remedy));
        }
        let value = match (encoding, derived) {
            (Some(_), Some(_)) => {
                let remedy = "write encoding for keys as they are, derive for passphrases";
                let refusal = Refusal::new("a value cannot be a key and a passphrase", remedy);
                document.refuse(&at, "encoding", encoding_at, refusal);
                None
            }
            (Some(encoding), None) => Some(ValueForm::Encoded(encoding)),
            (None, Some(derived)) => derived.map(ValueForm::Derived),
            (None, None) => {
                if encoding_at.is_none() {
                    let remedy = "write encoding = \"base64\", \"hex\" or \"utf8\"; or, if the values are passphrases, \
                                  derive = { pbkdf2 = { hash = \"sha256\", iterations = 600000, salt = \"utf8:…\" } }";
                    document.refuse(&at, "encoding", at.start(), Refusal::new("missing", remedy));
                }
                None
            }
        };
        let encryption = switch.or_else(|| preset.and_then(|_| keys.sibling("encryption")));
        Some(DocumentFormat { keys_pointer: keys, members, algorithm, value: value?, encryption })
    }
}

/// Where the array is, unless the configuration says otherwise.
fn keys_by_default() -> Pointer {
    Pointer::default().child("keys")
}

/// The algorithm of the vendor's own keys.
fn enterprise_kitchen() -> Algorithm {
    "AES-256-CTR".parse().expect("it is one of the algorithms")
}

/// Reads a section that describes nothing else.
pub(super) fn read_document<'t>(
    document: &mut Document<'t>,
    mut section: Section<'t>,
    warnings: &mut Vec<Fault>,
) -> Option<DocumentFormat> {
    let parts = Parts::take(document, &mut section);
    let format = parts.read(document, warnings);
    document.read::<RawNothing>(section);
    format
}

/// Nothing more.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawNothing {}

fn read_members<'t>(document: &mut Document<'t>, section: Section<'t>) -> MemberNames {
    let (raw, at) = document.read::<RawMembers>(section);
    let default = MemberNames::default();
    let mut name = |key: &str, field: Field<Literal>, default: String| {
        document.optional(&at, key, field).map_or(default, |Literal(name)| name.into())
    };
    MemberNames {
        fingerprint: name("fingerprint", raw.fingerprint, default.fingerprint),
        value: name("value", raw.value, default.value),
        valid_after: name("valid_after", raw.valid_after, default.valid_after),
        valid_until: name("valid_until", raw.valid_until, default.valid_until),
        algorithm: document.optional(&at, "algorithm", raw.algorithm).map(|Literal(name)| name.into()),
    }
}

fn read_derive<'t>(
    document: &mut Document<'t>,
    mut section: Section<'t>,
    warnings: &mut Vec<Fault>,
) -> Option<Pbkdf2> {
    let pbkdf2 = document.table(&mut section, "pbkdf2");
    document.read::<RawNothing>(section);
    let (pbkdf2, warning) = read_pbkdf2(document, pbkdf2);
    warnings.extend(warning);
    pbkdf2
}

impl Value for Pointer {
    const EXPECTED: &'static str = "a JSON pointer in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        text.parse().map_err(|fault| {
            Refusal::new(
                format!("{text:?} is not a JSON pointer: {fault}"),
                "write the names of the members on the way, each behind a slash: \"/services/kitchen/keys\"",
            )
        })
    }
}

impl Value for ValueEncoding {
    const EXPECTED: &'static str = "an encoding in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        text.parse().map_err(|_| {
            Refusal::new(
                format!("{text:?} is not a known encoding"),
                "write \"base64\" or \"hex\" or \"utf8\"; for passphrases write derive in place of encoding",
            )
        })
    }
}

/// A vendor's layout by name.
#[derive(Clone, Copy)]
pub(in crate::config) enum Preset {
    /// The site object of Enterprise Kitchen's portal: per service a switch and an array of keys.
    EnterpriseKitchen,
}

impl Value for Preset {
    const EXPECTED: &'static str = "the name of a preset in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        match text {
            "enterprise-kitchen" => Ok(Self::EnterpriseKitchen),
            _ => Err(Refusal::new(
                format!("{text:?} is not a known preset"),
                "write \"enterprise-kitchen\", or describe the document without a preset",
            )),
        }
    }
}
