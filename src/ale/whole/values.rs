//! Parameter values, each sealed by itself; names, order, and whatever is not listed stay byte for byte.

use http::Uri;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::WholeFault;
use super::parts::{Media, Text, media, with_plus};
use crate::crypto::encoding::Encoding;
use crate::metrics::AleReason;
use crate::payload::form::{self, Pair};
use crate::payload::json::{Json, Kind, Leaf, escape, is_literal, unescape};
use crate::payload::{PointerPattern, Splice};
use crate::profile::{Name, Place, Selector, Values};

/// What becomes of a message whose values were changed.
pub(super) struct Changed {
    /// The body, if anything in it was.
    pub(super) body: Option<Text>,
    /// The query, if anything in it was.
    pub(super) query: Option<Vec<u8>>,
    /// Headers, each with all of its values.
    pub(super) headers: Vec<(HeaderName, Vec<HeaderValue>)>,
}

/// What is done to each value.
pub(super) struct Change<'c> {
    pub(super) values: &'c Values,
    /// Where what seals the values stands: that is no value itself.
    pub(super) own: Vec<&'c Place>,
    pub(super) encoding: Encoding,
    pub(super) direction: Direction,
}

/// Which way a value goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From ciphertext. Whether a tag vouches for what comes of it: where none does, nothing may be refused because of what
    /// it says, or whoever changes the ciphertext would learn from the refusals.
    Opening {
        vouched_for: bool,
    },
    Sealing,
}

/// Opens or seals one value.
pub(super) type Each<'e> = dyn FnMut(&[u8]) -> Result<Text, AleReason> + 'e;

/// A value at its place.
enum Item<'i> {
    Form(&'i Pair<'i>),
    Header(&'i HeaderName),
    Json(&'i Leaf<'i>),
    Query(&'i Pair<'i>),
}

/// Where pairs stand.
#[derive(Clone, Copy)]
enum Pairs {
    Form,
    Query,
}

/// The kind of a body, as far as it has values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kinds {
    Form,
    Json,
    Nothing,
    Untouched,
}

impl Change<'_> {
    /// Changes every value that is listed; an error where one that must be there is not.
    pub(super) fn apply(
        &self,
        headers: &HeaderMap,
        target: Option<&Uri>,
        body: &[u8],
        each: &mut Each<'_>,
    ) -> Result<Changed, WholeFault> {
        let mut found = vec![false; self.values.include.len()];
        let kind = self.kind_of(headers, body)?;
        let query = target.and_then(Uri::query).unwrap_or_default().as_bytes();
        let query = self.pairs(query, Pairs::Query, &mut found, each)?;
        let body = match kind {
            Kinds::Form => self.pairs(body, Pairs::Form, &mut found, each)?,
            Kinds::Json => self.document(body, &mut found, each)?,
            Kinds::Nothing | Kinds::Untouched => None,
        };
        let headers = self.headers(headers, &mut found, each)?;
        self.require_all(&found, kind, target.is_some())?;
        Ok(Changed { body: body.map(Text::new), query, headers })
    }

    /// A body that may have listed values must be of a kind in which they can be found.
    fn kind_of(&self, headers: &HeaderMap, body: &[u8]) -> Result<Kinds, WholeFault> {
        let lists = |is_kind: fn(&Selector) -> bool| self.values.include.iter().any(is_kind);
        let form = lists(|selector| matches!(selector, Selector::Form(_)));
        let json = lists(|selector| matches!(selector, Selector::Json(_)));
        if body.is_empty() {
            return Ok(Kinds::Nothing);
        }
        match media(headers) {
            _ if !form && !json => Ok(Kinds::Untouched),
            Media::Form if form => Ok(Kinds::Form),
            Media::Json if json => Ok(Kinds::Json),
            Media::Form | Media::Json | Media::Other => {
                Err(WholeFault::unable(AleReason::UnsupportedBody, "content-type"))
            }
        }
    }

    fn pairs(
        &self,
        text: &[u8],
        of: Pairs,
        found: &mut [bool],
        each: &mut Each<'_>,
    ) -> Result<Option<Vec<u8>>, WholeFault> {
        let mut edits = Splice::of(text);
        for pair in form::pairs(text) {
            let item = match of {
                Pairs::Form => Item::Form(&pair),
                Pairs::Query => Item::Query(&pair),
            };
            if !self.selects(&item, found) {
                continue;
            }
            let raw = pair.value.clone().map_or(&b""[..], |span| &text[span]);
            let bad = || self.fault(AleReason::BadValue, &item);
            let value = form::decode(raw).ok_or_else(bad)?;
            if value.is_empty() && self.may_be_empty(&item)? {
                continue;
            }
            let changed = match self.direction {
                Direction::Opening { .. } => each(&with_plus(self.encoding, &value)),
                Direction::Sealing => each(&value).and_then(not_empty),
            };
            let changed = changed.map_err(|reason| self.fault(reason, &item))?;
            match pair.value {
                Some(ref span) => edits.replace(span.clone(), form::encode(&changed)),
                None => {
                    let mut text = Text::new(b"=".to_vec());
                    text.extend_from_slice(&form::encode(&changed));
                    edits.replace(pair.span.end..pair.span.end, text);
                }
            }
        }
        Ok((!edits.is_empty()).then(|| edits.finish()))
    }

    fn document(
        &self,
        text: &[u8],
        found: &mut [bool],
        each: &mut Each<'_>,
    ) -> Result<Option<Vec<u8>>, WholeFault> {
        let json = Json::parse(text).map_err(|_| WholeFault::unable(AleReason::UnsupportedBody, "body"))?;
        if let Some(container) = json.containers().find(|container| self.lists_whole(container)) {
            return Err(self.fault(AleReason::BadValue, &Item::Json(&container)));
        }
        let mut edits = Splice::of(text);
        for leaf in json.leaves() {
            let item = Item::Json(&leaf);
            if !self.selects(&item, found) {
                continue;
            }
            let token = &text[leaf.span.clone()];
            let is_literal = self.values.literal.iter().any(|pattern| leaf.matches(pattern));
            let changed = match self.direction {
                Direction::Opening { vouched_for } => {
                    self.open_leaf(&leaf, token, is_literal, vouched_for, each)?
                }
                Direction::Sealing => self.seal_leaf(&leaf, token, is_literal, each)?,
            };
            if let Some(changed) = changed {
                edits.replace(leaf.span.clone(), changed);
            }
        }
        Ok((!edits.is_empty()).then(|| edits.finish()))
    }

    /// Whether an object or array stands where a value is listed: what is in it would pass in clear, and a reader that takes
    /// the last of two members of one name would take it for the value.
    fn lists_whole(&self, container: &Leaf<'_>) -> bool {
        let names = |selector: &Selector| match selector {
            Selector::Json(pattern) => !pattern.is_open() && container.matches(pattern),
            _ => false,
        };
        let Values { include, exclude, .. } = self.values;
        include.iter().any(names) && !exclude.iter().any(names)
    }

    /// What is sealed is a string, whatever it was before.
    fn open_leaf(
        &self,
        leaf: &Leaf<'_>,
        token: &[u8],
        is_literal_place: bool,
        vouched_for: bool,
        each: &mut Each<'_>,
    ) -> Result<Option<Text>, WholeFault> {
        let item = Item::Json(leaf);
        if leaf.kind != Kind::String {
            return Err(self.fault(AleReason::BadValue, &item));
        }
        let text = unescape(token);
        if text.is_empty() && self.may_be_empty(&item)? {
            return Ok(None);
        }
        let plain = each(&text).map_err(|reason| self.fault(reason, &item))?;
        if is_literal_place && is_literal(&plain) {
            return Ok(Some(plain));
        }
        match std::str::from_utf8(&plain) {
            Ok(text) if !(is_literal_place && vouched_for) => Ok(Some(escape(text))),
            Err(_) if !vouched_for => Ok(Some(escape(&String::from_utf8_lossy(&plain)))),
            Ok(_) | Err(_) => Err(self.fault(AleReason::BadValue, &item)),
        }
    }

    /// What would come back as a string, and was none, is not sealed; and the other way round.
    fn seal_leaf(
        &self,
        leaf: &Leaf<'_>,
        token: &[u8],
        is_literal_place: bool,
        each: &mut Each<'_>,
    ) -> Result<Option<Text>, WholeFault> {
        let item = Item::Json(leaf);
        let is_string = leaf.kind == Kind::String;
        let text = if is_string { unescape(token) } else { Text::new(token.to_vec()) };
        if text.is_empty() && self.may_be_empty(&item)? {
            return Ok(None);
        }
        if is_string == is_literal_place {
            return Err(self.fault(AleReason::BadValue, &item));
        }
        let sealed = each(&text).and_then(not_empty).map_err(|reason| self.fault(reason, &item))?;
        let sealed = std::str::from_utf8(&sealed).map_err(|_| self.fault(AleReason::BadValue, &item))?;
        Ok(Some(escape(sealed)))
    }

    fn headers(
        &self,
        headers: &HeaderMap,
        found: &mut [bool],
        each: &mut Each<'_>,
    ) -> Result<Vec<(HeaderName, Vec<HeaderValue>)>, WholeFault> {
        let mut changed: Vec<(HeaderName, Vec<HeaderValue>)> = Vec::new();
        for selector in &self.values.include {
            let Selector::Header(name) = selector else { continue };
            if changed.iter().any(|(known, _)| known == name) || !headers.contains_key(name) {
                continue;
            }
            let item = Item::Header(name);
            if !self.selects(&item, found) {
                continue;
            }
            let values = headers.get_all(name).iter().map(|value| {
                let text = value.as_bytes();
                if text.is_empty() && self.may_be_empty(&item)? {
                    return Ok(value.clone());
                }
                let changed = each(text).and_then(not_empty).map_err(|reason| self.fault(reason, &item))?;
                header_value(&changed).ok_or_else(|| self.fault(AleReason::BadValue, &item))
            });
            changed.push((name.clone(), values.collect::<Result<_, WholeFault>>()?));
        }
        Ok(changed)
    }

    /// Whether the item is listed, noting by which entries.
    fn selects(&self, item: &Item<'_>, found: &mut [bool]) -> bool {
        let Values { include, exclude, .. } = self.values;
        if self.own.iter().any(|place| item.stands_at(place)) {
            return false;
        }
        if exclude.iter().any(|selector| item.is_named_by(selector)) {
            return false;
        }
        let mut selected = false;
        for (selector, found) in include.iter().zip(found) {
            if item.is_named_by(selector) {
                *found = true;
                selected = true;
            }
        }
        selected
    }

    /// Whether an empty value stays one. A sealed one is never empty, so that is an error if the value must be there; what
    /// is to be sealed may be, if sealing makes more than nothing of it.
    fn may_be_empty(&self, item: &Item<'_>) -> Result<bool, WholeFault> {
        if self.values.optional.iter().any(|selector| item.is_named_by(selector)) {
            return Ok(true);
        }
        match self.direction {
            Direction::Opening { .. } => Err(self.fault(AleReason::EmptyValue, item)),
            Direction::Sealing => Ok(false),
        }
    }

    /// Each entry that names one value must have found it, unless it is optional, or of a kind that the body is not.
    fn require_all(&self, found: &[bool], kind: Kinds, has_target: bool) -> Result<(), WholeFault> {
        for (selector, found) in self.values.include.iter().zip(found) {
            let applies = match selector {
                Selector::Query(_) => has_target,
                Selector::Header(_) => true,
                Selector::Form(_) => kind != Kinds::Json,
                Selector::Json(_) => kind != Kinds::Form,
            };
            let is_optional = self.values.optional.iter().any(|optional| covers(optional, selector))
                || self.values.exclude.iter().any(|excluded| covers(excluded, selector));
            if applies && selector.is_exact() && !found && !is_optional {
                return Err(WholeFault::unable(AleReason::MissingValue, selector));
            }
        }
        Ok(())
    }

    /// Names the entry that lists the value, the most exact one: names of its own choosing may be what a sender takes for
    /// sealed, and have no place in a log.
    fn fault(&self, reason: AleReason, item: &Item<'_>) -> WholeFault {
        let mut naming = self.values.include.iter().filter(|selector| item.is_named_by(selector));
        let named = naming.clone().find(|selector| selector.is_exact()).or_else(|| naming.next());
        match named {
            Some(selector) => WholeFault::unable(reason, selector),
            None => WholeFault::unable(reason, "values"),
        }
    }
}

/// Whatever one names, the other does too.
fn covers(wide: &Selector, narrow: &Selector) -> bool {
    match (wide, narrow) {
        (Selector::Form(Name::Any), Selector::Form(_)) => true,
        (Selector::Query(Name::Any), Selector::Query(_)) => true,
        (Selector::Json(wide), Selector::Json(narrow)) => wide == narrow || covers_pointer(wide, narrow),
        (wide, narrow) => wide == narrow,
    }
}

fn covers_pointer(wide: &PointerPattern, narrow: &PointerPattern) -> bool {
    narrow.is_exact().is_some_and(|pointer| wide.matches_pointer(&pointer))
}

/// A text that stands for a value that is there.
fn not_empty(text: Text) -> Result<Text, AleReason> {
    if text.is_empty() { Err(AleReason::EmptyValue) } else { Ok(text) }
}

/// A value that stands in a header as it is: no CR, LF or NUL, and no white space at its ends, which would get lost.
fn header_value(text: &[u8]) -> Option<HeaderValue> {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if is_blank(text.first()) || is_blank(text.last()) {
        return None;
    }
    HeaderValue::from_bytes(text).ok()
}

impl Item<'_> {
    fn stands_at(&self, place: &Place) -> bool {
        match (self, place) {
            (Self::Query(pair), Place::Query(name)) => pair.name_is(name),
            (Self::Header(name), Place::Header(own)) => *name == own,
            _ => false,
        }
    }

    fn is_named_by(&self, selector: &Selector) -> bool {
        match (self, selector) {
            (Self::Form(pair), Selector::Form(name)) | (Self::Query(pair), Selector::Query(name)) => {
                match name {
                    Name::Any => true,
                    Name::Exactly(name) => pair.name_is(name),
                }
            }
            (Self::Header(name), Selector::Header(listed)) => *name == listed,
            (Self::Json(leaf), Selector::Json(pattern)) => leaf.matches(pattern),
            _ => false,
        }
    }
}
