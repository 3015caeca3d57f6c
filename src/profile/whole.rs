//! Messages that are held, and sealed and opened whole.

use std::ops::Deref;

use http::{HeaderName, HeaderValue};

use super::{Aad, Becomes, KeyNaming, Padding, Place, Selector, TagPlace, Terms, Values};
use crate::crypto::encoding::Encoding;
use crate::crypto::{Algorithm, Iv, IvLength, TagLength};

/// A wire format of which nothing can be used before all of a message is there.
#[derive(Clone, Debug)]
pub struct WholeProfile {
    /// What holds for every profile.
    pub terms: Terms,
    /// The only algorithm that its keys may have; absent where each key has its own.
    pub algorithm: Option<Algorithm>,
    /// Where the IV is from.
    pub iv: WholeIv,
    /// How it is written.
    pub iv_encoding: Encoding,
    /// Where the tag stands, under GCM.
    pub tag: TagPlace,
    /// How many bytes of it travel, exactly.
    pub tag_length: TagLength,
    /// How it is written at a place of its own.
    pub tag_encoding: Encoding,
    /// How the key is named.
    pub key: KeyNaming,
    /// What is authenticated besides, under GCM.
    pub aad: Aad,
    /// What stands behind the plaintext.
    pub padding: Padding,
    /// How the ciphertext is written.
    pub encoding: Encoding,
    /// What is sealed.
    pub scope: Scope,
    /// The `content-type` that an opened body gets, if not the message's.
    pub content_type: Option<HeaderValue>,
    /// Whether several values or messages may be sealed under one IV.
    pub danger_static_iv: bool,
}

/// Where the IV of a message is from.
#[derive(Clone)]
pub enum WholeIv {
    /// It stands at a place of its own.
    At(Place, Option<IvLength>),
    /// It stands before each ciphertext, and is so long.
    Prefix(IvLength),
    /// Both sides know it, and each message is under it.
    Static(Iv),
}

impl std::fmt::Debug for WholeIv {
    /// An IV that both sides keep to themselves is not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(place, length) => f.debug_tuple("At").field(place).field(length).finish(),
            Self::Prefix(length) => f.debug_tuple("Prefix").field(length).finish(),
            Self::Static(_) => f.write_str("Static"),
        }
    }
}

/// What of a message is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole body.
    Body,
    /// One form field, and what becomes of its plaintext.
    Field(Box<str>, Becomes),
    /// One JSON member, and what becomes of its plaintext.
    Member(crate::payload::Pointer, Becomes),
    /// Parameter values, each by itself.
    Values(Values),
}

impl WholeProfile {
    /// The headers that only a sealed message bears.
    pub fn carriers(&self) -> Vec<HeaderName> {
        self.own_places()
            .filter_map(|place| match place {
                Place::Header(name) => Some(name.clone()),
                Place::Field(_) | Place::Member(_) | Place::Query(_) => None,
            })
            .collect()
    }

    /// Where IV, tag and fingerprint stand by themselves.
    pub fn own_places(&self) -> impl Iterator<Item = &Place> {
        let iv = match &self.iv {
            WholeIv::At(place, _) => Some(place),
            WholeIv::Prefix(_) | WholeIv::Static(_) => None,
        };
        let tag = match &self.tag {
            TagPlace::At(place) => Some(place),
            TagPlace::Appended | TagPlace::Before | TagPlace::None => None,
        };
        let key = match &self.key {
            KeyNaming::At(place) => Some(place),
            KeyNaming::Fixed(_) | KeyNaming::SealingKey => None,
        };
        [iv, tag, key].into_iter().flatten()
    }

    /// Whether messages, or several values of one, share an IV, so that sealing betrays what is sealed.
    pub fn shares_iv(&self) -> bool {
        match (&self.iv, &self.scope) {
            (WholeIv::Static(_), _) | (WholeIv::At(..), Scope::Values(_)) => true,
            (WholeIv::Prefix(_), _) | (WholeIv::At(..), _) => false,
        }
    }

    /// Whether sealing is allowed: it is not where it would betray what is sealed, unless somebody said so.
    pub fn may_seal(&self) -> bool {
        self.danger_static_iv || !self.shares_iv()
    }

    /// Whether each message has an IV of its own that all of it is under, so that it can be known again (P11).
    pub fn is_known_by_iv(&self) -> bool {
        !self.shares_iv() && !matches!(self.scope, Scope::Values(_))
    }

    /// Whether a sealed message has something at a place where a plain one has nothing, so that the two are told apart.
    pub fn is_told_by_its_parts(&self) -> bool {
        let has_member =
            matches!(self.scope, Scope::Field(_, Becomes::Body) | Scope::Member(_, Becomes::Body));
        has_member || matches!(self.iv, WholeIv::At(..)) || matches!(self.key, KeyNaming::At(_))
    }

    /// Whether not every text could be a ciphertext.
    pub fn encoding_tells(&self) -> bool {
        self.encoding != Encoding::Raw
    }

    /// How many bytes a ciphertext has at least, with what stands before and behind it.
    pub fn shortest_sealed(&self) -> usize {
        let iv = match self.iv {
            WholeIv::Prefix(length) => length.bytes(),
            WholeIv::At(..) | WholeIv::Static(_) => 0,
        };
        let is_gcm = self.algorithm.is_some_and(Algorithm::is_authenticated);
        let tag = match self.tag {
            TagPlace::Appended | TagPlace::Before if is_gcm => self.tag_length.bytes(),
            TagPlace::Appended | TagPlace::Before | TagPlace::At(_) | TagPlace::None => 0,
        };
        iv + tag
    }

    /// The values that are sealed, where those are.
    pub fn values(&self) -> Option<&Values> {
        match &self.scope {
            Scope::Values(values) => Some(values),
            Scope::Body | Scope::Field(..) | Scope::Member(..) => None,
        }
    }

    /// Whether some header is among the values.
    pub fn seals_headers(&self) -> bool {
        self.values().is_some_and(|values| {
            values.include.iter().any(|selector| matches!(selector, Selector::Header(_)))
        })
    }
}

impl Deref for WholeProfile {
    type Target = Terms;

    fn deref(&self) -> &Terms {
        &self.terms
    }
}
