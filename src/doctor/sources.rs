//! What of a capture may be ciphertext, IV, tag and additional data.

use super::Case;
use super::capture::CaptureKind;
use super::keys::Keyed;
use super::lenient;
use super::site::{self, Reading, Site, Spot};
use crate::ale;
use crate::crypto::encoding::Encoding;
use crate::crypto::{Iv, IvLength};
use crate::profile::Place;

/// All parts that are tried with each other. They name their sites by number.
pub(super) struct Sources {
    pub(super) sites: Vec<Site>,
    pub(super) texts: Vec<Part>,
    pub(super) ivs: Vec<IvSource>,
    pub(super) tags: Vec<Part>,
    pub(super) aads: Vec<AadSource>,
    /// So many of `aads` are likely: they come first.
    pub(super) likely_aads: usize,
}

/// A text of a site, read in one way.
pub(super) struct Part {
    pub(super) site: usize,
    pub(super) reading: Reading,
}

/// Where an IV may be from.
pub(super) enum IvSource {
    At {
        part: Part,
        iv: Iv,
    },
    Given {
        encoding: Encoding,
        iv: Iv,
    },
    Prefix(IvLength),
    /// What no profile says, for near misses.
    Guess(Guess),
}

/// An IV that the message does not have in a form that Alewife takes.
pub(super) enum Guess {
    /// The first 12 bytes of 16 that stand at a site.
    Cut { site: usize, iv: Iv },
    /// The first bytes of the key.
    Key,
    /// 12 bytes that stand at a site, and zeros.
    Padded { site: usize, iv: Iv },
    /// Nothing but zeros.
    Zero(IvLength),
}

/// What may be authenticated besides.
pub(super) struct AadSource {
    pub(super) from: AadFrom,
    pub(super) bytes: Vec<u8>,
}

/// Where additional data is from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AadFrom {
    Context,
    Given,
    Nothing,
    Site(usize),
}

impl Sources {
    /// The parts of a capture, read as strictly as Alewife does.
    pub(super) fn strict(case: &Case<'_>) -> Self {
        let sites = site::of(case.capture);
        let readings = |site: &Site| site.readings();
        let mut sources = Self::of(sites, &readings);
        sources.ivs.extend(given_ivs(case));
        sources.ivs.extend([IvSource::Prefix(IvLength::Twelve), IvSource::Prefix(IvLength::Sixteen)]);
        sources.add_aads(case);
        sources
    }

    /// The same, with what Alewife would refuse: each hit among these is a near miss.
    pub(super) fn lenient(case: &Case<'_>) -> Self {
        let readings = |site: &Site| {
            let mut readings = site.readings();
            let more = lenient::readings(&site.text).into_iter();
            let more = more.map(|(encoding, bytes, quirk)| Reading { encoding, bytes, quirk: Some(quirk) });
            let known: Vec<_> = readings.iter().map(|reading| reading.bytes.clone()).collect();
            readings.extend(more.filter(|reading| !known.contains(&reading.bytes)));
            readings
        };
        let mut sources = Self::of(site::of(case.capture), &readings);
        sources.ivs.extend(given_ivs(case));
        sources.ivs.extend([IvSource::Prefix(IvLength::Twelve), IvSource::Prefix(IvLength::Sixteen)]);
        let mut guesses = vec![Guess::Zero(IvLength::Twelve), Guess::Zero(IvLength::Sixteen), Guess::Key];
        for source in &sources.ivs {
            let IvSource::At { part, iv } = source else { continue };
            let bytes = iv.as_bytes();
            let guess = if bytes.len() == 16 {
                Iv::from_slice(&bytes[..12]).map(|iv| Guess::Cut { site: part.site, iv })
            } else {
                let padded = [bytes, &[0; 4]].concat();
                Iv::from_slice(&padded).map(|iv| Guess::Padded { site: part.site, iv })
            };
            guesses.extend(guess);
        }
        sources.ivs.extend(guesses.into_iter().map(IvSource::Guess));
        sources.add_aads(case);
        sources
    }

    fn of(sites: Vec<Site>, readings: &dyn Fn(&Site) -> Vec<Reading>) -> Self {
        let (mut texts, mut ivs, mut tags) = (Vec::new(), Vec::new(), Vec::new());
        for (index, site) in sites.iter().enumerate().filter(|(_, site)| site.is_free()) {
            for reading in readings(site) {
                let is_body = site.spot == Spot::Body;
                let part = || Part { site: index, reading: reading.clone() };
                if is_body || reading.encoding != Encoding::Raw {
                    texts.push(part());
                }
                if !is_body && let Some(iv) = Iv::from_slice(&reading.bytes) {
                    ivs.push(IvSource::At { part: part(), iv });
                }
                if !is_body && reading.encoding != Encoding::Raw && (12..=16).contains(&reading.bytes.len()) {
                    tags.push(part());
                }
            }
        }
        // Stable, so that what stands first comes first among equals.
        ivs.sort_by_key(|source| match source {
            IvSource::At { part, .. } => !sites[part.site].is_called_iv(),
            IvSource::Given { .. } | IvSource::Guess(_) | IvSource::Prefix(_) => true,
        });
        Self { sites, texts, ivs, tags, aads: Vec::new(), likely_aads: 0 }
    }

    fn add_aads(&mut self, case: &Case<'_>) {
        let mut aads = vec![AadSource { from: AadFrom::Nothing, bytes: Vec::new() }];
        if let Some(text) = case.aad {
            aads.push(AadSource { from: AadFrom::Given, bytes: text.as_bytes().to_vec() });
        }
        if case.capture.kind == CaptureKind::Request || case.capture.kind == CaptureKind::Query {
            aads.push(AadSource { from: AadFrom::Context, bytes: ale::request_context(&case.capture.head) });
        }
        let can_name = |site: &Site| matches!(site.spot, Spot::At(Place::Header(_) | Place::Member(_)));
        let named = self.sites.iter().enumerate().filter(|(_, site)| can_name(site));
        let (likely, others): (Vec<_>, Vec<_>) = named.partition(|(_, site)| site.is_called_aad());
        for (sites, is_likely) in [(likely, true), (others, false)] {
            for (index, site) in sites {
                if !aads.iter().any(|known| known.bytes == **site.text) {
                    aads.push(AadSource { from: AadFrom::Site(index), bytes: site.text.to_vec() });
                }
            }
            if is_likely {
                self.likely_aads = aads.len();
            }
        }
        self.aads = aads;
    }

    /// The IV that `source` gives for a ciphertext, and what of the ciphertext is left.
    pub(super) fn iv<'t>(&self, source: &IvSource, text: &'t Part, key: &Keyed) -> Option<(Iv, &'t [u8])> {
        let bytes = &text.reading.bytes[..];
        match source {
            IvSource::At { part, iv } => (part.site != text.site).then_some((*iv, bytes)),
            IvSource::Given { iv, .. } => Some((*iv, bytes)),
            IvSource::Prefix(length) => {
                let (iv, rest) = bytes.split_at_checked(length.bytes())?;
                Some((Iv::from_slice(iv)?, rest))
            }
            IvSource::Guess(Guess::Cut { site, iv } | Guess::Padded { site, iv }) => {
                (*site != text.site).then_some((*iv, bytes))
            }
            IvSource::Guess(Guess::Key) => Some((Iv::from_slice(key.bytes.get(..16)?)?, bytes)),
            IvSource::Guess(Guess::Zero(length)) => {
                Some((Iv::from_slice(&[0; 16][..length.bytes()])?, bytes))
            }
        }
    }
}

fn given_ivs(case: &Case<'_>) -> Vec<IvSource> {
    let Some(text) = case.iv else { return Vec::new() };
    let mut ivs: Vec<IvSource> = Vec::new();
    for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Base64Url, Encoding::Raw] {
        let iv = encoding.decode(text.as_bytes()).and_then(|bytes| Iv::from_slice(&bytes));
        let is_known = |iv: &Iv| {
            ivs.iter().any(|known| matches!(known, IvSource::Given { iv: other, .. } if other == iv))
        };
        if let Some(iv) = iv.filter(|iv| !is_known(iv)) {
            ivs.push(IvSource::Given { encoding, iv });
        }
    }
    ivs
}
