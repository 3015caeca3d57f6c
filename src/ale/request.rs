//! Opening a request: the head at once, the body as it arrives.

use std::sync::Arc;

use bytes::BytesMut;
use http::HeaderValue;
use http::request::Parts;
use jiff::Timestamp;

use super::context::{self, Context, Way};
use super::{Receipt, Refusal, ReplySealing, envelope};
use crate::crypto::{Iv, IvLength, Opener};
use crate::keys::{Key, KeyRing};
use crate::metrics::AleReason;
use crate::profile::StreamProfile;

/// What comes of a head that names a key: the way into the body, and the way back.
pub struct OpenedRequest {
    /// Opens the body.
    pub body: BodyOpening,
    /// Seals the reply under the same key.
    pub reply: ReplySealing,
}

/// Reads the envelope's headers off `head`, removes them, and looks its key up (P1, P2, P6).
///
/// `head` bears the plaintext's headers afterwards, but for its framing.
pub fn open_request(
    profile: &Arc<StreamProfile>,
    head: &mut Parts,
    ring: &KeyRing,
    now: Timestamp,
) -> Result<OpenedRequest, Refusal> {
    RequestEnvelope::take(profile, head)?.open(head, ring, now)
}

/// The envelope's headers, taken off the head of a request. Its key may be looked for more than once.
pub struct RequestEnvelope {
    profile: Arc<StreamProfile>,
    iv: Iv,
    fingerprint: HeaderValue,
    context: Option<Context>,
}

impl RequestEnvelope {
    /// Reads the headers off `head` and removes them (P1, P2).
    pub fn take(profile: &Arc<StreamProfile>, head: &mut Parts) -> Result<Self, Refusal> {
        let iv = envelope::take_iv(profile, &mut head.headers)?;
        let fingerprint = envelope::take_fingerprint(profile, &mut head.headers)?;
        let context = Context::asked_for(profile, head);
        Ok(Self { profile: Arc::clone(profile), iv, fingerprint, context })
    }

    /// Looks the key up in `ring`. After that `head` bears the plaintext's headers, but for its framing (P2, P6).
    ///
    /// Where the key is unknown, nothing has happened, and another ring may know it.
    pub fn open(&self, head: &mut Parts, ring: &KeyRing, now: Timestamp) -> Result<OpenedRequest, Refusal> {
        let Self { profile, iv, fingerprint, context } = self;
        let fingerprint = fingerprint.to_str().expect("`take` lets visible ASCII pass and nothing else");
        let key = envelope::stream_key_named(ring, fingerprint, profile, now)?;
        let authenticated = key.secret.algorithm().is_authenticated();
        if !authenticated && iv.len() == IvLength::Twelve {
            return Err(Refusal::headers(AleReason::BadIv));
        }
        let aad = context::aad(profile, context.as_ref(), Way::Request);
        let wrong_length = |_| Refusal::headers(AleReason::BadIv);
        let opener = key.secret.opener(iv.as_bytes(), &aad).map_err(wrong_length)?;
        envelope::restore_content_encoding(&mut head.headers)?;
        key.note_unproven(now);
        let may_be_bodyless = profile.bodyless_methods.contains(&head.method);
        let body = BodyOpening {
            key: Arc::clone(key),
            iv: *iv,
            opener,
            at: now,
            authenticated,
            may_be_bodyless,
            empty: true,
        };
        let reply = ReplySealing::new(Arc::clone(profile), Arc::clone(key), *iv, context.clone());
        Ok(OpenedRequest { body, reply })
    }
}

/// The body of one request on its way to plaintext.
#[must_use]
pub struct BodyOpening {
    key: Arc<Key>,
    iv: Iv,
    opener: Opener,
    /// When the head came.
    at: Timestamp,
    authenticated: bool,
    may_be_bodyless: bool,
    empty: bool,
}

impl BodyOpening {
    /// Whether the plaintext must be held until [`BodyOpening::finish`] vouches for it.
    pub fn must_be_held(&self) -> bool {
        self.authenticated
    }

    /// Bytes of a sealed body that are not plaintext.
    pub fn overhead(&self) -> u64 {
        if self.authenticated { 16 } else { 0 }
    }

    /// What is known of a body that need not be held, before it has come: nothing will ever prove more. `None` where the
    /// receipt comes with the tag.
    pub fn unproven(&self) -> Option<Receipt> {
        (!self.authenticated).then(|| Receipt { key: Arc::clone(&self.key), iv: self.iv, mark: None })
    }

    /// Opens the next piece and appends its plaintext to `out`.
    ///
    /// Where [`BodyOpening::must_be_held`], nothing in `out` may be used before [`BodyOpening::finish`].
    pub fn update(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<(), Refusal> {
        self.empty &= piece.is_empty();
        self.opener.update(piece, out).map_err(|_too_long| forged(&self.key, self.at))
    }

    /// Ends the body and verifies its tag (P3, P4).
    pub fn finish(self) -> Result<Opened, Refusal> {
        if self.empty && (self.may_be_bodyless || !self.authenticated) {
            self.key.note_proven(self.at);
            return Ok(Opened::Bodyless);
        }
        let Self { key, iv, opener, at, .. } = self;
        let used = Arc::clone(&key);
        let receipt = Receipt::of_verified(key, iv, opener).map_err(|_forged| forged(&used, at))?;
        used.note_proven(at);
        Ok(Opened::Body(receipt))
    }
}

/// P3: on the account of the key that the request names.
fn forged(key: &Key, at: Timestamp) -> Refusal {
    key.note_unopened(at);
    Refusal::not_authentic()
}

/// How an opened body ended.
pub enum Opened {
    /// It came without a single byte, as P4 allows.
    Bodyless,
    /// It was opened, and under GCM verified.
    Body(Receipt),
}
