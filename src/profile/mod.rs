//! What a vendor's messages look like, as data. Presets are values of the same type.

use http::{HeaderName, Method};

/// A wire format.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The header that bears the IV.
    pub iv: HeaderName,
    /// The header that names the key.
    pub fingerprint: HeaderName,
    /// Where `content-encoding` of the plaintext travels while the body is sealed.
    pub content_encoding: HeaderName,
    /// Methods that may come without a body and without a tag.
    pub bodyless_methods: Vec<Method>,
    /// Whether the application's replies are sealed.
    pub seal_replies: bool,
    /// Whether an unknown fingerprint is told apart as errorCode 3 (a newer version of the vendor's API).
    pub credential_mismatch: bool,
}

impl Profile {
    /// The default wire format `ale`, clauses P1–P10 of docs/PROTOCOL.md.
    pub fn ale() -> Self {
        Self {
            iv: HeaderName::from_static("sec-iv"),
            fingerprint: HeaderName::from_static("sec-fingerprint"),
            content_encoding: HeaderName::from_static("x-ale-content-encoding"),
            bodyless_methods: vec![Method::GET, Method::HEAD, Method::OPTIONS, Method::DELETE],
            seal_replies: true,
            credential_mismatch: false,
        }
    }
}
