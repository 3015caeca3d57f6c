//! Where the parts of a message stand, as a configuration writes it: `header:sec-iv`, `member:/resource/nonce`, `prefix`.

use std::fmt;
use std::str::FromStr;

use http::HeaderName;

use crate::keys::Fingerprint;
use crate::payload::Pointer;

/// A place of its own in a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The one form field of this name.
    Field(Box<str>),
    /// The one header of this name.
    Header(HeaderName),
    /// The member of a JSON body.
    Member(Pointer),
    /// The one query parameter of this name.
    Query(Box<str>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "field:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Member(pointer) => write!(f, "member:{pointer}"),
            Self::Query(name) => write!(f, "query:{name}"),
        }
    }
}

impl FromStr for Place {
    type Err = UnknownPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text.split_once(':').ok_or(UnknownPlace)?;
        let named = || if name.is_empty() { Err(UnknownPlace) } else { Ok(Box::from(name)) };
        match kind {
            "field" => named().map(Self::Field),
            "header" => name.parse().map(Self::Header).map_err(|_| UnknownPlace),
            // The whole document is no member.
            "member" if !name.is_empty() => name.parse().map(Self::Member).map_err(|_| UnknownPlace),
            "query" => named().map(Self::Query),
            _ => Err(UnknownPlace),
        }
    }
}

/// The text names no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is none of the places that there are")]
pub struct UnknownPlace;

/// Where the IV stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IvPlace {
    /// At a place of its own.
    At(Place),
    /// Before the ciphertext, under the same encoding.
    Prefix,
    /// In no message: both sides know it.
    Static,
}

impl IvPlace {
    /// How it is written, for remedies.
    pub const EXPECTED: &'static str =
        "\"header:NAME\", \"query:NAME\", \"member:/POINTER\", \"field:NAME\", \"prefix\" or \"static\"";
}

impl fmt::Display for IvPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(place) => place.fmt(f),
            Self::Prefix => f.write_str("prefix"),
            Self::Static => f.write_str("static"),
        }
    }
}

impl FromStr for IvPlace {
    type Err = UnknownPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "prefix" => Ok(Self::Prefix),
            "static" => Ok(Self::Static),
            place => place.parse().map(Self::At),
        }
    }
}

/// Where the tag stands; only GCM has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagPlace {
    /// Behind the ciphertext, under the same encoding.
    Appended,
    /// At a place of its own.
    At(Place),
    /// Before the ciphertext and behind an IV that stands there, under the same encoding.
    Before,
    /// Nowhere: nothing is authenticated.
    None,
}

impl TagPlace {
    /// How it is written, for remedies.
    pub const EXPECTED: &'static str = "\"appended\", \"before\", \"header:NAME\", \"query:NAME\", \"member:/POINTER\", \"field:NAME\" or \"none\"";
}

impl fmt::Display for TagPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Appended => f.write_str("appended"),
            Self::At(place) => place.fmt(f),
            Self::Before => f.write_str("before"),
            Self::None => f.write_str("none"),
        }
    }
}

impl FromStr for TagPlace {
    type Err = UnknownPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "appended" => Ok(Self::Appended),
            "before" => Ok(Self::Before),
            "none" => Ok(Self::None),
            place => place.parse().map(Self::At),
        }
    }
}

/// How a message names its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyNaming {
    /// By its fingerprint, at this place.
    At(Place),
    /// Not at all: it is this one.
    Fixed(Fingerprint),
    /// Not at all: what the key set would seal with seals. Where a tag can tell, any key that is valid opens.
    SealingKey,
}

impl KeyNaming {
    /// How it is written, for remedies.
    pub const EXPECTED: &'static str = "\"header:NAME\", \"query:NAME\", \"member:/POINTER\", \"field:NAME\", \"key:FINGERPRINT\" or \"sealing-key\"";
}

impl fmt::Display for KeyNaming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(place) => place.fmt(f),
            Self::Fixed(fingerprint) => write!(f, "key:{}", fingerprint.as_str()),
            Self::SealingKey => f.write_str("sealing-key"),
        }
    }
}

impl FromStr for KeyNaming {
    type Err = UnknownPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("key:") {
            Some(fingerprint) => fingerprint.parse().map(Self::Fixed).map_err(|_| UnknownPlace),
            None if text == "sealing-key" => Ok(Self::SealingKey),
            None => text.parse().map(Self::At),
        }
    }
}

/// What is authenticated besides the message, under GCM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aad {
    /// What stands at this place, which is a header or a member, and stays there.
    At(Place),
    /// Direction, method and target, and in a reply the request's IV (P12).
    Context,
    /// The same text in each message.
    Literal(Box<str>),
    /// Nothing.
    None,
}

impl Aad {
    /// How it is written, for remedies.
    pub const EXPECTED: &'static str =
        "\"none\", \"context\", \"literal:TEXT\", \"header:NAME\" or \"member:/POINTER\"";
}

impl fmt::Display for Aad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(place) => place.fmt(f),
            Self::Context => f.write_str("context"),
            Self::Literal(text) => write!(f, "literal:{text}"),
            Self::None => f.write_str("none"),
        }
    }
}

impl FromStr for Aad {
    type Err = UnknownPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(literal) = text.strip_prefix("literal:") {
            return Ok(Self::Literal(literal.into()));
        }
        match text {
            "context" => Ok(Self::Context),
            "none" => Ok(Self::None),
            place => match place.parse()? {
                place @ (Place::Header(_) | Place::Member(_)) => Ok(Self::At(place)),
                Place::Field(_) | Place::Query(_) => Err(UnknownPlace),
            },
        }
    }
}

/// What of a message is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopePlace {
    /// One form field or JSON member.
    At(Place),
    /// The whole body.
    Body,
    /// Parameter values, each by itself.
    Values,
}

impl ScopePlace {
    /// How it is written, for remedies.
    pub const EXPECTED: &'static str = "\"body\", \"member:/POINTER\", \"field:NAME\" or \"values\"";
}

impl fmt::Display for ScopePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(place) => place.fmt(f),
            Self::Body => f.write_str("body"),
            Self::Values => f.write_str("values"),
        }
    }
}

impl FromStr for ScopePlace {
    type Err = UnknownPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "body" => Ok(Self::Body),
            "values" => Ok(Self::Values),
            place => match place.parse()? {
                place @ (Place::Field(_) | Place::Member(_)) => Ok(Self::At(place)),
                Place::Header(_) | Place::Query(_) => Err(UnknownPlace),
            },
        }
    }
}

/// What becomes of the plaintext of one member or field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// It is the body.
    Body,
    /// It stands in the same place, in a JSON document as the value that its text is.
    Json,
    /// It stands in the same place, in a JSON document as a string.
    Text,
}

impl Becomes {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Body, Self::Json, Self::Text];

    /// Its name in a configuration.
    pub fn label(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}

/// What is put behind the plaintext before it is sealed, and taken off when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Nothing.
    None,
    /// PKCS #7, to whole blocks of 16 bytes; for CFB, which needs none.
    Pkcs7,
}

impl Padding {
    /// Every one of them.
    pub const ALL: [Self; 2] = [Self::None, Self::Pkcs7];

    /// Its name in a configuration.
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pkcs7 => "pkcs7",
        }
    }
}
