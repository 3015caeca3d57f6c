//! Which parameter values are sealed, each by itself.

use std::fmt;
use std::str::FromStr;

use http::HeaderName;

use super::UnknownPlace;
use crate::payload::PointerPattern;

/// Names the values of a query, a form, a JSON document or a header: `query:phone`, `form:*`, `json:/items/*/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Form fields.
    Form(Name),
    /// Headers of this name.
    Header(HeaderName),
    /// Strings, numbers, booleans and null of a JSON document.
    Json(PointerPattern),
    /// Query parameters.
    Query(Name),
}

/// The name of a parameter, or any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// Whatever it is called.
    Any,
    /// This one.
    Exactly(Box<str>),
}

impl Name {
    fn read(text: &str) -> Option<Self> {
        match text {
            "" => None,
            "*" => Some(Self::Any),
            name => Some(Self::Exactly(name.into())),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exactly(name) => f.write_str(name),
        }
    }
}

impl Selector {
    /// How they are written, for remedies.
    pub const EXPECTED: &'static str = "\"query:NAME\", \"form:NAME\", \"json:/POINTER\" or \"header:NAME\", where * is any name and ** at \
         the end of a pointer any path";

    /// Whether it names one value, which then must be there.
    pub fn is_exact(&self) -> bool {
        match self {
            Self::Form(name) | Self::Query(name) => *name != Name::Any,
            Self::Header(_) => true,
            Self::Json(pattern) => pattern.is_exact().is_some(),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(name) => write!(f, "form:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Json(pattern) => write!(f, "json:{pattern}"),
            Self::Query(name) => write!(f, "query:{name}"),
        }
    }
}

impl FromStr for Selector {
    type Err = UnknownPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text.split_once(':').ok_or(UnknownPlace)?;
        match kind {
            "form" => Name::read(name).map(Self::Form).ok_or(UnknownPlace),
            "header" => name.parse().map(Self::Header).map_err(|_| UnknownPlace),
            "json" if !name.is_empty() => name.parse().map(Self::Json).map_err(|_| UnknownPlace),
            "query" => Name::read(name).map(Self::Query).ok_or(UnknownPlace),
            _ => Err(UnknownPlace),
        }
    }
}

/// The values that a profile seals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// These, one of which each must match,
    pub include: Vec<Selector>,
    /// but for these.
    pub exclude: Vec<Selector>,
    /// Of those, these need not be there, and may be empty.
    pub optional: Vec<Selector>,
    /// Where in a JSON document opened values are numbers, booleans and null rather than strings.
    pub literal: Vec<PointerPattern>,
}

impl Values {
    /// Every parameter value of query, form and JSON document.
    pub fn all() -> Vec<Selector> {
        let everything = "/**".parse().map(Selector::Json).ok();
        [Selector::Query(Name::Any), Selector::Form(Name::Any)].into_iter().chain(everything).collect()
    }
}
