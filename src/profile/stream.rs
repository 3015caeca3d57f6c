//! Bodies that are sealed and opened as they stream (P1–P6).

use std::ops::Deref;
use std::sync::Arc;

use http::{HeaderName, Method};

use super::{Errors, Terms};
use crate::crypto::Algorithm;

/// A wire format whose body is raw ciphertext with its tag at the end, and whose IV and fingerprint stand in headers.
///
/// WebSocket messages are those of P7 under every such profile.
#[derive(Clone, Debug)]
pub struct StreamProfile {
    /// What holds for every profile.
    pub terms: Terms,
    /// The only algorithm that its keys may have; absent where each key has its own.
    pub algorithm: Option<Algorithm>,
    /// The header that bears the IV.
    pub iv: HeaderName,
    /// The header that names the key.
    pub fingerprint: HeaderName,
    /// Where `content-encoding` of the plaintext travels while the body is sealed.
    pub content_encoding: HeaderName,
    /// What is authenticated besides the body, under GCM.
    pub aad: StreamAad,
}

/// What is authenticated besides a body that streams: it is known before the body comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamAad {
    /// Direction, method and target, and in a reply the request's IV (P12).
    Context,
    /// The same text in each message; empty for nothing.
    Literal(Box<str>),
}

impl StreamProfile {
    /// The default wire format `ale`, clauses P1–P10 of docs/PROTOCOL.md.
    pub fn ale() -> Self {
        Self {
            terms: Terms {
                name: Arc::from("ale"),
                bodyless_methods: vec![Method::GET, Method::HEAD, Method::OPTIONS, Method::DELETE],
                seal_replies: true,
                credential_mismatch: false,
                errors: Errors::ale(),
            },
            algorithm: None,
            iv: HeaderName::from_static("sec-iv"),
            fingerprint: HeaderName::from_static("sec-fingerprint"),
            content_encoding: Self::CONTENT_ENCODING,
            aad: StreamAad::Literal("".into()),
        }
    }

    /// Where `content-encoding` of the plaintext travels under every profile (P6).
    pub const CONTENT_ENCODING: HeaderName = HeaderName::from_static("x-ale-content-encoding");

    /// Whether keys of this algorithm are the profile's.
    pub fn takes(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|named| named == algorithm)
    }

    /// The headers that only a sealed message bears.
    pub fn carriers(&self) -> [&HeaderName; 3] {
        [&self.iv, &self.fingerprint, &self.content_encoding]
    }
}

impl Deref for StreamProfile {
    type Target = Terms;

    fn deref(&self) -> &Terms {
        &self.terms
    }
}
