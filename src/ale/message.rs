//! Messages of WebSocket (P7): each is sealed and opened by itself.

mod json;

use std::sync::Arc;

use bytes::BytesMut;
use jiff::Timestamp;
use rand::CryptoRng;
use zeroize::Zeroize;

use super::receipt::{Mark, Receipt};
use super::{Refusal, envelope};
use crate::crypto::{Iv, IvLength, MessageTooLong, Opener, encoding};
use crate::keys::{Key, KeyRing};
use crate::metrics::AleReason;
use crate::profile::StreamProfile;
pub use json::bears_envelope;
pub(super) use json::read_object;
use json::{Frame, Members};

/// Bytes that are sealed and then encoded while they lie in the first-level cache; a multiple of three.
const STRIDE: usize = 6 * 1024;

/// The right to seal one message, under a key and an IV that are settled.
#[must_use]
pub struct MessageSealing {
    key: Arc<Key>,
    iv: Iv,
    aad: Box<[u8]>,
    at: Timestamp,
}

impl MessageSealing {
    /// Seals under a random IV, for a message that belongs to no session.
    pub fn alone<R: CryptoRng>(key: &Arc<Key>, now: Timestamp, rng: &mut R) -> Self {
        Self::new(Arc::clone(key), envelope::fresh_iv(IvLength::Sixteen, None, rng), Box::default(), now)
    }

    /// `iv` must have a length that the key's algorithm takes: [`iv_length`].
    pub(super) fn new(key: Arc<Key>, iv: Iv, aad: Box<[u8]>, at: Timestamp) -> Self {
        Self { key, iv, aad, at }
    }

    /// The key that seals.
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// Exactly how long the envelope of so many bytes of plaintext is.
    pub fn sealed_len(&self, plaintext: usize) -> usize {
        let ciphertext = plaintext.saturating_add(self.key.secret.algorithm().tag_len());
        self.frame().len().saturating_add(encoding::base64_len(ciphertext))
    }

    /// Appends the envelope of `plaintext` to `out`, which stays as it was if that is too long (P8).
    pub fn seal(self, plaintext: &[u8], out: &mut BytesMut) -> Result<(), MessageTooLong> {
        let start = out.len();
        out.reserve(self.sealed_len(plaintext.len()));
        self.frame().open(out);
        if let Err(too_long) = self.append_message(plaintext, out) {
            out.truncate(start);
            self.key.note_unsealed(self.at);
            return Err(too_long);
        }
        Frame::close(out);
        self.key.note_sealed(self.at);
        Ok(())
    }

    fn frame(&self) -> Frame<'_> {
        Frame { iv: encoding::iv_to_base64(&self.iv), fingerprint: self.key.fingerprint.as_str() }
    }

    /// Appends the base64 of ciphertext and tag, which never lies anywhere as a whole.
    fn append_message(&self, plaintext: &[u8], out: &mut BytesMut) -> Result<(), MessageTooLong> {
        let secret = &self.key.secret;
        let mut sealer =
            secret.sealer(self.iv.as_bytes(), &self.aad).expect("the iv was made for this algorithm");
        let room = plaintext.len().min(STRIDE) + secret.algorithm().tag_len();
        let mut sealed = BytesMut::with_capacity(room);
        let strides = plaintext.chunks_exact(STRIDE);
        let rest = strides.remainder();
        for stride in strides {
            sealer.update(stride, &mut sealed)?;
            encoding::base64_append(&sealed, out);
            sealed.clear();
        }
        sealer.update(rest, &mut sealed)?;
        sealer.finish(&mut sealed);
        encoding::base64_append(&sealed, out);
        Ok(())
    }
}

/// The length of IV that `key` seals under, where the peer is known to take `length` (P1).
pub(super) fn iv_length(key: &Key, length: IvLength) -> IvLength {
    if key.secret.algorithm().is_authenticated() { length } else { IvLength::Sixteen }
}

/// What an envelope held.
pub struct OpenedMessage {
    /// The text or the bytes that were sealed.
    pub plaintext: BytesMut,
    /// Under which key and which IV they were.
    pub receipt: Receipt,
}

impl OpenedMessage {
    /// Whether a tag has vouched for the plaintext; without one nothing may be refused because of what it says.
    pub fn is_authenticated(&self) -> bool {
        self.receipt.key.secret.algorithm().is_authenticated()
    }
}

/// Opens one envelope that belongs to no session (P1, P2, P3, P7).
pub fn open_message(
    profile: &StreamProfile,
    envelope: &[u8],
    ring: &KeyRing,
    now: Timestamp,
) -> Result<OpenedMessage, Refusal> {
    Envelope::read(envelope)?.open(profile, ring, &[], now)
}

/// An envelope whose members are what they must be, still sealed.
pub(super) struct Envelope<'e> {
    pub(super) iv: Iv,
    members: Members<'e>,
}

impl<'e> Envelope<'e> {
    /// Reads the members; whatever is wrong with them is errorCode 1, but for the base64 of the ciphertext.
    pub(super) fn read(text: &'e [u8]) -> Result<Self, Refusal> {
        let members = Members::read(text)?;
        let iv = encoding::iv_from_base64(members.iv.as_bytes()).filter(|iv| !iv.is_all_zero());
        let iv = iv.ok_or(Refusal::headers(AleReason::BadIv))?;
        if !envelope::is_fingerprint(members.fingerprint.as_bytes()) {
            return Err(Refusal::headers(AleReason::BadFingerprint));
        }
        Ok(Self { iv, members })
    }

    /// Opens the message under the key that it names.
    pub(super) fn open(
        &self,
        profile: &StreamProfile,
        ring: &KeyRing,
        aad: &[u8],
        now: Timestamp,
    ) -> Result<OpenedMessage, Refusal> {
        let key = envelope::stream_key_named(ring, &self.members.fingerprint, profile, now)?;
        let wrong_length = Refusal::headers(AleReason::BadIv);
        if self.iv.len() != iv_length(key, self.iv.len()) {
            return Err(wrong_length);
        }
        let opener = key.secret.opener(self.iv.as_bytes(), aad).map_err(|_| wrong_length)?;
        let text = &*self.members.message;
        // Room from the start: a buffer that grew would leave plaintext behind in freed memory.
        let mut plaintext = BytesMut::with_capacity(text.len() / 4 * 3);
        let mark = open_or_wipe(opener, text, &mut plaintext).inspect_err(|_| key.note_unopened(now))?;
        key.note_opened(now);
        let receipt = Receipt { key: Arc::clone(key), iv: self.iv, mark };
        Ok(OpenedMessage { plaintext, receipt })
    }
}

/// Opens the base64 `text` into `plaintext`, which holds zeros on failure.
fn open_or_wipe(opener: Opener, text: &[u8], plaintext: &mut BytesMut) -> Result<Option<Mark>, Refusal> {
    open_into(opener, text, plaintext).inspect_err(|_| plaintext[..].zeroize())
}

/// Decodes and opens in strides, and says at the end whether all of it may be used (P10).
fn open_into(mut opener: Opener, text: &[u8], plaintext: &mut BytesMut) -> Result<Option<Mark>, Refusal> {
    let not_base64 = Refusal::unable(AleReason::BadMessage);
    let characters = encoding::base64_len(STRIDE);
    // The last stride is never empty, unless all is: padding belongs there and nowhere else.
    let (strides, rest) = text.split_at(text.len().saturating_sub(1) / characters * characters);
    let mut sealed = vec![0; text.len().min(STRIDE)];
    for stride in strides.chunks_exact(characters) {
        let bytes = encoding::base64_decode_into(stride, &mut sealed).ok_or(not_base64)?;
        if bytes.len() < STRIDE {
            return Err(not_base64);
        }
        opener.update(bytes, plaintext).map_err(|_too_long| Refusal::not_authentic())?;
    }
    let bytes = encoding::base64_decode_into(rest, &mut sealed).ok_or(not_base64)?;
    opener.update(bytes, plaintext).map_err(|_too_long| Refusal::not_authentic())?;
    Mark::of_verified(opener).map_err(|_forged| Refusal::not_authentic())
}

#[cfg(test)]
mod tests;
