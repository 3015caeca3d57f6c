//! Where the parts of a message may stand, so that none is in another's way.

use http::HeaderName;

use super::{Draft, Faults};
use crate::profile::{Name, Place, ScopePlace, Selector, TagPlace};

/// Headers that frame a message, belong to one connection, speak of its sealed bytes, or are written anew on the way.
const FRAMING: [&str; 27] = [
    "accept-encoding",
    "accept-ranges",
    "connection",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-md5",
    "content-range",
    "digest",
    "expect",
    "http2-settings",
    "if-range",
    "keep-alive",
    "proxy-connection",
    "range",
    "repr-digest",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "want-content-digest",
    "want-digest",
    "want-repr-digest",
    "x-ale-content-encoding",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// Nothing of a vendor's can stand in these.
fn is_framing(name: &HeaderName) -> bool {
    FRAMING.contains(&name.as_str())
}

/// Nor in those that every message has for a purpose of its own.
fn is_taken(name: &HeaderName) -> bool {
    is_framing(name) || matches!(name.as_str(), "content-type" | "date" | "host")
}

impl Draft {
    pub(super) fn check_places(&self, faults: &mut Faults) {
        let scope = if let ScopePlace::At(place) = &self.scope { Some(("scope", place)) } else { None };
        let mut known: Vec<(&'static str, &Place)> = scope.into_iter().collect();
        for (key, place) in self.places() {
            let fits = match (place, &self.scope) {
                (Place::Header(_) | Place::Query(_), _) => true,
                (Place::Member(_), ScopePlace::At(Place::Member(_))) => true,
                (Place::Field(_), ScopePlace::At(Place::Field(_))) => true,
                (Place::Member(_) | Place::Field(_), _) => false,
            };
            if !fits {
                let problem = format!("{place} is in the body, which {}", self.body());
                faults.add(key, problem, "name a header or a parameter, or a scope of the same kind");
            }
            if let Place::Header(name) = place
                && (is_framing(name) || (key != "aad" && is_taken(name)))
            {
                faults.add(
                    key,
                    format!("{name} has a meaning of its own"),
                    "name a header that only sealed messages bear",
                );
            }
            if let Some((other, _)) = known.iter().find(|(_, other)| collide(place, other)) {
                faults.add(
                    key,
                    format!("{place} is used for {other} already"),
                    "give each part a place of its own",
                );
            }
            known.push((key, place));
        }
        if self.scope == ScopePlace::Values && matches!(self.tag, TagPlace::At(_)) {
            faults.add(
                "tag",
                "each value has a tag of its own",
                "write \"appended\", \"before\" or \"none\"",
            );
        }
    }

    fn body(&self) -> &'static str {
        match self.scope {
            ScopePlace::Body => "is ciphertext",
            ScopePlace::At(Place::Member(_)) => "is a JSON document",
            ScopePlace::At(_) => "is a form",
            ScopePlace::Values => "bears no more than its values",
        }
    }

    /// Values that are listed must be such as can be sealed, and none may be what seals the others.
    pub(super) fn check_selectors(&self, faults: &mut Faults) {
        if self.scope != ScopePlace::Values {
            return;
        }
        for selector in &self.include {
            if let Selector::Header(name) = selector
                && is_taken(name)
            {
                let problem = format!("{name} frames or routes the message, or changes on its way");
                faults.add("include", problem, "remove it; list headers that are the vendor's own");
            }
            if let Some((key, place)) = self.places().find(|(_, place)| stands_at(selector, place)) {
                let problem = format!("{place} is used for {key} already");
                faults.add("include", problem, "give each part a place of its own");
            }
        }
    }
}

/// Whether a selector names what stands at `place`, and nothing else.
fn stands_at(selector: &Selector, place: &Place) -> bool {
    match (selector, place) {
        (Selector::Header(name), Place::Header(own)) => name == own,
        (Selector::Query(Name::Exactly(name)), Place::Query(own)) => name == own,
        _ => false,
    }
}

/// Whether two parts of a message cannot stand at these places at once.
fn collide(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::Member(one), Place::Member(other)) => {
            let (one, other) = (one.segments(), other.segments());
            one.iter().zip(other).all(|(one, other)| one == other)
        }
        (one, other) => one == other,
    }
}
