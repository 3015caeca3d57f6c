//! All that a configuration can say of a wire format, one field for each of its keys.

use std::fmt::{self, Write as _};

use http::{HeaderValue, Method};

use super::{
    Aad, Becomes, Errors, IvPlace, KeyNaming, Padding, Place, ScopePlace, Selector, StreamProfile, TagPlace,
};
use crate::crypto::encoding::Encoding;
use crate::crypto::{Algorithm, Iv, IvLength, TagLength};
use crate::payload::PointerPattern;

/// A wire format as it is described, which need not make sense yet. By default it is `ale`.
#[derive(Clone, Debug)]
pub struct Draft {
    /// `algorithm`: the only one that keys may have; absent for each key's own.
    pub algorithm: Option<Algorithm>,
    /// `iv`: where it stands.
    pub iv: IvPlace,
    /// `iv_length`: how long it is.
    pub iv_length: IvLengths,
    /// `iv_encoding`: how it is written.
    pub iv_encoding: Encoding,
    /// `static_iv`: the one that both sides know.
    pub static_iv: Option<StaticIv>,
    /// `danger_static_iv`: whether sealing may put several values or messages under one IV.
    pub danger_static_iv: bool,
    /// `tag`: where it stands.
    pub tag: TagPlace,
    /// `tag_length`: how many bytes of it travel.
    pub tag_length: TagLength,
    /// `tag_encoding`: how it is written at a place of its own.
    pub tag_encoding: Encoding,
    /// `danger_no_tag`: whether GCM may do without one.
    pub danger_no_tag: bool,
    /// `fingerprint`: how the key is named.
    pub fingerprint: KeyNaming,
    /// `aad`: what is authenticated besides.
    pub aad: Aad,
    /// `padding`: what stands behind the plaintext.
    pub padding: Padding,
    /// `scope`: what is sealed.
    pub scope: ScopePlace,
    /// `becomes`: what the plaintext of one member or field is then.
    pub becomes: Becomes,
    /// `encoding`: how the ciphertext is written.
    pub encoding: Encoding,
    /// `content_type`: what an opened body is said to be.
    pub content_type: Option<HeaderValue>,
    /// `include`: the values that are sealed; none for every one.
    pub include: Vec<Selector>,
    /// `exclude`: those that are not.
    pub exclude: Vec<Selector>,
    /// `optional`: those that may be absent or empty.
    pub optional: Vec<Selector>,
    /// `literal`: those that are no strings.
    pub literal: Vec<PointerPattern>,
    /// `seal_replies`: whether replies are sealed.
    pub seal_replies: bool,
    /// `credential_mismatch`: whether an unknown key is told apart.
    pub credential_mismatch: bool,
    /// `bodyless_methods`: what may come without a body.
    pub bodyless_methods: Vec<Method>,
    /// `errors`: what peers are told.
    pub errors: Errors,
}

/// How long an IV is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IvLengths {
    /// 12 or 16 bytes under GCM and 16 otherwise; 16 where it is made here.
    Any,
    /// So long, and not otherwise.
    Only(IvLength),
}

/// An IV that is in no message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StaticIv(pub Iv);

impl fmt::Debug for StaticIv {
    /// Both sides keep it to themselves, so it is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticIv")
    }
}

impl Default for Draft {
    fn default() -> Self {
        let StreamProfile { terms, iv, fingerprint, .. } = StreamProfile::ale();
        Self {
            algorithm: None,
            iv: IvPlace::At(Place::Header(iv)),
            iv_length: IvLengths::Any,
            iv_encoding: Encoding::Base64,
            static_iv: None,
            danger_static_iv: false,
            tag: TagPlace::Appended,
            tag_length: TagLength::WHOLE,
            tag_encoding: Encoding::Base64,
            danger_no_tag: false,
            fingerprint: KeyNaming::At(Place::Header(fingerprint)),
            aad: Aad::None,
            padding: Padding::None,
            scope: ScopePlace::Body,
            becomes: Becomes::Body,
            encoding: Encoding::Raw,
            content_type: None,
            include: Vec::new(),
            exclude: Vec::new(),
            optional: Vec::new(),
            literal: Vec::new(),
            seal_replies: terms.seal_replies,
            credential_mismatch: terms.credential_mismatch,
            bodyless_methods: terms.bodyless_methods,
            errors: terms.errors,
        }
    }
}

impl Draft {
    /// Its keys in a configuration, and their values as TOML, in the order of the documentation. `errors` is a table of its
    /// own and not among them, and neither is `static_iv`, whose value stands in no configuration.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let algorithm = self.algorithm.map_or_else(|| "key".to_owned(), |algorithm| algorithm.to_string());
        let iv_length = match self.iv_length {
            IvLengths::Any => quoted("any"),
            IvLengths::Only(length) => length.bytes().to_string(),
        };
        let content_type = self.content_type.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("");
        vec![
            ("algorithm", quoted(&algorithm)),
            ("iv", quoted(&self.iv.to_string())),
            ("iv_length", iv_length),
            ("iv_encoding", quoted(self.iv_encoding.label())),
            ("danger_static_iv", self.danger_static_iv.to_string()),
            ("tag", quoted(&self.tag.to_string())),
            ("tag_length", self.tag_length.bytes().to_string()),
            ("tag_encoding", quoted(self.tag_encoding.label())),
            ("danger_no_tag", self.danger_no_tag.to_string()),
            ("fingerprint", quoted(&self.fingerprint.to_string())),
            ("aad", quoted(&self.aad.to_string())),
            ("padding", quoted(self.padding.label())),
            ("scope", quoted(&self.scope.to_string())),
            ("becomes", quoted(self.becomes.label())),
            ("encoding", quoted(self.encoding.label())),
            ("content_type", quoted(content_type)),
            ("include", list(&self.include)),
            ("exclude", list(&self.exclude)),
            ("optional", list(&self.optional)),
            ("literal", list(&self.literal)),
            ("seal_replies", self.seal_replies.to_string()),
            ("credential_mismatch", self.credential_mismatch.to_string()),
            ("bodyless_methods", list(&self.bodyless_methods)),
        ]
    }

    /// Those of its keys whose values are not those of `base`.
    pub fn differences(&self, base: &Self) -> Vec<(&'static str, String)> {
        self.settings()
            .into_iter()
            .zip(base.settings())
            .filter_map(|(own, base)| (own != base).then_some(own))
            .collect()
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(|item| quoted(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

/// A basic string of TOML.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                // Writing to a string does not fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
