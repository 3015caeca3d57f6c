//! Ciphertexts that opened alike: one message, or the values of one.

use super::capture::Capture;
use super::search::{Hit, TagShape};
use super::site::{self, Spot};
use super::sources::{IvSource, Sources};
use crate::crypto::encoding::Encoding;
use crate::payload::json::Json;
use crate::payload::{Pointer, PointerPattern, form};
use crate::profile::{Name, Place, ScopePlace, Selector};

/// Hits under one key, IV, tag and encoding; at least one.
pub(super) struct Group {
    pub(super) hits: Vec<Hit>,
    pub(super) encoding: Encoding,
}

impl Group {
    /// Puts hits together. What opens the same by another name of the same thing is left out.
    pub(super) fn all(sources: &Sources, hits: Vec<Hit>) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for hit in hits {
            let encoding = sources.texts[hit.text].reading.encoding;
            match groups.iter_mut().find(|group| group.encoding == encoding && is_alike(&group.hits[0], &hit))
            {
                Some(group) => group.hits.push(hit),
                None => groups.push(Self { hits: vec![hit], encoding }),
            }
        }
        let mut kept: Vec<Self> = Vec::new();
        for mut group in groups {
            // A body is one ciphertext; what opens within it as well does so by chance.
            if let Some(at) = group.hits.iter().position(|hit| *group.spot(sources, hit) == Spot::Body) {
                group.hits.swap(0, at);
                group.hits.truncate(1);
            }
            if !kept.iter().any(|known| known.is_same(&group)) {
                kept.push(group);
            }
        }
        kept
    }

    pub(super) fn first(&self) -> &Hit {
        &self.hits[0]
    }

    fn spot<'s>(&self, sources: &'s Sources, hit: &Hit) -> &'s Spot {
        &sources.sites[sources.texts[hit.text].site].spot
    }

    /// The bits that speak for all of it, against so many trials.
    pub(super) fn net_bits(&self, trials: u64) -> f64 {
        let bits: f64 = self.hits.iter().filter_map(|hit| Some(hit.evidence?.bits)).sum();
        bits - (trials.max(1) as f64).log2()
    }

    /// What of the message is sealed.
    pub(super) fn scope(&self, sources: &Sources) -> ScopePlace {
        match (self.hits.len(), self.spot(sources, self.first())) {
            (_, Spot::Body) => ScopePlace::Body,
            (1, Spot::At(place @ (Place::Member(_) | Place::Field(_)))) => ScopePlace::At(place.clone()),
            _ => ScopePlace::Values,
        }
    }

    /// The sites that IV, tag and additional data are from.
    pub(super) fn own_sites(&self, sources: &Sources) -> Vec<usize> {
        let hit = self.first();
        let iv = match &sources.ivs[hit.iv] {
            IvSource::At { part, .. } => Some(part.site),
            IvSource::Given { .. } | IvSource::Guess(_) | IvSource::Prefix(_) => None,
        };
        let tag = if let TagShape::At(tag) = hit.tag { Some(sources.tags[tag].site) } else { None };
        iv.into_iter().chain(tag).collect()
    }

    /// The values that are sealed, as a profile lists them; nothing where those are all that there are but `own`.
    pub(super) fn include(&self, sources: &Sources, capture: &Capture, own: &[usize]) -> Vec<Selector> {
        let opened: Vec<usize> = self.hits.iter().map(|hit| sources.texts[hit.text].site).collect();
        let is_opened = |spot: &Spot| opened.iter().any(|&site| sources.sites[site].spot == *spot);
        let is_own = |spot: &Spot| own.iter().any(|&site| sources.sites[site].spot == *spot);
        let others = all_values(capture).into_iter().filter(|spot| !is_opened(spot) && !is_own(spot));
        let others: Vec<Spot> = others.collect();
        let spots = opened.iter().map(|&site| &sources.sites[site].spot);
        let places: Vec<&Place> =
            spots.filter_map(|spot| if let Spot::At(place) = spot { Some(place) } else { None }).collect();
        let has_header = places.iter().any(|place| matches!(place, Place::Header(_)));
        if others.is_empty() && !has_header {
            return Vec::new();
        }
        let mut include: Vec<Selector> = Vec::new();
        for selector in places.into_iter().filter_map(|place| selector(place, &others)) {
            if !include.contains(&selector) {
                include.push(selector);
            }
        }
        include
    }

    fn is_same(&self, other: &Self) -> bool {
        let (one, two) = (self.first(), other.first());
        let texts = |group: &Self| group.hits.iter().map(|hit| hit.text).collect::<Vec<_>>();
        (one.key, one.mode, one.padding, one.tag) == (two.key, two.mode, two.padding, two.tag)
            && one.iv_bytes == two.iv_bytes
            && texts(self) == texts(other)
    }
}

fn is_alike(one: &Hit, two: &Hit) -> bool {
    (one.key, one.mode, one.iv, one.tag, one.aad) == (two.key, two.mode, two.iv, two.tag, two.aad)
        && one.padding == two.padding
        && one.is_verified == two.is_verified
}

/// Every place at which a profile of values could look; also those of which nothing was tried.
fn all_values(capture: &Capture) -> Vec<Spot> {
    let name = |pair: form::Pair<'_>| {
        form::decode(&pair.name()).map(|name| String::from_utf8_lossy(&name).into_owned().into_boxed_str())
    };
    let query = capture.head.uri.query().unwrap_or_default();
    let mut spots: Vec<Spot> =
        form::pairs(query.as_bytes()).filter_map(name).map(|name| Spot::At(Place::Query(name))).collect();
    if site::is_form_body(capture) {
        let fields = form::pairs(&capture.body).filter_map(name);
        spots.extend(fields.map(|name| Spot::At(Place::Field(name))));
    } else if let Ok(json) = Json::parse(&capture.body) {
        spots.extend(json.leaves().map(|leaf| Spot::At(Place::Member(leaf.pointer()))));
    }
    spots
}

/// What names the place among values. Elements of an array are named together where nothing among `others` is one of them.
fn selector(place: &Place, others: &[Spot]) -> Option<Selector> {
    Some(match place {
        Place::Field(name) => Selector::Form(Name::Exactly(name.clone())),
        Place::Query(name) => Selector::Query(Name::Exactly(name.clone())),
        Place::Header(name) => Selector::Header(name.clone()),
        Place::Member(pointer) => {
            let is_index = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
            let segments: Vec<&str> =
                pointer.segments().iter().map(|name| if is_index(name) { "*" } else { name }).collect();
            let wide: PointerPattern = Pointer::of(&segments).to_string().parse().ok()?;
            let names =
                |spot: &Spot| matches!(spot, Spot::At(Place::Member(other)) if wide.matches_pointer(other));
            if others.iter().any(names) {
                pointer.to_string().parse().map(Selector::Json).ok()?
            } else {
                Selector::Json(wide)
            }
        }
    })
}
