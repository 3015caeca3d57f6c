//! One profile that opens a capture, with what speaks for it.

use std::cmp::Ordering;

use zeroize::Zeroizing;

use super::confirm::Confirmed;
use super::group::Group;
use super::keys::Keyed;
use super::plausible::Looks;
use super::search::TagShape;
use super::sources::{AadFrom, IvSource, Sources};
use crate::crypto::{Algorithm, Mode};
use crate::profile::{Becomes, Draft, KeyNaming, Padding, Preset, ScopePlace};

/// A profile under which the capture was opened.
pub struct Finding {
    pub(super) proof: Proof,
    pub(super) bits: f64,
    pub(super) algorithm: Algorithm,
    pub(super) draft: Draft,
    pub(super) preset: &'static Preset,
    /// Where each part was found: what, and where.
    pub(super) parts: Vec<(&'static str, String)>,
    /// The entry of a key file, without the secret.
    pub(super) entry: Vec<String>,
    pub(super) notes: Vec<String>,
    /// The plaintexts with their places.
    pub(super) plain: Vec<(String, Zeroizing<Vec<u8>>)>,
}

/// What speaks for a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// What came out looks like something that somebody wrote.
    Plausible(Looks),
    /// A tag of so many bytes, 12 or more, was right.
    Proven(usize),
}

impl Finding {
    pub(super) fn of(
        sources: &Sources,
        keyed: &Keyed,
        group: &Group,
        confirmed: Confirmed,
        bits: f64,
    ) -> Self {
        let hit = group.first();
        let Confirmed { draft, preset, fingerprint, is_message } = confirmed;
        let algorithm = keyed.algorithm(hit.mode);
        let looks = hit.evidence.map_or(Looks::Text, |evidence| evidence.looks);
        let proof = if hit.is_verified {
            Proof::Proven(tag_length(sources, hit.tag))
        } else {
            Proof::Plausible(looks)
        };
        let site = |text: usize| sources.sites[sources.texts[text].site].spot.to_string();
        let plain = group.hits.iter().map(|hit| (site(hit.text), hit.plain.clone())).collect();
        let mut finding = Self {
            proof,
            bits,
            algorithm,
            entry: keyed.entry(&fingerprint, algorithm),
            parts: parts(sources, keyed, group, &draft),
            draft,
            preset,
            notes: Vec::new(),
            plain,
        };
        finding.notes = finding.remarks(group, is_message);
        finding
    }

    /// What speaks for it.
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// Whether a tag proves it.
    pub fn is_proven(&self) -> bool {
        matches!(self.proof, Proof::Proven(_))
    }

    /// The algorithm of the key.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The profile, as a configuration would describe it.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// The preset that it is nearest to.
    pub fn preset(&self) -> &'static Preset {
        self.preset
    }

    /// What was sealed, each with its place: secret.
    pub fn plaintexts(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.plain.iter().map(|(place, text)| (place.as_str(), text.as_slice()))
    }

    /// The table to paste into a configuration, line by line.
    pub fn table(&self) -> Vec<String> {
        let mut lines = vec!["[profile.vendor]".to_owned(), format!("preset = \"{}\"", self.preset.name)];
        let differences = self.draft.differences(&self.preset.draft());
        lines.extend(differences.into_iter().map(|(key, value)| format!("{key} = {value}")));
        if self.draft.static_iv.is_some() {
            lines.push("static_iv = { file = \"vendor.iv\" }  # the text that --iv gave".to_owned());
        }
        lines
    }

    /// The surest first: a proof, then what has more bits for it, then what is nearer to a preset.
    pub(super) fn by_rank(one: &Self, two: &Self) -> Ordering {
        let distance = |finding: &Self| finding.draft.differences(&finding.preset.draft()).len();
        let proven = two.is_proven().cmp(&one.is_proven());
        proven.then(two.bits.total_cmp(&one.bits)).then(distance(one).cmp(&distance(two)))
    }

    fn remarks(&self, group: &Group, is_message: bool) -> Vec<String> {
        let mut notes = Vec::new();
        let mode = group.first().mode;
        if !self.is_proven() {
            notes.push(match mode {
                Mode::Gcm => {
                    "no tag travels: whoever reaches the line can change every bit of a message unnoticed"
                        .to_owned()
                }
                _ => {
                    format!("{} proves nothing: a wrong key or a changed byte goes unnoticed", self.algorithm)
                }
            });
            let longest = group.hits.iter().map(|hit| hit.plain.len()).max().unwrap_or(0);
            if longest <= 16 && matches!(mode, Mode::Cfb | Mode::Ctr) {
                notes.push(
                    "up to 16 bytes CFB and CTR give the same: capture a longer message to tell them apart"
                        .to_owned(),
                );
            }
        }
        if is_message {
            notes.push(
                "the capture is a message of WebSocket: such are the same under every profile that streams"
                    .to_owned(),
            );
        }
        if matches!(self.draft.scope, ScopePlace::At(_)) {
            let other = if self.draft.becomes == Becomes::Body { "text" } else { "body" };
            notes.push(format!(
                "becomes = \"{}\" is a guess by what the plaintext looks like; \"{other}\" would open as well",
                self.draft.becomes.label()
            ));
        }
        if self.draft.scope == ScopePlace::Values
            && group.hits.len() > 1
            && !matches!(self.draft.iv, crate::profile::IvPlace::Prefix)
        {
            notes.push(
                "all values are under one iv, so they betray each other; opening them is harmless".to_owned(),
            );
        }
        if self.draft.fingerprint == KeyNaming::SealingKey {
            notes.push("the message names no key, so its entry may have any fingerprint".to_owned());
        }
        notes.push(format!(
            "one message does not tell whether replies are sealed: seal_replies is {}, as with the preset",
            self.draft.seal_replies
        ));
        notes
    }
}

fn tag_length(sources: &Sources, tag: TagShape) -> usize {
    match tag {
        TagShape::Appended(length) | TagShape::Before(length) => length,
        TagShape::At(tag) => sources.tags[tag].reading.bytes.len(),
        TagShape::None => 0,
    }
}

/// What was found where.
fn parts(sources: &Sources, keyed: &Keyed, group: &Group, draft: &Draft) -> Vec<(&'static str, String)> {
    let hit = group.first();
    let spot = |site: usize| sources.sites[site].spot.to_string();
    let places: Vec<String> = group.hits.iter().map(|hit| spot(sources.texts[hit.text].site)).collect();
    let padding = if hit.padding == Padding::Pkcs7 { ", PKCS #7 padding in it" } else { "" };
    let bytes = hit.iv_bytes.len().bytes();
    let iv = match &sources.ivs[hit.iv] {
        IvSource::At { part, .. } => {
            format!("{} ({}, {bytes} bytes)", spot(part.site), part.reading.encoding)
        }
        IvSource::Given { encoding, .. } => format!("the one that --iv gives ({encoding}, {bytes} bytes)"),
        IvSource::Prefix(_) => format!("before the ciphertext ({bytes} bytes)"),
        IvSource::Guess(_) => "in no message".to_owned(),
    };
    let mut parts = vec![
        ("algorithm", keyed.algorithm(hit.mode).to_string()),
        ("key", format!("the text is {}", keyed.about())),
        ("ciphertext", format!("{} ({}){padding}", places.join(", "), group.encoding)),
        ("iv", iv),
    ];
    let length = tag_length(sources, hit.tag);
    match hit.tag {
        TagShape::Appended(_) => parts.push(("tag", format!("behind the ciphertext ({length} bytes)"))),
        TagShape::Before(_) => parts.push(("tag", format!("before the ciphertext ({length} bytes)"))),
        TagShape::At(tag) => {
            let part = &sources.tags[tag];
            parts.push(("tag", format!("{} ({}, {length} bytes)", spot(part.site), part.reading.encoding)));
        }
        TagShape::None => {}
    }
    match sources.aads[hit.aad].from {
        AadFrom::Nothing => {}
        AadFrom::Given => parts.push(("aad", "the text that --aad gives".to_owned())),
        AadFrom::Context => parts.push(("aad", "direction, method and target".to_owned())),
        AadFrom::Site(site) => parts.push(("aad", spot(site))),
    }
    if let KeyNaming::At(place) = &draft.fingerprint {
        parts.push(("fingerprint", place.to_string()));
    }
    parts
}
