//! What a vendor's messages look like, as data. Presets are values of the same type.
//!
//! A [`Draft`] is what a configuration can say, one field for each knob. [`Draft::build`] finds what cannot work and makes a
//! [`Profile`] of the rest: the one shape that is sealed and opened as it streams, or one whose messages are held whole.

mod build;
mod draft;
mod errors;
mod keys;
mod place;
mod presets;
mod stream;
mod values;
mod whole;

use std::sync::Arc;

use http::{HeaderName, Method};

use crate::crypto::Algorithm;

pub use build::ProfileFault;
pub use draft::{Draft, IvLengths, StaticIv, quoted as toml_string};
pub use errors::{ErrorText, Errors};
pub use keys::about;
pub use place::{Aad, Becomes, IvPlace, KeyNaming, Padding, Place, ScopePlace, TagPlace, UnknownPlace};
pub use presets::{PRESETS, Preset};
pub use stream::{StreamAad, StreamProfile};
pub use values::{Name, Selector, Values};
pub use whole::{Scope, WholeIv, WholeProfile};

/// A wire format that works.
#[derive(Clone, Debug)]
pub enum Profile {
    /// A body that is sealed and opened as it streams; its envelope stands in headers.
    Stream(Arc<StreamProfile>),
    /// A message that is held, and sealed and opened whole.
    Whole(Arc<WholeProfile>),
}

impl Profile {
    /// The default wire format `ale`, clauses P1–P10 of docs/PROTOCOL.md.
    pub fn ale() -> Self {
        Self::Stream(Arc::new(StreamProfile::ale()))
    }

    /// What it is called.
    pub fn name(&self) -> &Arc<str> {
        &self.terms().name
    }

    /// What holds whatever its messages look like.
    pub fn terms(&self) -> &Terms {
        match self {
            Self::Stream(stream) => &stream.terms,
            Self::Whole(whole) => &whole.terms,
        }
    }

    /// Changes what holds whatever its messages look like.
    pub fn adjust(&mut self, change: impl FnOnce(&mut Terms)) {
        match self {
            Self::Stream(stream) => change(&mut Arc::make_mut(stream).terms),
            Self::Whole(whole) => change(&mut Arc::make_mut(whole).terms),
        }
    }

    /// The only algorithm that its keys may have; absent where each key has its own.
    pub fn algorithm(&self) -> Option<Algorithm> {
        match self {
            Self::Stream(stream) => stream.algorithm,
            Self::Whole(whole) => whole.algorithm,
        }
    }

    /// The headers that only a sealed message bears.
    pub fn carriers(&self) -> Vec<HeaderName> {
        match self {
            Self::Stream(stream) => stream.carriers().map(HeaderName::clone).to_vec(),
            Self::Whole(whole) => whole.carriers(),
        }
    }
}

/// What holds for a profile whatever its messages look like.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What it is called.
    pub name: Arc<str>,
    /// Methods that may come without a body and without a tag.
    pub bodyless_methods: Vec<Method>,
    /// Whether the application's replies are sealed.
    pub seal_replies: bool,
    /// Whether an unknown fingerprint is told apart as errorCode 3 (a newer version of the vendor's API).
    pub credential_mismatch: bool,
    /// What a peer is told whose message is refused.
    pub errors: Errors,
}
