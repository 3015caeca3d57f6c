//! Sealing, piece by piece or whole.

use bytes::BytesMut;
use cfb8::cipher::array::Array;
use cfb8::cipher::{BlockModeEncrypt, StreamCipher};

use super::cfb::Cfb;
use super::gcm::{Gcm, TAG_LEN};
use super::schedule::KeySchedule;
use super::{MessageTooLong, SealError, SecretKey, strides};

/// Seals `plaintext` whole: the ciphertext, under GCM followed by the tag (P3).
pub fn seal(key: &SecretKey, iv: &[u8], aad: &[u8], plaintext: &[u8]) -> Result<BytesMut, SealError> {
    let mut sealer = key.sealer(iv, aad)?;
    let mut sealed = BytesMut::with_capacity(plaintext.len().saturating_add(key.algorithm().tag_len()));
    sealer.update(plaintext, &mut sealed)?;
    sealer.finish(&mut sealed);
    Ok(sealed)
}

/// One message being sealed.
///
/// Any split of the plaintext into pieces gives the same bytes.
#[must_use = "without the tag that `finish` appends, nobody can open the message"]
pub struct Sealer(pub(super) Sealing);

impl Sealer {
    /// Appends the ciphertext of the next piece, of the same length, to `out`.
    ///
    /// A refused piece changes nothing; the message can't become whole any more (P8).
    pub fn update(&mut self, plaintext: &[u8], out: &mut BytesMut) -> Result<(), MessageTooLong> {
        match &mut self.0 {
            Sealing::Cfb(cfb) => strides::append(plaintext, out, |_, stride| {
                cfb.encrypt(stride);
                Ok(())
            }),
            Sealing::Cfb8(cfb8) => strides::append(plaintext, out, |_, stride| {
                cfb8.encrypt_blocks(Array::slice_as_chunks_mut(stride).0);
                Ok(())
            }),
            Sealing::Ctr(ctr) => strides::append(plaintext, out, |_, stride| {
                ctr.try_apply_keystream(stride).map_err(|_| MessageTooLong)
            }),
            Sealing::Gcm(gcm) => gcm.encrypt(plaintext, out),
        }
    }

    /// Ends the message: appends the 16-byte tag under GCM, nothing otherwise.
    pub fn finish(self, out: &mut BytesMut) {
        if let Sealing::Gcm(gcm) = self.0 {
            let tag: [u8; TAG_LEN] = gcm.tag();
            out.extend_from_slice(&tag);
        }
    }
}

/// The state of a message, by mode.
pub(super) enum Sealing {
    Cfb(Cfb),
    Cfb8(cfb8::Encryptor<KeySchedule>),
    Ctr(ctr::Ctr128BE<KeySchedule>),
    Gcm(Gcm),
}
