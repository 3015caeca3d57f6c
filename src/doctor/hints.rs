//! Near misses: what would open, and why it does not; what to look at where nothing does.

use super::Case;
use super::group::Group;
use super::keys::{self, Keyed};
use super::search::{Hit, Search, TagShape};
use super::sources::{Guess, IvSource, Sources};
use crate::crypto::encoding::Encoding;
use crate::crypto::{self, Mode};

/// Tells of a group that opens, and of what keeps a profile from saying so.
pub(super) fn opens_but(sources: &Sources, keyed: &Keyed, group: &Group, against: &str) -> String {
    let hit = group.first();
    let site = &sources.sites[sources.texts[hit.text].site].spot;
    let verb = if hit.is_verified { "opens, and its tag is right" } else { "opens to something plausible" };
    format!("{site} {verb} under {}, but {against}", keyed.algorithm(hit.mode))
}

/// Tells of a group that is plausible under GCM, and whose tag is not right.
pub(super) fn unverified(sources: &Sources, keyed: &Keyed, group: &Group) -> String {
    let hit = group.first();
    let site = &sources.sites[sources.texts[hit.text].site].spot;
    let place = match hit.tag {
        TagShape::Appended(_) => "what stands at its end is no tag that verifies",
        TagShape::Before(_) => "what stands before it is no tag that verifies",
        TagShape::At(_) | TagShape::None => "no tag of the capture verifies it",
    };
    format!(
        "{site} opens to something plausible under {}, so key and iv are right, but {place}: additional data is missing (give \
         it with --aad), or the message was changed or cut",
        keyed.algorithm(hit.mode)
    )
}

/// Where nothing opened: what would if it were read less strictly, and what is odd about key and message.
pub(super) fn near_misses(
    case: &Case<'_>,
    search: &Search<'_>,
    strict: &Sources,
    keys: &[Keyed],
    hints: &mut Vec<String>,
) {
    let sources = Sources::lenient(case);
    let mut hits = search.verified(&sources, keys, sources.likely_aads);
    if hits.is_empty() {
        hits = search.plausible(&sources, keys);
        hits.retain(|hit| hit.mode != Mode::Gcm && is_worth_telling(hit, search));
    }
    let mut found: Vec<String> = Vec::new();
    for group in Group::all(&sources, hits) {
        for against in overlooked(&sources, group.first()) {
            let hint = opens_but(&sources, &keys[group.first().key], &group, &against);
            if !found.contains(&hint) {
                found.push(hint);
            }
        }
    }
    found.truncate(4);
    let is_explained = !found.is_empty() || !hints.is_empty();
    hints.append(&mut found);
    hints.extend(short_tag(search, strict, keys));
    if is_explained {
        return;
    }
    hints.push(keys::about(case.key));
    if strict.texts.is_empty() {
        hints.push(
            "nothing in the capture can be a ciphertext: it has no body, and no value in base64 or hex"
                .to_owned(),
        );
    }
    if !strict.ivs.iter().any(|source| matches!(source, IvSource::At { .. } | IvSource::Given { .. })) {
        hints.push(
            "nothing in the capture is an iv of 12 or 16 bytes, and none was given: if both sides know it, give it with --iv"
                .to_owned(),
        );
    }
    let is_in_blocks = |length: usize| length > 0 && length.is_multiple_of(16);
    if strict
        .texts
        .iter()
        .any(|text| text.reading.encoding != Encoding::Raw && is_in_blocks(text.reading.bytes.len()))
    {
        hints.push(
            "a ciphertext has whole blocks of 16 bytes: it may be CBC or ECB, which Alewife does not speak"
                .to_owned(),
        );
    }
}

fn is_worth_telling(hit: &Hit, search: &Search<'_>) -> bool {
    let bits = hit.evidence.map_or(0.0, |evidence| evidence.bits);
    bits - (search.trials.get().max(1) as f64).log2() > super::ENOUGH_BITS
}

/// What has to be overlooked so that a hit opens.
fn overlooked(sources: &Sources, hit: &Hit) -> Vec<String> {
    let site = |index: usize| &sources.sites[index].spot;
    let mut against = Vec::new();
    let text = &sources.texts[hit.text];
    if let Some(quirk) = text.reading.quirk {
        against.push(format!("its text {}", quirk.label()));
    }
    match &sources.ivs[hit.iv] {
        IvSource::At { part, .. } => {
            against.extend(part.reading.quirk.map(|quirk| format!("the iv at {} {}", site(part.site), quirk.label())));
        }
        IvSource::Guess(Guess::Cut { site: at, .. }) => against.push(format!(
            "only under the first 12 of the 16 bytes of iv at {}: the sender cuts it, and no profile says so",
            site(*at)
        )),
        IvSource::Guess(Guess::Padded { site: at, .. }) => against.push(format!(
            "the iv at {} has 12 bytes and the algorithm needs 16: the sender fills it up with zeros, and no profile says so",
            site(*at)
        )),
        IvSource::Guess(Guess::Zero(length)) => against.push(format!(
            "only under an iv of {0} zero bytes: if that is what the vendor does, give it with --iv {1}",
            length.bytes(),
            "0".repeat(2 * length.bytes())
        )),
        IvSource::Guess(Guess::Key) => against.push(
            "only with the first 16 bytes of the key as iv: if that is what the vendor does, give them with --iv".to_owned(),
        ),
        IvSource::Given { .. } | IvSource::Prefix(_) => {}
    }
    if let TagShape::At(tag) = hit.tag {
        let part = &sources.tags[tag];
        against.extend(
            part.reading.quirk.map(|quirk| format!("the tag at {} {}", site(part.site), quirk.label())),
        );
    }
    against
}

/// A tag that is shorter than Alewife takes: 8 bytes at the end, or at a place of its own.
fn short_tag(search: &Search<'_>, sources: &Sources, keys: &[Keyed]) -> Option<String> {
    const SHORT: usize = 8;
    let apart = sources.sites.iter().flat_map(super::site::Site::readings);
    let apart: Vec<Vec<u8>> =
        apart.map(|reading| reading.bytes).filter(|bytes| bytes.len() == SHORT).collect();
    for key in keys {
        let secret = key.secret(Mode::Gcm)?;
        for text in &sources.texts {
            for source in &sources.ivs {
                if search.is_over() {
                    return None;
                }
                let Some((iv, rest)) = sources.iv(source, text, key) else { continue };
                let end = rest.len().checked_sub(SHORT).map(|at| (&rest[..at], &rest[at..]));
                for (ciphertext, tag) in apart.iter().map(|tag| (rest, &tag[..])).chain(end) {
                    let Ok(plain) = crypto::open_unverified(secret, iv.as_bytes(), ciphertext) else {
                        continue;
                    };
                    let Ok((_, Some(whole))) = crypto::seal_detached(secret, iv.as_bytes(), b"", &plain)
                    else {
                        continue;
                    };
                    if whole[..SHORT] == *tag {
                        let site = &sources.sites[text.site].spot;
                        return Some(format!(
                            "{site} opens under {} with a tag of {SHORT} bytes: it is guessed too soon, and Alewife takes \
                             none below 12",
                            key.algorithm(Mode::Gcm)
                        ));
                    }
                }
            }
        }
    }
    None
}
