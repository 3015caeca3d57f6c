//! `[profile.NAME]`: wire formats, each a preset with what differs from it.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;

use super::secret;
use super::values::{
    AlgorithmName, IvLengthValue, Literal, MediaType, PresetName, ProxyName, Status, TagLengthValue,
};
use crate::crypto::Iv;
use crate::crypto::encoding::Encoding;
use crate::document::{Document, Field, Heading, Refusal, Section, Value};
use crate::payload::PointerPattern;
use crate::profile::{
    Aad, Becomes, Draft, ErrorText, Errors, IvPlace, KeyNaming, Padding, Preset, Profile, ScopePlace,
    Selector, StaticIv, TagPlace,
};
use crate::sources::SecretSource;

/// A profile of a file's own.
#[derive(Clone, Debug)]
pub struct OwnProfile {
    /// `[profile.NAME]`.
    pub name: String,
    /// The preset that it begins with; absent for `ale`.
    pub preset: Option<&'static str>,
    /// What it says with all that the preset does.
    pub draft: Draft,
    /// Where the IV is that no message bears, if there is one.
    pub static_iv: Option<SecretSource>,
    /// What comes of that.
    pub profile: Profile,
}

/// The profiles of a file, and the presets.
pub(super) struct Profiles {
    /// By name; nothing where the profile is faulty, which is told already.
    own: BTreeMap<String, Option<OwnProfile>>,
}

/// A profile as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawProfile {
    preset: Field<PresetName>,
    algorithm: Field<AlgorithmName>,
    iv: Field<IvPlace>,
    iv_length: Field<IvLengthValue>,
    iv_encoding: Field<Encoding>,
    danger_static_iv: Field<bool>,
    tag: Field<TagPlace>,
    tag_length: Field<TagLengthValue>,
    tag_encoding: Field<Encoding>,
    danger_no_tag: Field<bool>,
    fingerprint: Field<KeyNaming>,
    aad: Field<Aad>,
    padding: Field<Padding>,
    scope: Field<ScopePlace>,
    becomes: Field<Becomes>,
    encoding: Field<Encoding>,
    content_type: Field<MediaType>,
    include: Field<Vec<Selector>>,
    exclude: Field<Vec<Selector>>,
    optional: Field<Vec<Selector>>,
    literal: Field<Vec<PointerPattern>>,
    seal_replies: Field<bool>,
    credential_mismatch: Field<bool>,
    bodyless_methods: Field<Vec<Method>>,
}

/// What a peer is told of one class of failure, as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawError {
    status: Field<Status>,
    content_type: Field<MediaType>,
    body: Field<Literal>,
}

impl Profiles {
    /// Reads every `[profile.NAME]`; files of static IVs are named from `directory` on.
    pub(super) fn read<'t>(document: &mut Document<'t>, section: Section<'t>, directory: &Path) -> Self {
        let remedy = "write [profile.NAME] with the keys of a profile";
        let members = document.members(section, remedy);
        let own = members.into_iter().map(|(name, section)| {
            let profile = read_one(document, &name, section, directory);
            (name, profile)
        });
        Self { own: own.collect() }
    }

    /// Those that are right, in alphabetical order.
    pub(super) fn sound(&self) -> Vec<OwnProfile> {
        self.own.values().flatten().cloned().collect()
    }

    /// The profile `name`, or the preset of that name. What is not there is a fault.
    pub(super) fn named(
        &self,
        document: &mut Document<'_>,
        heading: &Heading,
        name: &str,
        at: Option<usize>,
    ) -> Option<Profile> {
        if let Some(own) = self.own.get(name) {
            return own.as_ref().map(|own| own.profile.clone());
        }
        let Some(preset) = Preset::named(name) else {
            let own = self.own.keys().map(String::as_str);
            let known: Vec<_> = own.chain(crate::profile::PRESETS.iter().map(|preset| preset.name)).collect();
            let problem = format!("there is no profile {name:?}; there are {}", known.join(", "));
            let refusal = Refusal::new(problem, format!("write [profile.{name}], or one of these"));
            document.refuse(heading, "profile", at, refusal);
            return None;
        };
        match preset.draft().build(name) {
            Ok(profile) => Some(profile),
            Err(faults) => {
                for fault in faults {
                    let problem = format!("the preset lacks what only you know: {}", fault.problem);
                    let remedy = format!(
                        "write [profile.NAME] with preset = \"{name}\" and {}, and name that",
                        fault.key
                    );
                    document.refuse(heading, "profile", at, Refusal::new(problem, remedy));
                }
                None
            }
        }
    }
}

fn read_one<'t>(
    document: &mut Document<'t>,
    name: &str,
    section: Section<'t>,
    directory: &Path,
) -> Option<OwnProfile> {
    let sound = document.fault_count();
    let Read { heading, starts, preset, draft, static_iv } = read_draft(document, name, section, directory);
    if document.fault_count() > sound {
        return None;
    }
    match draft.clone().build(name) {
        Ok(profile) => Some(OwnProfile { name: name.to_owned(), preset, draft, static_iv, profile }),
        Err(faults) => {
            for fault in faults {
                let at = starts.of_key(fault.key).or(heading.start());
                document.refuse(&heading, fault.key, at, Refusal::new(fault.problem, fault.remedy));
            }
            None
        }
    }
}

/// A profile as far as it could be read.
pub(super) struct Read {
    heading: Heading,
    starts: Starts,
    preset: Option<&'static str>,
    pub(super) draft: Draft,
    static_iv: Option<SecretSource>,
}

/// Reads what is written, whether it works or not.
pub(super) fn read_draft<'t>(
    document: &mut Document<'t>,
    name: &str,
    mut section: Section<'t>,
    directory: &Path,
) -> Read {
    let errors = document.table(&mut section, "errors");
    let static_iv = document.table(&mut section, "static_iv");
    let static_iv_at = static_iv.start();
    let (raw, heading) = document.read::<RawProfile>(section);
    if Preset::named(name).is_some() {
        let refusal = Refusal::new(
            format!("{name:?} is the name of a preset"),
            format!("give it another name, and write preset = \"{name}\" in it"),
        );
        document.refuse(&heading, "", heading.start(), refusal);
    } else if let Err(refusal) = ProxyName::from_text(name) {
        document.refuse(&heading, "", heading.start(), refusal);
    }
    let starts = Starts::of(&raw, static_iv_at);
    let (preset, mut draft) = overlay(document, &heading, raw);
    let source = secret::read(document, static_iv, directory);
    draft.static_iv = source
        .as_ref()
        .and_then(|source| read_static_iv(document, &heading, source, draft.iv_encoding, static_iv_at));
    draft.errors = read_errors(document, errors, draft.errors);
    Read { heading, starts, preset: preset.map(|preset| preset.name), draft, static_iv: source }
}

/// Where each key stands, for faults that are found when all of them are known.
struct Starts(Vec<(&'static str, Option<usize>)>);

impl Starts {
    fn of(raw: &RawProfile, static_iv: Option<usize>) -> Self {
        Self(vec![
            ("algorithm", raw.algorithm.start()),
            ("iv", raw.iv.start()),
            ("iv_length", raw.iv_length.start()),
            ("iv_encoding", raw.iv_encoding.start()),
            ("static_iv", static_iv),
            ("danger_static_iv", raw.danger_static_iv.start()),
            ("tag", raw.tag.start()),
            ("tag_length", raw.tag_length.start()),
            ("tag_encoding", raw.tag_encoding.start()),
            ("danger_no_tag", raw.danger_no_tag.start()),
            ("fingerprint", raw.fingerprint.start()),
            ("aad", raw.aad.start()),
            ("padding", raw.padding.start()),
            ("becomes", raw.becomes.start()),
            ("encoding", raw.encoding.start()),
            ("content_type", raw.content_type.start()),
            ("include", raw.include.start()),
            ("exclude", raw.exclude.start()),
            ("optional", raw.optional.start()),
            ("literal", raw.literal.start()),
        ])
    }

    fn of_key(&self, key: &str) -> Option<usize> {
        self.0.iter().find(|(known, _)| *known == key).and_then(|(_, start)| *start)
    }
}

/// The preset, and that with what is written over it.
fn overlay(document: &mut Document<'_>, at: &Heading, raw: RawProfile) -> (Option<&'static Preset>, Draft) {
    let preset = document.optional(at, "preset", raw.preset).map(|PresetName(preset)| preset);
    let base = preset.map_or_else(Draft::default, Preset::draft);
    let AlgorithmName(algorithm) = document.or(at, "algorithm", raw.algorithm, AlgorithmName(base.algorithm));
    let IvLengthValue(iv_length) = document.or(at, "iv_length", raw.iv_length, IvLengthValue(base.iv_length));
    let TagLengthValue(tag_length) =
        document.or(at, "tag_length", raw.tag_length, TagLengthValue(base.tag_length));
    let MediaType(content_type) =
        document.or(at, "content_type", raw.content_type, MediaType(base.content_type));
    let draft = Draft {
        algorithm,
        iv: document.or(at, "iv", raw.iv, base.iv),
        iv_length,
        iv_encoding: document.or(at, "iv_encoding", raw.iv_encoding, base.iv_encoding),
        static_iv: None,
        danger_static_iv: document.or(at, "danger_static_iv", raw.danger_static_iv, base.danger_static_iv),
        tag: document.or(at, "tag", raw.tag, base.tag),
        tag_length,
        tag_encoding: document.or(at, "tag_encoding", raw.tag_encoding, base.tag_encoding),
        danger_no_tag: document.or(at, "danger_no_tag", raw.danger_no_tag, base.danger_no_tag),
        fingerprint: document.or(at, "fingerprint", raw.fingerprint, base.fingerprint),
        aad: document.or(at, "aad", raw.aad, base.aad),
        padding: document.or(at, "padding", raw.padding, base.padding),
        scope: document.or(at, "scope", raw.scope, base.scope),
        becomes: document.or(at, "becomes", raw.becomes, base.becomes),
        encoding: document.or(at, "encoding", raw.encoding, base.encoding),
        content_type,
        include: document.or(at, "include", raw.include, base.include),
        exclude: document.or(at, "exclude", raw.exclude, base.exclude),
        optional: document.or(at, "optional", raw.optional, base.optional),
        literal: document.or(at, "literal", raw.literal, base.literal),
        seal_replies: document.or(at, "seal_replies", raw.seal_replies, base.seal_replies),
        credential_mismatch: document.or(
            at,
            "credential_mismatch",
            raw.credential_mismatch,
            base.credential_mismatch,
        ),
        bodyless_methods: document.or(at, "bodyless_methods", raw.bodyless_methods, base.bodyless_methods),
        errors: base.errors,
    };
    (preset, draft)
}

fn read_static_iv(
    document: &mut Document<'_>,
    heading: &Heading,
    source: &SecretSource,
    encoding: Encoding,
    at: Option<usize>,
) -> Option<StaticIv> {
    let refusal = match source.read() {
        Err(fault) => Refusal::new(fault.to_string(), "put the vendor's iv there"),
        Ok(text) => {
            let iv = encoding.decode(text.as_bytes()).and_then(|bytes| Iv::from_slice(&bytes));
            if let Some(iv) = iv {
                return Some(StaticIv(iv));
            }
            let problem = format!("{source} holds no iv of 12 or 16 bytes in {encoding}");
            Refusal::new(problem, "iv_encoding says how it is written: raw is the characters themselves")
        }
    };
    document.refuse(heading, "static_iv", at, refusal);
    None
}

fn read_errors<'t>(document: &mut Document<'t>, mut section: Section<'t>, base: Errors) -> Errors {
    let mut of = |name, base| {
        let table = document.table(&mut section, name);
        read_error(document, table, base)
    };
    let errors = Errors {
        headers: of("headers", base.headers),
        decrypt: of("decrypt", base.decrypt),
        unknown_key: of("unknown_key", base.unknown_key),
    };
    document.refuse_keys(section, |_| {
        Refusal::new("there is no such class of failures", "write headers, decrypt or unknown_key")
    });
    errors
}

fn read_error<'t>(document: &mut Document<'t>, section: Section<'t>, base: ErrorText) -> ErrorText {
    let (raw, at) = document.read::<RawError>(section);
    let Status(status) = document.or(&at, "status", raw.status, Status(base.status));
    let content_type = document.optional(&at, "content_type", raw.content_type);
    let content_type: Option<HeaderValue> = content_type.and_then(|MediaType(value)| value);
    let body = document.optional(&at, "body", raw.body);
    let status: StatusCode = status;
    ErrorText {
        status,
        content_type: content_type.unwrap_or(base.content_type),
        body: body.map_or(base.body, |Literal(text)| Bytes::from(String::from(text))),
    }
}
