//! Sealing the reply to a request that was opened.

use std::sync::Arc;

use http::header::HeaderMap;
use http::{Method, StatusCode};
use jiff::Timestamp;
use rand::CryptoRng;

use super::context::{self, Context, Way};
use super::{MessageSession, envelope};
use crate::crypto::{Iv, IvLength, IvSource, Sealer};
use crate::keys::Key;
use crate::profile::StreamProfile;

/// The right to answer one opened request, under the key that it came with.
///
/// It can only be had by opening a request, so a reply under another key cannot be written, and a reload
/// of the keys in mid-exchange changes nothing.
#[must_use]
pub struct ReplySealing {
    profile: Arc<StreamProfile>,
    key: Arc<Key>,
    request_iv: Iv,
    context: Option<Context>,
}

/// How the body of a reply goes out.
pub enum SealedReply {
    /// As it is: the profile's replies are plain.
    Plain,
    /// There is none, and nothing marks the reply as sealed (P5).
    Bodyless,
    /// Through this sealer, which adds so many bytes.
    Sealed(Sealer),
}

impl ReplySealing {
    pub(super) fn new(
        profile: Arc<StreamProfile>,
        key: Arc<Key>,
        request_iv: Iv,
        context: Option<Context>,
    ) -> Self {
        Self { profile, key, request_iv, context }
    }

    /// The key of the exchange.
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// How long the request's IV was, and with it the reply's (P1).
    pub fn iv_length(&self) -> IvLength {
        self.request_iv.len()
    }

    /// Whether the reply is sealed at all.
    pub fn seals(&self) -> bool {
        self.profile.seal_replies
    }

    /// Bytes that sealing adds to a reply's body.
    pub fn overhead(&self) -> u64 {
        if self.profile.seal_replies { self.key.secret.algorithm().tag_len() as u64 } else { 0 }
    }

    /// Turns the head of the application's reply into the head of the sealed one (P1, P2, P5, P6).
    pub fn seal<R: CryptoRng>(
        self,
        method: &Method,
        status: StatusCode,
        headers: &mut HeaderMap,
        now: Timestamp,
        rng: &mut R,
    ) -> SealedReply {
        envelope::strip(&self.profile, headers);
        if !self.profile.seal_replies {
            return SealedReply::Plain;
        }
        // In replies without a body as well, so that HEAD names what GET names.
        envelope::rename_content_encoding(headers);
        if is_bodyless(method, status) {
            return SealedReply::Bodyless;
        }
        // P9: never the request's own; P1: of its length.
        let iv = envelope::fresh_iv(self.request_iv.len(), Some(&self.request_iv), rng);
        let aad = context::aad(&self.profile, self.context.as_ref(), Way::Reply(Some(&self.request_iv)));
        let sealer = self.key.secret.sealer(iv.as_bytes(), &aad).expect("the request's IV had this length");
        envelope::mark(&self.profile, &self.key, &iv, headers);
        self.key.note_sealed(now);
        SealedReply::Sealed(sealer)
    }

    /// The session that the handshake opened, once the application has agreed to it (P7). `rng` keys its IVs.
    /// The handshake ends with this, as a request does with its body.
    pub fn into_session<R: CryptoRng>(self, now: Timestamp, rng: &mut R) -> MessageSession {
        self.key.note_proven(now);
        MessageSession::answering(self.profile, &self.key, self.request_iv, self.context, IvSource::new(rng))
    }
}

/// P5: HEAD, 1xx, 204 and 304 have no body and bear neither header.
pub(super) fn is_bodyless(method: &Method, status: StatusCode) -> bool {
    method == Method::HEAD
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}
