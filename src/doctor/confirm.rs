//! From what opened to a profile that says so, which is then used as a sidecar would.

use std::sync::Arc;

use bytes::BytesMut;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::Case;
use super::group::Group;
use super::keys::Keyed;
use super::plausible::{self, Looks};
use super::search::TagShape;
use super::site::{self, Spot};
use super::sources::{AadFrom, IvSource, Sources};
use crate::ale;
use crate::crypto::{Iv, Mode, SecretKey, TagLength};
use crate::keys::{Fingerprint, Key, KeyRing, RingPolicy, Validity};
use crate::profile::{
    Aad, Becomes, Draft, IvLengths, IvPlace, KeyNaming, PRESETS, Place, Preset, Profile, ScopePlace,
    StaticIv, TagPlace,
};

/// What the key is called where no message names it.
const NAMELESS: &str = "vendor-1";

/// A profile under which the capture opens.
pub(super) struct Confirmed {
    pub(super) draft: Draft,
    pub(super) preset: &'static Preset,
    pub(super) fingerprint: String,
    /// Whether it is a message of WebSocket.
    pub(super) is_message: bool,
}

/// Describes the group as a profile, and opens the capture with that; otherwise what stands against it.
pub(super) fn confirm(
    case: &Case<'_>,
    sources: &Sources,
    keyed: &Keyed,
    group: &Group,
    now: Timestamp,
) -> Result<Confirmed, String> {
    let describing = Describing { case, sources, keyed, group };
    if let Some(message) = describing.message(now) {
        return Ok(message);
    }
    let (naming, fingerprint) = describing.naming();
    let mut drafts: Vec<(usize, &'static Preset, Draft)> = PRESETS
        .iter()
        .map(|preset| {
            let draft = describing.draft(&preset.draft(), &naming);
            let distance = draft.differences(&preset.draft()).len();
            (distance, preset, draft)
        })
        .collect();
    // Stable: among equals the one that is listed first.
    drafts.sort_by_key(|(distance, ..)| *distance);
    let mut first = None;
    for (_, preset, draft) in drafts {
        match draft.clone().build("vendor") {
            Ok(profile) => {
                let ring = describing.ring(&fingerprint, now)?;
                opens(case, &profile, &ring, now)?;
                return Ok(Confirmed { draft, preset, fingerprint, is_message: false });
            }
            Err(faults) => {
                let faults: Vec<_> =
                    faults.into_iter().map(|fault| format!("{}: {}", fault.key, fault.problem)).collect();
                first.get_or_insert(faults.join("; "));
            }
        }
    }
    Err(format!("no profile can say so: {}", first.unwrap_or_default()))
}

struct Describing<'d> {
    case: &'d Case<'d>,
    sources: &'d Sources,
    keyed: &'d Keyed,
    group: &'d Group,
}

impl Describing<'_> {
    fn place(&self, site: usize) -> Option<&Place> {
        match &self.sources.sites[site].spot {
            Spot::At(place) => Some(place),
            Spot::Body => None,
        }
    }

    /// How the message names its key.
    fn naming(&self) -> (KeyNaming, String) {
        let scope = self.group.scope(self.sources);
        let used = self.group.own_sites(self.sources);
        let opened: Vec<usize> =
            self.group.hits.iter().map(|hit| self.sources.texts[hit.text].site).collect();
        for (index, site) in self.sources.sites.iter().enumerate() {
            if !site.is_called_key() || !site.is_free() || used.contains(&index) || opened.contains(&index) {
                continue;
            }
            let fits = matches!(
                (&site.spot, &scope),
                (Spot::At(Place::Header(_) | Place::Query(_)), _)
                    | (Spot::At(Place::Member(_)), ScopePlace::At(Place::Member(_)))
                    | (Spot::At(Place::Field(_)), ScopePlace::At(Place::Field(_)))
            );
            let text =
                std::str::from_utf8(&site.text).ok().filter(|text| text.parse::<Fingerprint>().is_ok());
            if let (true, Some(text), Spot::At(place)) = (fits, text, &site.spot) {
                return (KeyNaming::At(place.clone()), text.to_owned());
            }
        }
        (KeyNaming::SealingKey, NAMELESS.to_owned())
    }

    /// The group in the words of a profile; what a message cannot tell is the preset's.
    fn draft(&self, base: &Draft, naming: &KeyNaming) -> Draft {
        let hit = self.group.first();
        let algorithm = self.keyed.algorithm(hit.mode);
        let mut draft = Draft { fingerprint: naming.clone(), ..base.clone() };
        let names_algorithm = base.algorithm.is_some() || hit.padding != crate::profile::Padding::None;
        draft.algorithm = names_algorithm.then_some(algorithm);
        self.describe_tag(&mut draft);
        draft.aad = match self.sources.aads[hit.aad].from {
            AadFrom::Nothing => Aad::None,
            AadFrom::Given => Aad::Literal(self.case.aad.unwrap_or_default().into()),
            AadFrom::Context => Aad::Context,
            AadFrom::Site(site) => self.place(site).map_or(Aad::None, |place| Aad::At(place.clone())),
        };
        draft.padding = hit.padding;
        self.describe_scope(base, &mut draft);
        self.describe_iv(hit.iv_bytes, &mut draft);
        draft
    }

    fn describe_tag(&self, draft: &mut Draft) {
        let hit = self.group.first();
        let whole = |length| TagLength::new(length).unwrap_or(TagLength::WHOLE);
        draft.danger_no_tag = false;
        draft.tag_length = TagLength::WHOLE;
        match hit.tag {
            TagShape::Appended(length) => (draft.tag, draft.tag_length) = (TagPlace::Appended, whole(length)),
            TagShape::Before(length) => (draft.tag, draft.tag_length) = (TagPlace::Before, whole(length)),
            TagShape::At(tag) => {
                let part = &self.sources.tags[tag];
                draft.tag = self.place(part.site).map_or(TagPlace::None, |place| TagPlace::At(place.clone()));
                draft.tag_encoding = part.reading.encoding;
                draft.tag_length = whole(part.reading.bytes.len());
            }
            TagShape::None if hit.mode == Mode::Gcm => {
                (draft.tag, draft.danger_no_tag) = (TagPlace::None, true);
                draft.algorithm = Some(self.keyed.algorithm(hit.mode));
            }
            TagShape::None => draft.tag = TagPlace::Appended,
        }
    }

    fn describe_scope(&self, base: &Draft, draft: &mut Draft) {
        let hit = self.group.first();
        draft.scope = self.group.scope(self.sources);
        draft.encoding = self.group.encoding;
        draft.becomes = match draft.scope {
            ScopePlace::At(_) if !is_document(&hit.plain) => Becomes::Text,
            _ => Becomes::Body,
        };
        draft.content_type = None;
        if draft.scope == ScopePlace::Values {
            let mut own = self.group.own_sites(self.sources);
            if let KeyNaming::At(naming) = &draft.fingerprint {
                let is_naming = |site: &site::Site| site.spot == Spot::At(naming.clone());
                own.extend(self.sources.sites.iter().position(is_naming));
            }
            draft.include = self.group.include(self.sources, self.case.capture, &own);
        } else if draft.becomes == Becomes::Body {
            draft.content_type = self.content_type(base);
        }
    }

    /// What the opened body is to be called, where the head does not say it.
    fn content_type(&self, base: &Draft) -> Option<HeaderValue> {
        let plain = &self.group.first().plain;
        let is_json = plausible::judge(plain).is_some_and(|evidence| evidence.looks == Looks::Json);
        let json = HeaderValue::from_static("application/json");
        if is_json && base.content_type.as_ref() == Some(&json) {
            return Some(json);
        }
        let stated = self.case.capture.head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
        let says =
            |word: &[u8]| stated.is_some_and(|stated| stated.windows(word.len()).any(|part| part == word));
        if stated.is_none() && self.group.encoding == crate::crypto::encoding::Encoding::Raw {
            return None;
        }
        if is_json {
            return (!says(b"json")).then_some(json);
        }
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        (site::is_form(plain) && !says(b"form")).then_some(form)
    }

    fn describe_iv(&self, iv: Iv, draft: &mut Draft) {
        let only = IvLengths::Only(iv.len());
        match &self.sources.ivs[self.group.first().iv] {
            IvSource::At { part, .. } => {
                draft.iv = self.place(part.site).map_or(IvPlace::Prefix, |place| IvPlace::At(place.clone()));
                draft.iv_encoding = part.reading.encoding;
                // A body that can be opened as it streams takes both lengths; any other is held to the one that was seen.
                let any = Draft { iv_length: IvLengths::Any, ..draft.clone() };
                let streams = matches!(any.build("vendor"), Ok(Profile::Stream(_)));
                draft.iv_length = if streams { IvLengths::Any } else { only };
            }
            IvSource::Given { encoding, .. } => {
                (draft.iv, draft.iv_encoding, draft.iv_length) = (IvPlace::Static, *encoding, only);
                draft.static_iv = Some(StaticIv(iv));
            }
            IvSource::Prefix(_) | IvSource::Guess(_) => (draft.iv, draft.iv_length) = (IvPlace::Prefix, only),
        }
    }

    fn ring(&self, fingerprint: &str, now: Timestamp) -> Result<KeyRing, String> {
        let algorithm = self.keyed.algorithm(self.group.first().mode);
        let secret = SecretKey::new(algorithm, &self.keyed.bytes).map_err(|fault| fault.to_string())?;
        let name = fingerprint.parse::<Fingerprint>().map_err(|fault| fault.to_string())?;
        let key = Key::new(name, secret, Validity::default());
        KeyRing::new(vec![key], None, RingPolicy::default(), now)
            .map_err(|_| "the key makes no ring".to_owned())
    }

    /// P7: an envelope of WebSocket is the same under every profile that streams.
    fn message(&self, now: Timestamp) -> Option<Confirmed> {
        let body = &self.case.capture.body;
        let members = ["/iv", "/fingerprint", "/message"];
        let found = |name: &str| {
            let spot = format!("member:{name}");
            self.sources.sites.iter().position(|site| site.spot.to_string() == spot)
        };
        let [iv, fingerprint, message] = members.map(found);
        let hit = self.group.first();
        let is_iv = matches!(&self.sources.ivs[hit.iv], IvSource::At { part, .. } if Some(part.site) == iv);
        if !is_iv || self.group.hits.len() > 1 || Some(self.sources.texts[hit.text].site) != message {
            return None;
        }
        let fingerprint = String::from_utf8(self.sources.sites[fingerprint?].text.to_vec()).ok()?;
        let preset = match hit.mode {
            Mode::Ctr => Preset::named("enterprise-kitchen")?,
            Mode::Cfb | Mode::Cfb8 | Mode::Gcm => Preset::named("ale")?,
        };
        let mut draft = preset.draft();
        let algorithm = self.keyed.algorithm(hit.mode);
        draft.algorithm = draft.algorithm.map(|_| algorithm);
        if self.sources.aads[hit.aad].from == AadFrom::Given {
            draft.aad = Aad::Literal(self.case.aad.unwrap_or_default().into());
        }
        let Ok(Profile::Stream(profile)) = draft.clone().build("vendor") else { return None };
        let ring = self.ring(&fingerprint, now).ok()?;
        let opened = ale::open_message(&profile, body, &ring, now).ok()?;
        let plain = Zeroizing::new(opened.plaintext.to_vec());
        (*plain == *hit.plain).then_some(Confirmed { draft, preset, fingerprint, is_message: true })
    }
}

/// Whether a plaintext is a body of its own rather than one value of a document.
fn is_document(plain: &[u8]) -> bool {
    plausible::judge(plain).is_none_or(|evidence| evidence.looks == Looks::Json) || site::is_form(plain)
}

/// Opens the capture as a sidecar would.
fn opens(case: &Case<'_>, profile: &Profile, ring: &KeyRing, now: Timestamp) -> Result<(), String> {
    let mut head = case.capture.head.clone();
    let body = &case.capture.body;
    match profile {
        Profile::Stream(profile) => {
            let opened = ale::open_request(profile, &mut head, ring, now);
            let mut opening = opened.map_err(|refusal| refused(&refusal))?.body;
            let mut plain = BytesMut::with_capacity(body.len());
            let ended = opening.update(body, &mut plain).and_then(|()| opening.finish());
            drop(Zeroizing::new(Vec::from(plain)));
            ended.map(drop).map_err(|refusal| refused(&refusal))
        }
        Profile::Whole(profile) => {
            let opened = ale::open_whole(&Arc::clone(profile), &mut head, body, ring, now);
            opened.map(drop).map_err(|fault| refused(&fault))
        }
    }
}

fn refused(fault: &dyn std::fmt::Display) -> String {
    format!("Alewife refuses the message: {fault}")
}
