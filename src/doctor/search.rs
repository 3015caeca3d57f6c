//! Tries keys on parts: first what a tag proves, then what is plausible without one.

use std::cell::Cell;
use std::time::Duration;

use zeroize::Zeroizing;

use super::keys::Keyed;
use super::plausible::{self, Evidence};
use super::sources::{IvSource, Sources};
use crate::crypto::{self, Iv, IvLength, Mode, TagLength};
use crate::profile::Padding;

/// Bytes of a message that are opened to see whether the rest is worth it.
const BEGINNING: usize = 64;

/// Where a tag is taken from. `At` names one of [`Sources::tags`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagShape {
    Appended(usize),
    At(usize),
    Before(usize),
    None,
}

/// A ciphertext that opened. Numbers are those of [`Sources`] and of the keys that were tried.
pub(super) struct Hit {
    pub(super) key: usize,
    pub(super) mode: Mode,
    pub(super) text: usize,
    pub(super) iv: usize,
    pub(super) iv_bytes: Iv,
    pub(super) tag: TagShape,
    pub(super) aad: usize,
    pub(super) padding: Padding,
    pub(super) plain: Zeroizing<Vec<u8>>,
    /// Whether the tag was right.
    pub(super) is_verified: bool,
    /// What else speaks for it.
    pub(super) evidence: Option<Evidence>,
}

/// What is looked at without a tag; under GCM also what is left when a tag of any length is set aside.
const LOOKS: &[(Mode, TagShape)] = &[
    (Mode::Cfb, TagShape::None),
    (Mode::Cfb8, TagShape::None),
    (Mode::Ctr, TagShape::None),
    (Mode::Gcm, TagShape::None),
    (Mode::Gcm, TagShape::Appended(16)),
    (Mode::Gcm, TagShape::Before(16)),
    (Mode::Gcm, TagShape::Appended(15)),
    (Mode::Gcm, TagShape::Before(15)),
    (Mode::Gcm, TagShape::Appended(14)),
    (Mode::Gcm, TagShape::Before(14)),
    (Mode::Gcm, TagShape::Appended(13)),
    (Mode::Gcm, TagShape::Before(13)),
    (Mode::Gcm, TagShape::Appended(12)),
    (Mode::Gcm, TagShape::Before(12)),
];

/// Trials within a time.
pub(super) struct Search<'s> {
    pub(super) left: &'s dyn Fn() -> Duration,
    /// How many openings were tried without a tag: so much less is each of them worth.
    pub(super) trials: Cell<u64>,
}

impl Search<'_> {
    /// Whether the time is over.
    pub(super) fn is_over(&self) -> bool {
        (self.left)().is_zero()
    }

    /// What verifies. Whole tags are tried before shorter ones, and what the first shape gives is all.
    pub(super) fn verified(&self, sources: &Sources, keys: &[Keyed], most_aads: usize) -> Vec<Hit> {
        for shape in shapes(sources) {
            let mut hits = Vec::new();
            self.each(sources, keys, &mut |search, key, text, iv| {
                for aad in 0..most_aads.min(sources.aads.len()) {
                    if search.is_over() {
                        return;
                    }
                    hits.extend(verify(sources, keys, (key, text, iv), shape, aad));
                }
            });
            if !hits.is_empty() {
                return hits;
            }
        }
        Vec::new()
    }

    /// What is plausible without a tag, GCM's included: there with the tag where it may stand, unverified.
    pub(super) fn plausible(&self, sources: &Sources, keys: &[Keyed]) -> Vec<Hit> {
        let mut hits = Vec::new();
        self.each(sources, keys, &mut |search, key, text, iv| {
            for &(mode, shape) in LOOKS {
                if search.is_over() {
                    return;
                }
                search.trials.set(search.trials.get() + 1);
                hits.extend(look(sources, keys, (key, text, iv), mode, shape));
            }
        });
        hits
    }

    fn each(&self, sources: &Sources, keys: &[Keyed], try_one: &mut dyn FnMut(&Self, usize, usize, usize)) {
        for key in 0..keys.len() {
            for text in 0..sources.texts.len() {
                for iv in 0..sources.ivs.len() {
                    if self.is_over() {
                        return;
                    }
                    try_one(self, key, text, iv);
                }
            }
        }
    }
}

/// The places of a tag, the likeliest first.
fn shapes(sources: &Sources) -> Vec<TagShape> {
    let at = (0..sources.tags.len()).map(TagShape::At);
    let short = [15, 14, 13, 12].into_iter().flat_map(|n| [TagShape::Appended(n), TagShape::Before(n)]);
    [TagShape::Appended(16)].into_iter().chain(at).chain([TagShape::Before(16)]).chain(short).collect()
}

/// The tag of a ciphertext, and the rest.
fn split<'t>(sources: &'t Sources, shape: TagShape, text: &'t [u8]) -> Option<(&'t [u8], &'t [u8])> {
    match shape {
        TagShape::Appended(length) => {
            let at = text.len().checked_sub(length)?;
            Some((&text[at..], &text[..at]))
        }
        TagShape::Before(length) => text.split_at_checked(length),
        TagShape::At(tag) => Some((&sources.tags[tag].reading.bytes, text)),
        TagShape::None => None,
    }
}

/// Key, text and IV by number.
type Triple = (usize, usize, usize);

fn verify(sources: &Sources, keys: &[Keyed], triple: Triple, shape: TagShape, aad: usize) -> Option<Hit> {
    let (key, text, iv) = triple;
    let (iv_bytes, rest) = sources.iv(&sources.ivs[iv], &sources.texts[text], &keys[key])?;
    if let TagShape::At(tag) = shape
        && (sources.tags[tag].site == sources.texts[text].site
            || is_at(&sources.ivs[iv], sources.tags[tag].site))
    {
        return None;
    }
    let (tag, ciphertext) = split(sources, shape, rest)?;
    let secret = keys[key].secret(Mode::Gcm)?;
    let length = TagLength::new(tag.len())?;
    let aad_bytes = &sources.aads[aad].bytes;
    let opened = crypto::open_detached(secret, iv_bytes.as_bytes(), aad_bytes, ciphertext, tag, length);
    let plain = opened.ok()?;
    let evidence = plausible::judge(&plain);
    let padding = Padding::None;
    Some(Hit {
        key,
        mode: Mode::Gcm,
        text,
        iv,
        iv_bytes,
        tag: shape,
        aad,
        padding,
        plain,
        is_verified: true,
        evidence,
    })
}

fn is_at(source: &IvSource, site: usize) -> bool {
    matches!(source, IvSource::At { part, .. } if part.site == site)
}

fn look(sources: &Sources, keys: &[Keyed], triple: Triple, mode: Mode, shape: TagShape) -> Option<Hit> {
    let (key, text, iv) = triple;
    let (iv_bytes, rest) = sources.iv(&sources.ivs[iv], &sources.texts[text], &keys[key])?;
    if mode != Mode::Gcm && iv_bytes.len() == IvLength::Twelve {
        return None;
    }
    let ciphertext = match shape {
        TagShape::None => rest,
        shape => split(sources, shape, rest)?.1,
    };
    if ciphertext.is_empty() {
        return None;
    }
    let secret = keys[key].secret(mode)?;
    if ciphertext.len() > BEGINNING {
        let begin = crypto::open_unverified(secret, iv_bytes.as_bytes(), &ciphertext[..BEGINNING]).ok()?;
        if !plausible::may_begin(&begin) {
            return None;
        }
    }
    let mut plain = crypto::open_unverified(secret, iv_bytes.as_bytes(), ciphertext).ok()?;
    let length = plain.len();
    let is_cfb = matches!(mode, Mode::Cfb | Mode::Cfb8);
    if is_cfb && length.is_multiple_of(16) {
        crypto::unpad_pkcs7(&mut plain);
    }
    let padded = length - plain.len();
    // A whole block of padding around nothing says nothing.
    let mut evidence = plausible::judge(&plain)?;
    evidence.bits += 8.0 * padded as f64;
    let padding = if padded > 0 { Padding::Pkcs7 } else { Padding::None };
    Some(Hit {
        key,
        mode,
        text,
        iv,
        iv_bytes,
        tag: shape,
        aad: 0,
        padding,
        plain,
        is_verified: false,
        evidence: Some(evidence),
    })
}
