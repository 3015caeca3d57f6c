//! Opening a message that is there as a whole.

use std::sync::Arc;

use http::Uri;
use http::header::{CONTENT_ENCODING, HeaderMap};
use jiff::Timestamp;

use super::cipher::{self, Beside as Sides};
use super::parts::{self, Body, Message, Text};
use super::values::{Change, Changed, Direction};
use super::{Counting, WholeFault};
use crate::ale::Refusal;
use crate::crypto::{Iv, Tag};
use crate::keys::Key;
use crate::metrics::AleReason;
use crate::payload::json::{Json, Kind, escape, unescape};
use crate::payload::{Pointer, Splice, form};
use crate::profile::{Aad, Becomes, Place, Scope, WholeProfile};

/// A message that opened: its plaintext, and under which key and IV it was.
pub(super) struct Opened {
    pub(super) key: Arc<Key>,
    pub(super) body: Text,
    /// Absent where values have IVs of their own.
    pub(super) iv: Option<Iv>,
    pub(super) tag: Tag,
}

/// A message that is to be opened, and which keys may do it.
pub(super) struct Opening<'o> {
    pub(super) profile: &'o WholeProfile,
    pub(super) keys: Vec<Arc<Key>>,
    /// The context of the message, where the profile has it authenticated.
    pub(super) context: Vec<u8>,
    pub(super) now: Timestamp,
    pub(super) counting: Counting,
}

impl Opening<'_> {
    /// Opens the message under the first key that can. Its head becomes the plaintext's then, but for its framing; on any
    /// failure nothing has changed.
    pub(super) fn open(
        self,
        headers: &mut HeaderMap,
        mut target: Option<&mut Uri>,
        body: &[u8],
    ) -> Result<Opened, WholeFault> {
        let Self { profile, keys, context, now, counting } = self;
        let read = read_body(&profile.scope, headers, body)?;
        let mut first = None;
        for key in keys {
            let message = Message { headers, target: target.as_deref(), body: &read };
            match open_under(profile, &key, &message, body, &context) {
                Ok((opened, changed)) => {
                    finish(profile, headers, target.as_deref_mut(), changed)?;
                    if counting == Counting::Uses {
                        key.note_opened(now);
                    }
                    return Ok(Opened { key, ..opened });
                }
                Err(fault) => {
                    first.get_or_insert((fault, key));
                }
            }
        }
        let Some((fault, key)) = first else {
            return Err(Refusal::unable(AleReason::UnknownFingerprint).into());
        };
        if counting == Counting::Uses {
            key.note_unopened(now);
        }
        Err(fault)
    }
}

/// The body as the scope reads it.
pub(super) fn read_body<'b>(
    scope: &Scope,
    headers: &HeaderMap,
    body: &'b [u8],
) -> Result<Body<'b>, WholeFault> {
    if !matches!(scope, Scope::Body) && headers.contains_key(CONTENT_ENCODING) {
        return Err(WholeFault::unable(AleReason::UnsupportedBody, "content-encoding"));
    }
    match scope {
        Scope::Body | Scope::Values(_) => Ok(Body::Bytes),
        Scope::Field(..) => Ok(Body::Form(body)),
        Scope::Member(..) => match Json::parse(body) {
            Ok(json) => Ok(Body::Document(body, json)),
            Err(_) => Err(WholeFault::headers(AleReason::BadEnvelope, "body")),
        },
    }
}

/// What an opened message leaves to be done to its head.
type Rest = Option<Changed>;

fn open_under(
    profile: &WholeProfile,
    key: &Arc<Key>,
    message: &Message<'_>,
    body: &[u8],
    context: &[u8],
) -> Result<(Opened, Rest), WholeFault> {
    let is_gcm = key.secret.algorithm().is_authenticated();
    let beside = message.beside(profile, is_gcm)?;
    let aad = if profile.aad == Aad::Context { context.to_vec() } else { message.aad(&profile.aad)? };
    let sides = Sides { iv: beside.iv.as_ref(), tag: beside.tag.as_deref(), aad: &aad };
    let opened = |text: &[u8], at: &dyn std::fmt::Display| {
        cipher::open(profile, key, text, sides).map_err(|reason| WholeFault::unable(reason, at))
    };
    let vouched_for = cipher::is_vouched_for(profile, key);
    let (plain, iv, tag) = match (&profile.scope, message.body) {
        (Scope::Values(values), _) => {
            let direction = Direction::Opening { vouched_for };
            let change =
                Change { values, own: profile.own_places().collect(), encoding: profile.encoding, direction };
            let mut each =
                |text: &[u8]| cipher::open(profile, key, text, sides).map(|opened| opened.plaintext);
            let mut changed = change.apply(message.headers, message.target, body, &mut each)?;
            let body = changed.body.take().unwrap_or_else(|| Text::new(body.to_vec()));
            return Ok((Opened { key: Arc::clone(key), body, iv: None, tag: None }, Some(changed)));
        }
        (Scope::Member(pointer, becomes), Body::Document(text, json)) => {
            let span = sealed_member(json, pointer)?;
            let sealed = unescape(&text[span.clone()]);
            let cipher::Opened { plaintext, iv, tag } = opened(&sealed, &Place::Member(pointer.clone()))?;
            let plain = match becomes {
                Becomes::Body => plaintext,
                Becomes::Json | Becomes::Text => {
                    let token = member_token(*becomes, &plaintext, vouched_for).ok_or_else(|| {
                        WholeFault::unable(AleReason::BadValue, Place::Member(pointer.clone()))
                    })?;
                    replace_member(profile, text, json, span, token)
                }
            };
            (plain, iv, tag)
        }
        (Scope::Field(name, becomes), _) => {
            let place = Place::Field(name.clone());
            let text =
                message.text_at(&place).map_err(|_| WholeFault::headers(AleReason::BadEnvelope, &place))?;
            let text = text.ok_or_else(|| WholeFault::headers(AleReason::MissingMessage, &place))?;
            let cipher::Opened { plaintext, iv, tag } =
                opened(&parts::with_plus(profile.encoding, &text), &place)?;
            let plain = match becomes {
                Becomes::Body => plaintext,
                Becomes::Json | Becomes::Text => replace_field(profile, body, name, &plaintext),
            };
            (plain, iv, tag)
        }
        (Scope::Body | Scope::Member(..), _) => {
            let cipher::Opened { plaintext, iv, tag } = opened(body, &"body")?;
            (plaintext, iv, tag)
        }
    };
    Ok((Opened { key: Arc::clone(key), body: plain, iv: Some(iv), tag }, None))
}

fn sealed_member(json: &Json<'_>, pointer: &Pointer) -> Result<std::ops::Range<usize>, WholeFault> {
    let fault = |reason| WholeFault::headers(reason, Place::Member(pointer.clone()));
    let found = json.find(pointer).map_err(|_ambiguous| fault(AleReason::BadEnvelope))?;
    let found = found.ok_or_else(|| fault(AleReason::MissingMessage))?;
    if found.kind == Kind::String { Ok(found.span) } else { Err(fault(AleReason::BadEnvelope)) }
}

/// The plaintext as a JSON value. Where no tag vouches for it, whatever it is stands there as a string.
fn member_token(becomes: Becomes, plaintext: &Text, vouched_for: bool) -> Option<Text> {
    if becomes == Becomes::Json && Json::parse(plaintext).is_ok() {
        return Some(plaintext.clone());
    }
    match std::str::from_utf8(plaintext) {
        Ok(text) if becomes == Becomes::Text || !vouched_for => Some(escape(text)),
        Err(_) if !vouched_for => Some(escape(&String::from_utf8_lossy(plaintext))),
        Ok(_) | Err(_) => None,
    }
}

/// The document with the plaintext in its place, and without what made it a sealed one.
fn replace_member(
    profile: &WholeProfile,
    text: &[u8],
    json: &Json<'_>,
    span: std::ops::Range<usize>,
    token: Text,
) -> Text {
    let own: Vec<&Pointer> = profile
        .own_places()
        .filter_map(|place| if let Place::Member(pointer) = place { Some(pointer) } else { None })
        .collect();
    let mut edits = Splice::of(text);
    edits.replace(span, token);
    // Each was found where it stands, so none is there twice.
    for cut in json.without(&own).unwrap_or_default() {
        edits.replace(cut, Vec::new());
    }
    Text::new(edits.finish())
}

/// The form with the plaintext in its place, and without what made it a sealed one.
fn replace_field(profile: &WholeProfile, body: &[u8], name: &str, plaintext: &[u8]) -> Text {
    let mut edits = Splice::of(body);
    if let Some(pair) = form::pairs(body).find(|pair| pair.name_is(name))
        && let Some(span) = pair.value
    {
        edits.replace(span, form::encode(plaintext));
    }
    let replaced = Text::new(edits.finish());
    let own: Vec<&str> = profile
        .own_places()
        .filter_map(|place| if let Place::Field(name) = place { Some(&**name) } else { None })
        .collect();
    if own.is_empty() { replaced } else { Text::new(form::without(&replaced, &own)) }
}

/// Makes the head the plaintext's. Opened values may be longer than a target can be.
fn finish(
    profile: &WholeProfile,
    headers: &mut HeaderMap,
    mut target: Option<&mut Uri>,
    changed: Rest,
) -> Result<(), WholeFault> {
    if let Some(Changed { query, headers: values, .. }) = changed {
        if let (Some(target), Some(query)) = (target.as_deref_mut(), query) {
            let too_long = || WholeFault::unable(AleReason::BadValue, "query");
            parts::set_query(target, &query).ok_or_else(too_long)?;
        }
        set_headers(headers, values);
    }
    parts::strip_head(profile, headers, target);
    if let Some(content_type) = &profile.content_type {
        parts::set_media(headers, content_type);
    }
    Ok(())
}

/// Puts each header's values in the place of those that it had.
pub(super) fn set_headers(headers: &mut HeaderMap, values: Vec<(http::HeaderName, Vec<http::HeaderValue>)>) {
    for (name, values) in values {
        headers.remove(&name);
        for value in values {
            headers.append(name.clone(), value);
        }
    }
}
