//! Sealing a message that is there as a whole.

use std::sync::Arc;

use http::Uri;
use http::header::HeaderMap;
use jiff::Timestamp;
use rand::CryptoRng;

use super::WholeFault;
use super::cipher::{self, Sealed};
use super::open::{read_body, set_headers};
use super::parts::{self, Body, Message, Placing, Text};
use super::values::{Change, Changed, Direction};
use crate::crypto::Iv;
use crate::keys::Key;
use crate::metrics::AleReason;
use crate::payload::json::{Kind, escape, unescape};
use crate::payload::{Pointer, Splice, form};
use crate::profile::{Aad, Becomes, KeyNaming, Place, Scope, TagPlace, WholeIv, WholeProfile};

/// A message that is to be sealed, and under which key.
pub(super) struct Sealing<'s> {
    pub(super) profile: &'s WholeProfile,
    pub(super) key: &'s Arc<Key>,
    /// An IV that this message must not have.
    pub(super) other: Option<Iv>,
    /// Makes the context of the message, where the profile has it authenticated.
    pub(super) context: &'s dyn Fn() -> Vec<u8>,
    pub(super) now: Timestamp,
}

impl Sealing<'_> {
    /// Seals the message. Its head becomes that of a sealed one, but for its framing. What comes out is the body, and the
    /// IV if all of the message is under one.
    pub(super) fn seal<R: CryptoRng>(
        &self,
        headers: &mut HeaderMap,
        target: Option<&mut Uri>,
        body: &[u8],
        rng: &mut R,
    ) -> Result<(Vec<u8>, Option<Iv>), WholeFault> {
        let sealed = match &self.profile.scope {
            Scope::Values(values) => {
                let own = self.profile.own_places().collect();
                let (encoding, direction) = (self.profile.encoding, Direction::Sealing);
                let change = Change { values, own, encoding, direction };
                self.seal_values(&change, headers, target, body, rng).map(|body| (body, None))
            }
            _ => self.seal_one(headers, target, body, rng).map(|(body, iv)| (body, Some(iv))),
        };
        match &sealed {
            Ok(_) => self.key.note_sealed(self.now),
            Err(_) => self.key.note_unsealed(self.now),
        }
        sealed
    }

    /// Puts the name of the key where the profile has it, and no more: there is nothing to seal.
    pub(super) fn name_key(
        &self,
        headers: &mut HeaderMap,
        mut target: Option<&mut Uri>,
    ) -> Result<(), WholeFault> {
        parts::strip_head(self.profile, headers, target.as_deref_mut());
        let mut placing = Placing { headers, target, members: Vec::new(), fields: Vec::new() };
        self.key.note_sealed(self.now);
        self.put_beside(&mut placing, None, None)
    }

    /// Never the IV of the message that is answered, unless all are under one.
    fn fresh_iv<R: CryptoRng>(&self, rng: &mut R) -> Iv {
        loop {
            let iv = cipher::fresh_iv(self.profile, rng);
            if Some(iv) != self.other || matches!(self.profile.iv, WholeIv::Static(_)) {
                return iv;
            }
        }
    }

    fn seal_values<R: CryptoRng>(
        &self,
        change: &Change<'_>,
        headers: &mut HeaderMap,
        mut target: Option<&mut Uri>,
        body: &[u8],
        rng: &mut R,
    ) -> Result<Vec<u8>, WholeFault> {
        let Self { profile, key, .. } = self;
        read_body(&profile.scope, headers, body)?;
        // What the application wrote where the envelope stands would be sealed or stand there twice.
        parts::strip_head(profile, headers, target.as_deref_mut());
        let message = Message { headers, target: target.as_deref(), body: &Body::Bytes };
        let aad = message.aad(&profile.aad)?;
        // All values are under the one that stands in the head; in front of each stands its own.
        let shared = if profile.shares_iv() { Some(cipher::fresh_iv(profile, rng)) } else { None };
        let mut each = |plaintext: &[u8]| {
            let sealed = cipher::seal(profile, key, plaintext, shared.as_ref(), &aad, rng)?;
            Ok(Text::new(sealed.text))
        };
        let changed = change.apply(message.headers, message.target, body, &mut each)?;
        let Changed { body: sealed, query, headers: values } = changed;
        if let (Some(target), Some(query)) = (target.as_deref_mut(), query) {
            let too_long = || WholeFault::unable(AleReason::BadValue, "query");
            parts::set_query(target, &query).ok_or_else(too_long)?;
        }
        set_headers(headers, values);
        let mut placing = Placing { headers, target, members: Vec::new(), fields: Vec::new() };
        self.put_beside(&mut placing, shared.as_ref(), None)?;
        Ok(sealed.map_or_else(|| body.to_vec(), |sealed| sealed.to_vec()))
    }

    fn seal_one<R: CryptoRng>(
        &self,
        headers: &mut HeaderMap,
        mut target: Option<&mut Uri>,
        body: &[u8],
        rng: &mut R,
    ) -> Result<(Vec<u8>, Iv), WholeFault> {
        let Self { profile, key, .. } = self;
        let (plain, becomes) = self.plaintext(headers, body)?;
        parts::strip_head(profile, headers, target.as_deref_mut());
        let iv = self.fresh_iv(rng);
        let aad = match &profile.aad {
            Aad::Context => (self.context)(),
            // In a body that is made here there is no such member yet.
            Aad::At(Place::Member(_)) if becomes == Some(Becomes::Body) => Vec::new(),
            aad => {
                let body = if becomes.is_some_and(|becomes| becomes != Becomes::Body) {
                    read_body(&profile.scope, headers, body)?
                } else {
                    Body::Bytes
                };
                Message { headers, target: target.as_deref(), body: &body }.aad(aad)?
            }
        };
        let Sealed { text, iv, tag } = cipher::seal(profile, key, &plain, Some(&iv), &aad, rng)
            .map_err(|reason| WholeFault::unable(reason, "body"))?;
        let mut placing = Placing { headers, target, members: Vec::new(), fields: Vec::new() };
        let body = match (&profile.scope, becomes) {
            (Scope::Member(pointer, _), Some(Becomes::Body)) => {
                placing.members.push((pointer.clone(), text));
                self.put_beside(&mut placing, Some(&iv), tag)?;
                self.made_body(placing)?
            }
            (Scope::Field(name, _), Some(Becomes::Body)) => {
                placing.fields.push((name.clone(), text));
                self.put_beside(&mut placing, Some(&iv), tag)?;
                self.made_body(placing)?
            }
            (Scope::Member(..), Some(_)) => {
                self.put_beside(&mut placing, Some(&iv), tag)?;
                self.with_member_sealed(body, &text, &placing)?
            }
            (Scope::Field(name, _), Some(_)) => {
                self.put_beside(&mut placing, Some(&iv), tag)?;
                with_field_sealed(body, name, &text, &placing)
            }
            (Scope::Body | Scope::Values(_) | Scope::Member(..) | Scope::Field(..), _) => {
                self.put_beside(&mut placing, Some(&iv), tag)?;
                text
            }
        };
        Ok((body, iv))
    }

    /// What is sealed of a body, and what it is when it has been opened, if it is a part of it.
    fn plaintext(&self, headers: &HeaderMap, body: &[u8]) -> Result<(Text, Option<Becomes>), WholeFault> {
        let whole = || Text::new(body.to_vec());
        let becomes = match &self.profile.scope {
            Scope::Body | Scope::Values(_) => return Ok((whole(), None)),
            Scope::Member(_, becomes) | Scope::Field(_, becomes) => *becomes,
        };
        if becomes == Becomes::Body {
            return Ok((whole(), Some(becomes)));
        }
        let read = read_body(&self.profile.scope, headers, body)?;
        let plain = match (&self.profile.scope, &read) {
            (Scope::Member(pointer, _), Body::Document(text, json)) => {
                let place = Place::Member(pointer.clone());
                let found =
                    json.find(pointer).map_err(|_| WholeFault::unable(AleReason::BadValue, &place))?;
                let found = found.ok_or_else(|| WholeFault::unable(AleReason::MissingValue, &place))?;
                match (becomes, found.kind) {
                    (Becomes::Json, _) => Text::new(text[found.span].to_vec()),
                    (_, Kind::String) => unescape(&text[found.span]),
                    _ => return Err(WholeFault::unable(AleReason::BadValue, &place)),
                }
            }
            (Scope::Field(name, _), _) => {
                let place = Place::Field(name.clone());
                let message = Message { headers, target: None, body: &read };
                let text =
                    message.text_at(&place).map_err(|_| WholeFault::unable(AleReason::BadValue, &place))?;
                text.ok_or_else(|| WholeFault::unable(AleReason::MissingValue, &place))?
            }
            _ => whole(),
        };
        Ok((plain, Some(becomes)))
    }

    /// Puts IV, tag and fingerprint where the profile has them.
    fn put_beside(
        &self,
        placing: &mut Placing<'_>,
        iv: Option<&Iv>,
        tag: crate::crypto::Tag,
    ) -> Result<(), WholeFault> {
        let profile = self.profile;
        let mut put = |place: &Place, text: Vec<u8>| {
            placing.put(place, text).ok_or_else(|| WholeFault::unable(AleReason::BadValue, place))
        };
        if let (WholeIv::At(place, _), Some(iv)) = (&profile.iv, iv) {
            put(place, profile.iv_encoding.encode(iv.as_bytes()))?;
        }
        if let (TagPlace::At(place), Some(tag)) = (&profile.tag, tag) {
            put(place, profile.tag_encoding.encode(&tag[..profile.tag_length.bytes()]))?;
        }
        if let KeyNaming::At(place) = &profile.key {
            put(place, self.key.fingerprint.as_str().as_bytes().to_vec())?;
        }
        Ok(())
    }

    fn made_body(&self, placing: Placing<'_>) -> Result<Vec<u8>, WholeFault> {
        let made = placing.body_of_parts();
        let (body, content_type) = made.ok_or_else(|| WholeFault::unable(AleReason::BadValue, "body"))?;
        parts::set_media(placing.headers, &content_type);
        Ok(body)
    }

    /// The document with its member sealed, and with what makes it a sealed one.
    fn with_member_sealed(
        &self,
        body: &[u8],
        text: &[u8],
        placing: &Placing<'_>,
    ) -> Result<Vec<u8>, WholeFault> {
        let Scope::Member(pointer, _) = &self.profile.scope else { return Ok(body.to_vec()) };
        let fault = || WholeFault::unable(AleReason::BadValue, Place::Member(pointer.clone()));
        let Body::Document(document, json) = read_body(&self.profile.scope, placing.headers, body)? else {
            return Err(fault());
        };
        let found = json.find(pointer).ok().flatten().ok_or_else(fault)?;
        // An object that was made for them would stay behind when they are taken out again.
        for (pointer, _) in &placing.members {
            let parent = pointer
                .segments()
                .split_last()
                .map_or_else(|| Pointer::of::<&str>(&[]), |(_, parent)| Pointer::of(parent));
            let is_there =
                json.find(&parent).ok().flatten().is_some_and(|parent| parent.kind == Kind::Object);
            if !is_there {
                return Err(WholeFault::unable(AleReason::MissingValue, Place::Member(parent)));
            }
        }
        let mut edits = Splice::of(document);
        edits.replace(found.span, escape(std::str::from_utf8(text).map_err(|_| fault())?));
        let sealed = edits.finish();
        placing.members.iter().try_fold(sealed, |document, (pointer, text)| {
            let fault = || WholeFault::unable(AleReason::BadValue, Place::Member(pointer.clone()));
            let token = escape(std::str::from_utf8(text).map_err(|_| fault())?);
            parts::with_member(&document, pointer, &token).ok_or_else(fault)
        })
    }
}

/// The form with its field sealed, and with what makes it a sealed one.
fn with_field_sealed(body: &[u8], name: &str, text: &[u8], placing: &Placing<'_>) -> Vec<u8> {
    let mut edits = Splice::of(body);
    if let Some(pair) = form::pairs(body).find(|pair| pair.name_is(name)) {
        match pair.value {
            Some(span) => edits.replace(span, form::encode(text)),
            None => edits.replace(pair.span.end..pair.span.end, [&b"="[..], &form::encode(text)].concat()),
        }
    }
    let mut sealed = edits.finish();
    placing.fields.iter().for_each(|(name, text)| parts::append_pair(&mut sealed, name, text));
    sealed
}
