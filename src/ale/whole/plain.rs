//! Whether a request that is held bears anything of a sealed one, and what would be said of it if it had to be.

use std::sync::Arc;

use http::header::{CONTENT_ENCODING, HeaderMap};
use http::request::Parts;
use http::{Request, Uri};
use jiff::Timestamp;

use super::parts::{Media, Text, media, with_plus};
use super::values::{Change, Direction};
use super::{Counting, WholeFault, open_whole_as};
use crate::keys::KeyRing;
use crate::metrics::AleReason;
use crate::payload::form;
use crate::payload::json::{Json, Kind, unescape};
use crate::profile::{Becomes, Place, Scope, Selector, Values, WholeProfile};

/// Whether anything stands in a request that only a sealed one has: a part at a place of its own, the member or field of the
/// ciphertext, or a text that could be one where ciphertext stands. What cannot be looked into counts as such.
///
/// Not that it opens: a sealed message with one part missing is not a plain one.
pub fn bears_sealed(profile: &WholeProfile, head: &Parts, body: &[u8]) -> bool {
    let message = Looked { profile, headers: &head.headers, target: &head.uri, body };
    profile.own_places().any(|place| message.has(place)) || message.has_ciphertext()
}

/// Why a request would be refused that nothing of is sealed; `None` if it would pass, as those do that need no body (P4).
/// Nothing is counted on the account of any key.
pub fn would_refuse(
    profile: &Arc<WholeProfile>,
    head: &Parts,
    body: &[u8],
    ring: &KeyRing,
    now: Timestamp,
) -> Option<WholeFault> {
    let (mut copy, ()) = Request::new(()).into_parts();
    copy.method.clone_from(&head.method);
    copy.uri.clone_from(&head.uri);
    copy.version = head.version;
    copy.headers.clone_from(&head.headers);
    open_whole_as(profile, &mut copy, body, ring, now, Counting::Nothing).err()
}

/// A request that is looked at.
struct Looked<'l> {
    profile: &'l WholeProfile,
    headers: &'l HeaderMap,
    target: &'l Uri,
    body: &'l [u8],
}

impl Looked<'_> {
    fn has(&self, place: &Place) -> bool {
        match place {
            Place::Header(name) => self.headers.contains_key(name),
            Place::Query(name) => {
                let query = self.target.query().unwrap_or_default();
                form::pairs(query.as_bytes()).any(|pair| pair.name_is(name))
            }
            Place::Field(name) => self.has_field(name, |_| true),
            Place::Member(_) if self.is_coded() => true,
            Place::Member(pointer) => match Json::parse(self.body) {
                Ok(json) => !matches!(json.find(pointer), Ok(None)),
                Err(_) => self.is_broken_json(),
            },
        }
    }

    fn has_ciphertext(&self) -> bool {
        match &self.profile.scope {
            Scope::Body => self.could_be_sealed(self.body.trim_ascii()),
            Scope::Field(name, Becomes::Body) => self.has_field(name, |_| true),
            Scope::Field(name, Becomes::Json | Becomes::Text) => {
                self.has_field(name, |value| self.could_be_sealed(&with_plus(self.profile.encoding, value)))
            }
            Scope::Member(pointer, Becomes::Body) => self.has(&Place::Member(pointer.clone())),
            Scope::Member(..) if self.is_coded() => true,
            Scope::Member(pointer, Becomes::Json | Becomes::Text) => match Json::parse(self.body) {
                Ok(json) => match json.find(pointer) {
                    Ok(None) => false,
                    Ok(Some(found)) => {
                        found.kind == Kind::String && self.could_be_sealed(&unescape(&self.body[found.span]))
                    }
                    Err(_ambiguous) => true,
                },
                Err(_) => self.is_broken_json(),
            },
            Scope::Values(values) => self.has_values(values),
        }
    }

    /// Whether the form has a field of that name whose value is so.
    fn has_field(&self, name: &str, is_so: impl Fn(&[u8]) -> bool) -> bool {
        let value_is_so = |pair: form::Pair<'_>| {
            let value = pair.value.clone().map_or(&b""[..], |span| &self.body[span]);
            form::decode(value).is_none_or(|value| is_so(&value))
        };
        self.is_coded() || form::pairs(self.body).filter(|pair| pair.name_is(name)).any(value_is_so)
    }

    /// Whether any of the listed values could be sealed.
    fn has_values(&self, values: &Values) -> bool {
        let is_of_body = |selector: &Selector| matches!(selector, Selector::Form(_) | Selector::Json(_));
        if values.include.iter().any(is_of_body) && self.is_coded() {
            return true;
        }
        // None of them needs to be there.
        let values = Values { optional: values.include.clone(), ..values.clone() };
        let look_at = |body: &[u8]| {
            let mut found = false;
            let mut look = |text: &[u8]| {
                found |= self.could_be_sealed(text);
                Ok(Text::new(text.to_vec()))
            };
            let direction = Direction::Opening { vouched_for: false };
            let own = self.profile.own_places().collect();
            let change = Change { values: &values, own, encoding: self.profile.encoding, direction };
            let looked = change.apply(self.headers, Some(self.target), body, &mut look);
            (found, looked.err())
        };
        match look_at(self.body) {
            (found, None) => found,
            (false, Some(fault)) if fault.refusal.reason == AleReason::UnsupportedBody => {
                // There are none in a body of that kind, unless it says that it is of one and is not.
                self.is_broken_json() || matches!(look_at(b""), (true, _) | (_, Some(_)))
            }
            (_, Some(_)) => true,
        }
    }

    /// Whether a text is as long as a ciphertext is at least, and in its encoding.
    fn could_be_sealed(&self, text: &[u8]) -> bool {
        let encoding = self.profile.encoding;
        self.profile.encoding_tells()
            && encoding
                .decode(text)
                .is_some_and(|bytes| !bytes.is_empty() && bytes.len() >= self.profile.shortest_sealed())
    }

    /// Whether the body cannot be looked into.
    fn is_coded(&self) -> bool {
        !self.body.is_empty() && self.headers.contains_key(CONTENT_ENCODING)
    }

    /// Whether the body says that it is JSON, and is not: somebody else may find members in it.
    fn is_broken_json(&self) -> bool {
        !self.body.is_empty() && media(self.headers) == Media::Json && Json::parse(self.body).is_err()
    }
}
