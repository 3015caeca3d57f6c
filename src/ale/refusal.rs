//! Why a message is refused, and what its sender is told.

use crate::keys::KeyUnavailable;
use crate::metrics::{AleCode, AleReason};

/// A request that is refused before anything of it is forwarded, with status 400; or a message of WebSocket.
///
/// The sender sees only the code; the reason is for the log and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("errorCode {}: {}", code.label(), reason.label())]
pub struct Refusal {
    /// What the sender is told.
    pub code: AleCode,
    /// What really happened.
    pub reason: AleReason,
}

impl AsRef<Refusal> for Refusal {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Refusal {
    /// The body that the vendor publishes for this code, byte for byte.
    pub fn body(self) -> &'static str {
        match self.code {
            AleCode::IncorrectHeaders => r#"{"errorCode":1,"message":"Incorrect security headers"}"#,
            AleCode::UnableToDecrypt => r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#,
            AleCode::CredentialMismatch => r#"{"errorCode":3,"message":"Security credential mismatch"}"#,
        }
    }

    /// Whether no key has the fingerprint, so that another ring may open what this one can't.
    pub fn is_of_unknown_key(&self) -> bool {
        self.reason == AleReason::UnknownFingerprint
    }

    /// P1, P2: a header that is missing or not as it must be.
    pub fn headers(reason: AleReason) -> Self {
        Self { code: AleCode::IncorrectHeaders, reason }
    }

    /// P11: a message that has been opened before.
    pub fn replayed() -> Self {
        Self::unable(AleReason::Replayed)
    }

    /// P3: a body that does not open.
    pub(super) fn not_authentic() -> Self {
        Self::unable(AleReason::NotAuthentic)
    }

    /// P3, P7, P9, P11: ciphertext that is not opened, whatever is wrong with it.
    pub(super) fn unable(reason: AleReason) -> Self {
        Self { code: AleCode::UnableToDecrypt, reason }
    }

    /// P2: a fingerprint that opens nothing now. A newer version of the vendor's API tells an unknown one apart.
    pub(super) fn key(unavailable: KeyUnavailable, tells_unknown: bool) -> Self {
        let reason = match unavailable {
            KeyUnavailable::Expired => AleReason::Expired,
            KeyUnavailable::NotYetValid => AleReason::NotYetValid,
            KeyUnavailable::Unknown => AleReason::UnknownFingerprint,
        };
        let told_apart = reason == AleReason::UnknownFingerprint && tells_unknown;
        let code = if told_apart { AleCode::CredentialMismatch } else { AleCode::UnableToDecrypt };
        Self { code, reason }
    }
}
