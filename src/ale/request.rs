//! Opening a request: the head at once, the body as it arrives.

use std::sync::Arc;

use bytes::BytesMut;
use http::header::{CONTENT_ENCODING, HeaderName, HeaderValue};
use http::request::Parts;
use jiff::Timestamp;

use super::{Refusal, ReplySealing};
use crate::crypto::{Iv, IvLength, Opener, encoding};
use crate::keys::KeyRing;
use crate::metrics::AleReason;
use crate::profile::Profile;

/// What comes of a head that names a key: the way into the body, and the way back.
pub struct OpenedRequest {
    /// Opens the body.
    pub body: BodyOpening,
    /// Seals the reply under the same key.
    pub reply: ReplySealing,
}

/// Reads the envelope's headers off `head` and removes them (P1, P2, P6).
///
/// `head` bears the plaintext's headers afterwards, but for its framing.
pub fn open_request(
    profile: &Arc<Profile>,
    head: &mut Parts,
    ring: &KeyRing,
    now: Timestamp,
) -> Result<OpenedRequest, Refusal> {
    let iv = take_iv(profile, head)?;
    let fingerprint = take_fingerprint(profile, head)?;
    let key = ring.opening_key(&fingerprint, now).map_err(|gone| Refusal::key(gone, profile))?;
    if !key.secret.algorithm().is_authenticated() && iv.len() == IvLength::Twelve {
        return Err(Refusal::headers(AleReason::BadIv));
    }
    let opener =
        key.secret.opener(iv.as_bytes(), &[]).map_err(|_wrong_length| Refusal::headers(AleReason::BadIv))?;
    restore_content_encoding(profile, head)?;
    let body = BodyOpening {
        opener,
        authenticated: key.secret.algorithm().is_authenticated(),
        may_be_bodyless: profile.bodyless_methods.contains(&head.method),
        empty: true,
    };
    Ok(OpenedRequest { body, reply: ReplySealing::new(Arc::clone(profile), Arc::clone(key), iv) })
}

/// The body of one request on its way to plaintext.
#[must_use]
pub struct BodyOpening {
    opener: Opener,
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

    /// Opens the next piece and appends its plaintext to `out`.
    ///
    /// Where [`BodyOpening::must_be_held`], nothing in `out` may be used before [`BodyOpening::finish`].
    pub fn update(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<(), Refusal> {
        self.empty &= piece.is_empty();
        self.opener.update(piece, out).map_err(|_too_long| Refusal::not_authentic())
    }

    /// Ends the body and verifies its tag (P3, P4).
    pub fn finish(self) -> Result<Opened, Refusal> {
        if self.empty && (self.may_be_bodyless || !self.authenticated) {
            return Ok(Opened::Bodyless);
        }
        self.opener.finish().map_err(|_forged| Refusal::not_authentic())?;
        Ok(Opened::Body)
    }
}

/// How an opened body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It came without a single byte, as P4 allows.
    Bodyless,
    /// It was opened, and under GCM verified.
    Body,
}

/// P1: canonical base64 of 12 or 16 bytes, not all zero.
fn take_iv(profile: &Profile, head: &mut Parts) -> Result<Iv, Refusal> {
    let value = take_single(head, &profile.iv, AleReason::MissingIv, AleReason::BadIv)?;
    encoding::iv_from_base64(value.as_bytes())
        .filter(|iv| !iv.is_all_zero())
        .ok_or(Refusal::headers(AleReason::BadIv))
}

/// P2: 1–255 visible ASCII characters.
fn take_fingerprint(profile: &Profile, head: &mut Parts) -> Result<String, Refusal> {
    let value =
        take_single(head, &profile.fingerprint, AleReason::MissingFingerprint, AleReason::BadFingerprint)?;
    let text = value.to_str().map_err(|_not_ascii| Refusal::headers(AleReason::BadFingerprint))?;
    if text.is_empty() || text.len() > 255 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::headers(AleReason::BadFingerprint));
    }
    Ok(text.to_owned())
}

/// Removes the one value that `name` must have.
fn take_single(
    head: &mut Parts,
    name: &HeaderName,
    missing: AleReason,
    repeated: AleReason,
) -> Result<HeaderValue, Refusal> {
    let mut values = head.headers.get_all(name).iter();
    let value = values.next().ok_or(Refusal::headers(missing))?.clone();
    if values.next().is_some() {
        return Err(Refusal::headers(repeated));
    }
    head.headers.remove(name);
    Ok(value)
}

/// P6: the plaintext's `content-encoding` travelled under another name.
fn restore_content_encoding(profile: &Profile, head: &mut Parts) -> Result<(), Refusal> {
    if !head.headers.contains_key(&profile.content_encoding) {
        return Ok(());
    }
    if head.headers.contains_key(CONTENT_ENCODING) {
        return Err(Refusal::headers(AleReason::ConflictingEncoding));
    }
    let values: Vec<_> = head.headers.get_all(&profile.content_encoding).iter().cloned().collect();
    head.headers.remove(&profile.content_encoding);
    for value in values {
        head.headers.append(CONTENT_ENCODING, value);
    }
    Ok(())
}
