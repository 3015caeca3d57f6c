//! The client's side: a request sealed, its reply opened.

use std::sync::Arc;

use bytes::BytesMut;
use http::header::HeaderMap;
use http::request::Parts;
use http::{Method, StatusCode};
use jiff::Timestamp;
use rand::CryptoRng;
use serde::Deserialize;

use super::context::{self, Context, Way};
use super::message::read_object;
use super::{MessageSession, Receipt, Refusal, WholeFault, envelope, reply};
use crate::crypto::{Iv, IvLength, IvSource, Opener, Sealer};
use crate::keys::Key;
use crate::metrics::{AleCode, AleReason, ReplyReason};
use crate::profile::StreamProfile;

/// What comes of sealing the head of a request: the way out for its body, and the way into the reply.
pub struct RequestSealing {
    /// Seals the body; `None` if the request goes out without a single body byte (P4).
    pub body: Option<Sealer>,
    /// Opens the reply.
    pub reply: ReplyOpening,
}

/// Turns the plain `head` into the head of a sealed request (P1, P2, P6), but for its framing.
///
/// Without a body the methods that P4 names go out bodyless; any other one bears the tag of an empty body.
pub fn seal_request<R: CryptoRng>(
    profile: &Arc<StreamProfile>,
    head: &mut Parts,
    has_body: bool,
    key: &Arc<Key>,
    now: Timestamp,
    rng: &mut R,
) -> RequestSealing {
    let iv = envelope::fresh_iv(IvLength::Sixteen, None, rng);
    envelope::strip(profile, &mut head.headers);
    envelope::mark(profile, key, &iv, &mut head.headers);
    // Bodyless or not: whoever gets it needs the key.
    key.note_sealed(now);
    let context = Context::asked_for(profile, head);
    let aad = context::aad(profile, context.as_ref(), Way::Request);
    let bodyless = !has_body && profile.bodyless_methods.contains(&head.method);
    let body = (!bodyless)
        .then(|| key.secret.sealer(iv.as_bytes(), &aad).expect("every algorithm takes an iv of 16 bytes"));
    let reply = ReplyOpening { profile: Arc::clone(profile), key: Arc::clone(key), request_iv: iv, context };
    RequestSealing { body, reply }
}

/// The right to open the one reply to a sealed request.
///
/// It can only be had by sealing a request, so a reply under another key, or the request sent back, is refused.
#[must_use]
pub struct ReplyOpening {
    profile: Arc<StreamProfile>,
    key: Arc<Key>,
    request_iv: Iv,
    context: Option<Context>,
}

impl ReplyOpening {
    /// The key of the exchange.
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// Bytes of a sealed body that are not plaintext.
    pub fn overhead(&self) -> u64 {
        self.key.secret.algorithm().tag_len() as u64
    }

    /// Turns the head of a sealed reply into the plaintext's, but for its framing (P1, P2, P5, P6, P9).
    pub fn open(
        self,
        method: &Method,
        status: StatusCode,
        headers: &mut HeaderMap,
        now: Timestamp,
    ) -> Result<OpenedReply, ReplyFault> {
        let marked =
            headers.contains_key(&self.profile.iv) || headers.contains_key(&self.profile.fingerprint);
        match (marked, reply::is_bodyless(method, status)) {
            (true, true) => return Err(ReplyFault::EnvelopeWithoutBody),
            (false, true) => {
                envelope::restore_content_encoding(headers)?;
                return Ok(OpenedReply::Bodyless);
            }
            (false, false) => return Ok(OpenedReply::Clear),
            (true, false) => {}
        }
        let iv = envelope::take_iv(&self.profile, headers)?;
        let fingerprint = envelope::take_fingerprint(&self.profile, headers)?;
        if fingerprint != self.key.fingerprint.as_str() {
            return Err(ReplyFault::OtherKey);
        }
        if iv == self.request_iv {
            return Err(ReplyFault::Reflected);
        }
        if iv.len() != self.request_iv.len() {
            return Err(ReplyFault::Headers(AleReason::BadIv));
        }
        envelope::restore_content_encoding(headers)?;
        let aad = context::aad(&self.profile, self.context.as_ref(), Way::Reply(Some(&self.request_iv)));
        let opener = self.key.secret.opener(iv.as_bytes(), &aad);
        let opener = opener.map_err(|_wrong_length| ReplyFault::Headers(AleReason::BadIv))?;
        let authenticated = self.key.secret.algorithm().is_authenticated();
        self.key.note_unproven(now);
        Ok(OpenedReply::Sealed(ReplyBodyOpening { key: self.key, iv, opener, at: now, authenticated }))
    }

    /// The session that the handshake opened, once the peer has agreed to it (P7). `rng` keys its IVs.
    pub fn into_session<R: CryptoRng>(self, rng: &mut R) -> MessageSession {
        MessageSession::leading(self.profile, self.request_iv, self.context, IvSource::new(rng))
    }
}

/// What the head of a reply says of its body.
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made, and kept nowhere")]
pub enum OpenedReply {
    /// There is none (P5).
    Bodyless,
    /// It is not sealed: only [`ClearError::read`] can tell that it is not forged (P5).
    Clear,
    /// It is sealed.
    Sealed(ReplyBodyOpening),
}

/// The body of one reply on its way to plaintext.
#[must_use]
pub struct ReplyBodyOpening {
    key: Arc<Key>,
    iv: Iv,
    opener: Opener,
    /// When the head came.
    at: Timestamp,
    authenticated: bool,
}

impl ReplyBodyOpening {
    /// Whether the plaintext must be held until [`ReplyBodyOpening::finish`] vouches for it (P10).
    pub fn must_be_held(&self) -> bool {
        self.authenticated
    }

    /// Bytes of a sealed body that are not plaintext.
    pub fn overhead(&self) -> u64 {
        if self.authenticated { 16 } else { 0 }
    }

    /// What is known of a reply that need not be held, before it has come. `None` where the receipt comes with the tag.
    pub fn unproven(&self) -> Option<Receipt> {
        (!self.authenticated).then(|| Receipt { key: Arc::clone(&self.key), iv: self.iv, mark: None })
    }

    /// Opens the next piece and appends its plaintext to `out`.
    ///
    /// Where [`ReplyBodyOpening::must_be_held`], nothing in `out` may be used before the end.
    pub fn update(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<(), ReplyFault> {
        self.opener.update(piece, out).map_err(|_too_long| forged(&self.key, self.at))
    }

    /// Ends the body and verifies its tag (P3).
    pub fn finish(self) -> Result<Receipt, ReplyFault> {
        let Self { key, iv, opener, at, .. } = self;
        let used = Arc::clone(&key);
        let receipt = Receipt::of_verified(key, iv, opener).map_err(|_forged| forged(&used, at))?;
        used.note_proven(at);
        Ok(receipt)
    }
}

/// P3: on the account of the request's key.
fn forged(key: &Key, at: Timestamp) -> ReplyFault {
    key.note_unopened(at);
    ReplyFault::NotAuthentic
}

/// Why a reply counts as forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    /// P5: HEAD, 204 and 304 bear neither header.
    #[error("it has no body, and yet bears the headers of a sealed one")]
    EnvelopeWithoutBody,
    /// P1, P2, P6: a header that is missing or not as it must be.
    #[error("its security headers are incorrect: {}", .0.label())]
    Headers(AleReason),
    /// P3: the tag is missing or wrong.
    #[error("it is not authentic")]
    NotAuthentic,
    /// P5: it names another key than the request's.
    #[error("it is sealed with another key than the request")]
    OtherKey,
    /// P9: what was sent came back.
    #[error("it bears the iv of the request")]
    Reflected,
    /// P11: it has been opened before.
    #[error("it was opened before")]
    Replayed,
    /// P5: it is in clear and none of the sidecar's own errors.
    #[error("it is not sealed")]
    Unsealed,
}

impl ReplyFault {
    /// Under which reason it is counted.
    pub fn reason(self) -> ReplyReason {
        match self {
            Self::EnvelopeWithoutBody => ReplyReason::EnvelopeWithoutBody,
            Self::Headers(reason) => reason.into(),
            Self::NotAuthentic => ReplyReason::NotAuthentic,
            Self::OtherKey => ReplyReason::OtherKey,
            Self::Reflected => ReplyReason::Reflected,
            Self::Replayed => ReplyReason::Replayed,
            Self::Unsealed => ReplyReason::Unsealed,
        }
    }
}

impl From<Refusal> for ReplyFault {
    fn from(refusal: Refusal) -> Self {
        Self::Headers(refusal.reason)
    }
}

impl From<WholeFault> for ReplyFault {
    fn from(fault: WholeFault) -> Self {
        match fault.refusal.code {
            AleCode::IncorrectHeaders => Self::Headers(fault.refusal.reason),
            AleCode::UnableToDecrypt | AleCode::CredentialMismatch => Self::NotAuthentic,
        }
    }
}

/// One of the sidecar's own errors, the only replies and messages that come in clear (P5). Nothing proves where it is
/// from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearError {
    /// 1 to 3 by the protocol, from 100 on the sidecar's own.
    pub code: u64,
    /// What it says.
    pub message: String,
}

impl ClearError {
    /// Reads the body of a reply in clear; anything but an error as the protocol has it is a forgery.
    pub fn read(status: StatusCode, body: &[u8]) -> Result<Self, ReplyFault> {
        #[derive(Deserialize)]
        struct Told {
            #[serde(rename = "errorCode")]
            code: u64,
            message: String,
        }
        if !(status.is_client_error() || status.is_server_error()) {
            return Err(ReplyFault::Unsealed);
        }
        let Told { code, message } = serde_json::from_slice(body).map_err(|_| ReplyFault::Unsealed)?;
        Ok(Self { code, message })
    }

    /// The errorCode of a reply in clear, whatever else the body says and whoever wrote it; `None` if it has none.
    pub fn code_in(body: &[u8]) -> Option<u64> {
        #[derive(Deserialize)]
        struct Told {
            #[serde(rename = "errorCode")]
            code: u64,
        }
        serde_json::from_slice(body).ok().map(|Told { code }| code)
    }

    /// Reads a message of WebSocket that is an error in clear; `None` for anything else. A message may say nothing
    /// more than its code.
    pub fn in_message(text: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Told {
            #[serde(rename = "errorCode")]
            code: u64,
            #[serde(default)]
            message: String,
        }
        let Told { code, message } = read_object(text)?;
        Some(Self { code, message })
    }
}

#[cfg(test)]
mod tests;
