//! Opening, piece by piece or whole.

use bytes::BytesMut;
use cfb8::cipher::array::Array;
use cfb8::cipher::{BlockModeDecrypt, StreamCipher};
use zeroize::Zeroize;

use super::cfb::Cfb;
use super::gcm::GcmOpener;
use super::schedule::KeySchedule;
use super::{MessageTooLong, NotAuthentic, OpenError, SecretKey, strides};

/// Opens `sealed` whole: the ciphertext, under GCM followed by the tag (P3).
///
/// Under GCM nothing comes out unless the tag is right; the buffer is wiped otherwise.
pub fn open(key: &SecretKey, iv: &[u8], aad: &[u8], sealed: &[u8]) -> Result<BytesMut, OpenError> {
    // Room from the start: a buffer that grew would leave plaintext behind in freed memory.
    let mut plaintext = BytesMut::with_capacity(sealed.len());
    open_into(key, iv, aad, sealed, &mut plaintext)?;
    Ok(plaintext)
}

/// Appends the plaintext to `out`, zeros in its place on failure.
fn open_into(
    key: &SecretKey,
    iv: &[u8],
    aad: &[u8],
    sealed: &[u8],
    out: &mut BytesMut,
) -> Result<(), OpenError> {
    let start = out.len();
    let mut opener = key.opener(iv, aad)?;
    let opened = opener.update(sealed, out).map_err(OpenError::from);
    opened.and_then(|()| Ok(opener.finish()?)).inspect_err(|_| out[start..].zeroize())
}

/// One message being opened.
///
/// **What [`Opener::update`] appends is unverified until [`Opener::finish`] says `Ok`.** Under GCM it must
/// reach nobody before, and is to be wiped (`zeroize`) when `finish` fails: whoever acts on it earlier can be
/// fed forged text (P10). Under CFB, CFB8 and CTR nothing is ever verified, and `finish` is always `Ok`.
///
/// Any split of the ciphertext into pieces gives the same plaintext.
#[must_use = "under GCM nothing is verified before `finish`"]
pub struct Opener(pub(super) Opening);

impl Opener {
    /// Appends the **unverified** plaintext of the next piece to `out`; under GCM the last 16 bytes so far
    /// are held back, since they may be the tag.
    ///
    /// A refused piece changes nothing, and the message fails for good (P8).
    pub fn update(&mut self, ciphertext: &[u8], out: &mut BytesMut) -> Result<(), MessageTooLong> {
        match &mut self.0 {
            Opening::Cfb(cfb) => strides::append(ciphertext, out, |_, stride| {
                cfb.decrypt(stride);
                Ok(())
            }),
            Opening::Cfb8(cfb8) => strides::append(ciphertext, out, |_, stride| {
                cfb8.decrypt_blocks(Array::slice_as_chunks_mut(stride).0);
                Ok(())
            }),
            Opening::Ctr(ctr) => strides::append(ciphertext, out, |_, stride| {
                ctr.try_apply_keystream(stride).map_err(|_| MessageTooLong)
            }),
            Opening::Gcm(gcm) => gcm.update(ciphertext, out),
        }
    }

    /// Under GCM the last 16 bytes so far, which are the tag once all of the message has come. The other modes have none.
    pub fn tag(&self) -> Option<[u8; 16]> {
        match &self.0 {
            Opening::Gcm(gcm) => Some(gcm.last_bytes()),
            Opening::Cfb(_) | Opening::Cfb8(_) | Opening::Ctr(_) => None,
        }
    }

    /// Ends the message: under GCM whether all of it is authentic, otherwise always `Ok`.
    ///
    /// A message too short for a tag and one with a wrong tag fail alike, in the same time (P3).
    pub fn finish(self) -> Result<(), NotAuthentic> {
        match self.0 {
            Opening::Gcm(gcm) => gcm.finish(),
            Opening::Cfb(_) | Opening::Cfb8(_) | Opening::Ctr(_) => Ok(()),
        }
    }
}

/// The state of a message, by mode.
pub(super) enum Opening {
    Cfb(Cfb),
    Cfb8(cfb8::Decryptor<KeySchedule>),
    Ctr(ctr::Ctr128BE<KeySchedule>),
    Gcm(GcmOpener),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Algorithm, seal};

    #[test]
    fn plaintext_is_wiped_when_the_tag_turns_out_wrong() {
        for algorithm in Algorithm::ALL.into_iter().filter(|known| known.is_authenticated()) {
            let key = SecretKey::new(algorithm, &[1; 32][..algorithm.key_size.bytes()]).unwrap();
            for len in [1, 16, 100, 20_000] {
                let mut sealed = seal(&key, &[2; 16], b"", &vec![b'x'; len]).unwrap();
                *sealed.last_mut().unwrap() ^= 1;
                let mut out = BytesMut::from("before");
                let refused = open_into(&key, &[2; 16], b"", &sealed, &mut out);
                assert_eq!(refused, Err(NotAuthentic.into()));
                assert_eq!(out, [&b"before"[..], &vec![0; len]].concat());
            }
        }
    }
}
