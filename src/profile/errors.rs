//! What a peer is told whose message is refused: the vendor's statuses and bodies.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use super::draft::quoted;
use crate::metrics::AleCode;

/// One answer for each class of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    /// The parts that make a message a sealed one are missing or not as they must be.
    pub headers: ErrorText,
    /// The message does not open, for whatever reason.
    pub decrypt: ErrorText,
    /// No key has the name, where the profile tells that apart.
    pub unknown_key: ErrorText,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorText {
    /// Its status, 400 to 599.
    pub status: StatusCode,
    /// The `content-type` of the body.
    pub content_type: HeaderValue,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl ErrorText {
    /// Its keys in a configuration, and their values as TOML. A body that is no text is shown as one all the same: none
    /// that a configuration gave is.
    pub fn settings(&self) -> [(&'static str, String); 3] {
        let content_type = self.content_type.to_str().unwrap_or_default();
        let body = String::from_utf8_lossy(&self.body);
        [
            ("status", self.status.as_u16().to_string()),
            ("content_type", quoted(content_type)),
            ("body", quoted(&body)),
        ]
    }
}

impl Errors {
    /// The answers that the protocol `ale` publishes.
    pub fn ale() -> Self {
        let text = |body: &'static str| ErrorText {
            status: StatusCode::BAD_REQUEST,
            content_type: HeaderValue::from_static("application/json"),
            body: Bytes::from_static(body.as_bytes()),
        };
        Self {
            headers: text(r#"{"errorCode":1,"message":"Incorrect security headers"}"#),
            decrypt: text(r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#),
            unknown_key: text(r#"{"errorCode":3,"message":"Security credential mismatch"}"#),
        }
    }

    /// Each answer under its name in a configuration.
    pub fn classes(&self) -> [(&'static str, &ErrorText); 3] {
        [("headers", &self.headers), ("decrypt", &self.decrypt), ("unknown_key", &self.unknown_key)]
    }

    /// The answer for a class.
    pub fn of(&self, code: AleCode) -> &ErrorText {
        match code {
            AleCode::IncorrectHeaders => &self.headers,
            AleCode::UnableToDecrypt => &self.decrypt,
            AleCode::CredentialMismatch => &self.unknown_key,
        }
    }
}
