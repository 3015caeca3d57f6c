//! From a description to a wire format that works, or to everything that keeps it from working.

mod places;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::HeaderName;

use super::draft::{Draft, IvLengths, StaticIv};
use super::{
    Aad, Becomes, IvPlace, KeyNaming, Padding, Place, Profile, Scope, ScopePlace, StreamAad, StreamProfile,
    TagPlace, Terms, Values, WholeIv, WholeProfile,
};
use crate::crypto::encoding::Encoding;
use crate::crypto::{IvLength, Mode, TagLength};

/// What keeps a wire format from working.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileFault {
    /// The key of the configuration that is to be changed.
    pub key: &'static str,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Draft {
    /// The wire format `name`, if what is described can work.
    pub fn build(self, name: &str) -> Result<Profile, Vec<ProfileFault>> {
        let mut faults = Faults(Vec::new());
        self.check_iv(&mut faults);
        self.check_tag(&mut faults);
        self.check_authentication(&mut faults);
        self.check_scope(&mut faults);
        self.check_places(&mut faults);
        self.check_selectors(&mut faults);
        self.check_replies(&mut faults);
        let Faults(faults) = faults;
        if faults.is_empty() { Ok(self.into_profile(name)) } else { Err(faults) }
    }

    fn check_iv(&self, faults: &mut Faults) {
        match (&self.iv, self.static_iv) {
            (IvPlace::Static, None) => faults.add(
                "static_iv",
                "the iv is nowhere: no message bears it, and no static one is given",
                "write static_iv = { file = \"PATH\" } or { env = \"VARIABLE\" }",
            ),
            (IvPlace::At(_) | IvPlace::Prefix, Some(_)) => {
                faults.add(
                    "static_iv",
                    "the messages bear an iv of their own",
                    "remove it, or write iv = \"static\"",
                );
            }
            (IvPlace::Static, Some(StaticIv(iv))) => {
                if let IvLengths::Only(length) = self.iv_length
                    && iv.len() != length
                {
                    faults.add(
                        "static_iv",
                        format!("it has {} bytes, and iv_length says {}", iv.len().bytes(), length.bytes()),
                        "write the vendor's iv with the encoding that iv_encoding names",
                    );
                }
            }
            (IvPlace::At(_) | IvPlace::Prefix, None) => {}
        }
        let twelve = match self.static_iv {
            Some(StaticIv(iv)) => iv.len() == IvLength::Twelve,
            None => self.iv_length == IvLengths::Only(IvLength::Twelve),
        };
        if twelve && self.algorithm.is_some_and(|algorithm| !algorithm.is_authenticated()) {
            faults.add("iv_length", "only GCM takes an iv of 12 bytes", "write 16");
        }
        if self.danger_static_iv && !self.shares_iv() {
            faults.add("danger_static_iv", "no two values or messages share an iv", "remove it");
        }
    }

    fn shares_iv(&self) -> bool {
        match self.iv {
            IvPlace::Static => true,
            IvPlace::At(_) => self.scope == ScopePlace::Values,
            IvPlace::Prefix => false,
        }
    }

    fn may_be_gcm(&self) -> bool {
        self.algorithm.is_none_or(|algorithm| algorithm.is_authenticated())
    }

    fn check_tag(&self, faults: &mut Faults) {
        match self.tag {
            TagPlace::None if self.may_be_gcm() && !self.danger_no_tag => faults.add(
                "tag",
                "GCM without a tag: whoever reaches the line can change every bit of a message unnoticed",
                "say where the tag stands; if the vendor sends none at all, write danger_no_tag = true",
            ),
            TagPlace::At(_) if !self.may_be_gcm() => {
                faults.add("tag", "the algorithm has no tag", "remove it, or name an algorithm with GCM");
            }
            _ => {}
        }
        if self.danger_no_tag && (self.tag != TagPlace::None || !self.may_be_gcm()) {
            faults.add("danger_no_tag", "no tag is left out", "remove it, or write tag = \"none\"");
        }
        if matches!(self.tag, TagPlace::At(_)) && self.tag_encoding == Encoding::Raw {
            faults.add(
                "tag_encoding",
                "raw bytes cannot stand there",
                "write \"base64\", \"base64url\" or \"hex\"",
            );
        }
    }

    fn check_authentication(&self, faults: &mut Faults) {
        if self.aad != Aad::None && (!self.may_be_gcm() || self.tag == TagPlace::None) {
            faults.add("aad", "nothing is authenticated without a tag", "remove it");
        }
        let cfb = self.algorithm.is_some_and(|algorithm| matches!(algorithm.mode, Mode::Cfb | Mode::Cfb8));
        if self.padding != Padding::None && !cfb {
            let remedy = "remove it, or name an algorithm with CFB or CFB8";
            faults.add(
                "padding",
                "only clients of CFB add a padding that their cipher does not need",
                remedy,
            );
        }
        let in_query = |place: &&Place| matches!(place, Place::Query(_));
        if self.aad == Aad::Context
            && (self.scope == ScopePlace::Values || self.places().any(|(_, place)| in_query(&place)))
        {
            faults.add(
                "aad",
                "the context has the target in it, which changes when something of the query is sealed or carried",
                "take everything out of the query, or write another aad",
            );
        }
    }

    fn check_scope(&self, faults: &mut Faults) {
        match &self.scope {
            ScopePlace::Body => {}
            ScopePlace::At(_) | ScopePlace::Values if self.encoding == Encoding::Raw => faults.add(
                "encoding",
                "raw ciphertext cannot stand in a text",
                "write \"base64\", \"base64url\" or \"hex\"",
            ),
            ScopePlace::At(Place::Field(_)) if self.becomes == Becomes::Json => {
                faults.add("becomes", "a form has no JSON values", "write \"body\" or \"text\"");
            }
            ScopePlace::At(_) | ScopePlace::Values => {}
        }
        if !matches!(self.scope, ScopePlace::At(_)) && self.becomes != Becomes::Body {
            faults.add("becomes", "only one member or field can become something else", "remove it");
        }
        if self.scope != ScopePlace::Values {
            let lists = [
                ("include", self.include.is_empty()),
                ("exclude", self.exclude.is_empty()),
                ("optional", self.optional.is_empty()),
                ("literal", self.literal.is_empty()),
            ];
            for (key, is_empty) in lists {
                if !is_empty {
                    faults.add(
                        key,
                        "no values are sealed one by one",
                        "remove it, or write scope = \"values\"",
                    );
                }
            }
        }
        if self.content_type.is_some() && (self.scope == ScopePlace::Values || self.becomes != Becomes::Body)
        {
            faults.add("content_type", "the body stays what it is", "remove it");
        }
    }

    /// The places of their own that a message has, by the key that names each.
    fn places(&self) -> impl Iterator<Item = (&'static str, &Place)> {
        let iv = if let IvPlace::At(place) = &self.iv { Some(("iv", place)) } else { None };
        let tag = if let TagPlace::At(place) = &self.tag { Some(("tag", place)) } else { None };
        let key =
            if let KeyNaming::At(place) = &self.fingerprint { Some(("fingerprint", place)) } else { None };
        let aad = if let Aad::At(place) = &self.aad { Some(("aad", place)) } else { None };
        [iv, tag, key, aad].into_iter().flatten()
    }

    fn check_replies(&self, faults: &mut Faults) {
        if !self.seal_replies {
            return;
        }
        if let Some((key, place)) = self.places().find(|(_, place)| matches!(place, Place::Query(_))) {
            let problem = format!("replies are sealed, and have no {place}");
            faults.add(key, problem, "write seal_replies = false, or another place");
        }
    }

    fn into_profile(self, name: &str) -> Profile {
        let terms = Terms {
            name: name.into(),
            bodyless_methods: self.bodyless_methods.clone(),
            seal_replies: self.seal_replies,
            credential_mismatch: self.credential_mismatch,
            errors: self.errors.clone(),
        };
        match self.streamed() {
            Some((iv, fingerprint, aad)) => Profile::Stream(Arc::new(StreamProfile {
                terms,
                algorithm: self.algorithm,
                iv,
                fingerprint,
                content_encoding: StreamProfile::CONTENT_ENCODING,
                aad,
            })),
            None => Profile::Whole(Arc::new(self.into_whole(terms))),
        }
    }

    /// Whether bodies are sealed and opened as they stream.
    pub fn streams(&self) -> bool {
        self.streamed().is_some()
    }

    /// What a format that streams still leaves open, if this is one.
    fn streamed(&self) -> Option<(HeaderName, HeaderName, StreamAad)> {
        let streams = self.scope == ScopePlace::Body
            && self.encoding == Encoding::Raw
            && self.iv_length == IvLengths::Any
            && self.iv_encoding == Encoding::Base64
            && self.tag == TagPlace::Appended
            && self.tag_length == TagLength::WHOLE
            && self.padding == Padding::None
            && self.content_type.is_none();
        let aad = match &self.aad {
            Aad::None => StreamAad::Literal("".into()),
            Aad::Literal(text) => StreamAad::Literal(text.clone()),
            Aad::Context => StreamAad::Context,
            Aad::At(_) => return None,
        };
        match (&self.iv, &self.fingerprint) {
            (IvPlace::At(Place::Header(iv)), KeyNaming::At(Place::Header(fingerprint))) if streams => {
                Some((iv.clone(), fingerprint.clone(), aad))
            }
            _ => None,
        }
    }

    fn into_whole(self, terms: Terms) -> WholeProfile {
        let length = match self.iv_length {
            IvLengths::Any => None,
            IvLengths::Only(length) => Some(length),
        };
        let iv = match (self.iv, self.static_iv) {
            (IvPlace::At(place), _) => WholeIv::At(place, length),
            (IvPlace::Static, Some(StaticIv(iv))) => WholeIv::Static(iv),
            (IvPlace::Prefix | IvPlace::Static, _) => WholeIv::Prefix(length.unwrap_or(IvLength::Sixteen)),
        };
        let scope = match self.scope {
            ScopePlace::At(Place::Field(name)) => Scope::Field(name, self.becomes),
            ScopePlace::At(Place::Member(pointer)) => Scope::Member(pointer, self.becomes),
            ScopePlace::At(Place::Header(_) | Place::Query(_)) | ScopePlace::Body => Scope::Body,
            ScopePlace::Values => Scope::Values(Values {
                include: if self.include.is_empty() { Values::all() } else { self.include },
                exclude: self.exclude,
                optional: self.optional,
                literal: self.literal,
            }),
        };
        WholeProfile {
            terms,
            algorithm: self.algorithm,
            iv,
            iv_encoding: self.iv_encoding,
            tag: self.tag,
            tag_length: self.tag_length,
            tag_encoding: self.tag_encoding,
            key: self.fingerprint,
            aad: self.aad,
            padding: self.padding,
            encoding: self.encoding,
            scope,
            content_type: self.content_type,
            danger_static_iv: self.danger_static_iv,
        }
    }
}

struct Faults(Vec<ProfileFault>);

impl Faults {
    fn add(&mut self, key: &'static str, problem: impl Into<String>, remedy: &'static str) {
        self.0.push(ProfileFault { key, problem: problem.into(), remedy });
    }
}
