//! Galois/counter mode (NIST SP 800-38D) piece by piece, from the same family's CTR and GHASH.
//!
//! The `aes-gcm` crate takes whole messages only; the tests hold this module to it.

use bytes::BytesMut;
use ctr::Ctr32BE;
use ctr::cipher::array::Array;
use ctr::cipher::{BlockCipherEncrypt, InnerIvInit, StreamCipher, StreamCipherCoreWrapper};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::ghash::{Hash, HashKey};
use super::schedule::{Block, KeySchedule};
use super::{MessageTooLong, NotAuthentic, OpenError, strides};

/// Length of the tag that follows the ciphertext (P3).
pub(super) const TAG_LEN: usize = 16;

/// The longest plaintext of one message (P8): beyond it the 32-bit counter would come round to J0.
pub(super) const MAX_PLAINTEXT: u64 = (1 << 36) - 32;

/// What a key needs for every message: the round keys and GHASH under its H.
pub(super) struct GcmKey {
    schedule: KeySchedule,
    hash: HashKey,
}

impl GcmKey {
    pub(super) fn new(schedule: KeySchedule) -> Self {
        let mut h = Zeroizing::new([0; 16]);
        schedule.encrypt_block(Array::cast_from_core_mut(&mut h));
        let hash = HashKey::new(Array::cast_from_core(&h));
        Self { schedule, hash }
    }

    /// Starts a message; `None` for an empty IV, which the standard does not have.
    pub(super) fn start(&self, iv: &[u8], aad: &[u8]) -> Option<Gcm> {
        let j0 = self.j0(iv)?;
        let mut mask = Zeroizing::new([0; 16]);
        self.schedule.encrypt_block_b2b(&j0, Array::cast_from_core_mut(&mut mask));
        let core = InnerIvInit::inner_iv_init(self.schedule.clone(), &incremented(j0));
        let mut hash = Authenticator::new(self.hash.start());
        hash.update(aad);
        hash.pad();
        Some(Gcm {
            keystream: StreamCipherCoreWrapper::from_core(core),
            hash,
            mask,
            aad_len: aad.len() as u64,
            message_len: 0,
        })
    }

    /// The first counter block (SP 800-38D §7.1 step 2). Only an IV of 12 bytes is taken as it stands; any
    /// other goes through GHASH.
    fn j0(&self, iv: &[u8]) -> Option<Block> {
        match iv.len() {
            0 => None,
            12 => {
                let mut j0 = Block::default();
                j0[..12].copy_from_slice(iv);
                j0[15] = 1;
                Some(j0)
            }
            len => {
                let mut hash = Authenticator::new(self.hash.start());
                hash.update(iv);
                hash.pad();
                Some(Array(hash.finalize(lengths(0, len as u64))))
            }
        }
    }
}

/// One message under way, in either direction.
pub(super) struct Gcm {
    keystream: Ctr32BE<KeySchedule>,
    hash: Authenticator,
    /// The encrypted J0, which turns the hash into the tag.
    mask: Zeroizing<[u8; 16]>,
    aad_len: u64,
    message_len: u64,
}

impl Gcm {
    /// Appends the ciphertext of `plaintext` to `out`. A refused piece changes nothing.
    pub(super) fn encrypt(&mut self, plaintext: &[u8], out: &mut BytesMut) -> Result<(), MessageTooLong> {
        self.admit(plaintext.len())?;
        // Room for the tag as well, so that it never moves the whole message.
        out.reserve(plaintext.len().saturating_add(TAG_LEN));
        strides::append(plaintext, out, |_, stride| {
            self.keystream.try_apply_keystream(stride).map_err(|_| MessageTooLong)?;
            self.hash.update(stride);
            Ok(())
        })
    }

    /// Appends the plaintext of `ciphertext` to `out`, unverified. The caller has admitted its length.
    fn decrypt(&mut self, ciphertext: &[u8], out: &mut BytesMut) -> Result<(), MessageTooLong> {
        strides::append(ciphertext, out, |sealed, stride| {
            self.hash.update(sealed);
            self.keystream.try_apply_keystream(stride).map_err(|_| MessageTooLong)
        })
    }

    /// Counts `len` more bytes, unless the message would outgrow the mode (P8).
    fn admit(&mut self, len: usize) -> Result<(), MessageTooLong> {
        let message_len = self.message_len.saturating_add(len as u64);
        if message_len > MAX_PLAINTEXT {
            return Err(MessageTooLong);
        }
        self.message_len = message_len;
        Ok(())
    }

    pub(super) fn tag(mut self) -> [u8; TAG_LEN] {
        self.hash.pad();
        let mut tag = self.hash.finalize(lengths(self.aad_len, self.message_len));
        tag.iter_mut().zip(self.mask.iter()).for_each(|(byte, mask)| *byte ^= mask);
        tag
    }
}

impl Gcm {
    /// Opens all of a message at once, in place, and then compares `tag`, of which so many leading bytes as there are must
    /// be those of the message's (SP 800-38D §5.2.1.2 allows 12 to 16; the caller sees to that).
    pub(super) fn open_detached(mut self, message: &mut [u8], tag: &[u8]) -> Result<(), OpenError> {
        self.admit(message.len())?;
        self.hash.update(message);
        self.keystream.try_apply_keystream(message).map_err(|_| MessageTooLong)?;
        let expected = self.tag();
        let is_right = tag.len() <= TAG_LEN && bool::from(expected[..tag.len()].ct_eq(tag));
        if is_right && !tag.is_empty() { Ok(()) } else { Err(NotAuthentic.into()) }
    }

    /// Opens all of a message in place without asking for a tag: this is CTR from J0, and proves nothing.
    pub(super) fn open_unverified(mut self, message: &mut [u8]) -> Result<(), MessageTooLong> {
        self.admit(message.len())?;
        self.keystream.try_apply_keystream(message).map_err(|_| MessageTooLong)
    }
}

/// Opens a message whose tag is the last thing to come, so that 16 bytes are always held back.
pub(super) struct GcmOpener {
    gcm: Gcm,
    held: [u8; TAG_LEN],
    held_len: usize,
    /// A piece was refused, so no tag can speak for the message any more.
    incomplete: bool,
}

impl GcmOpener {
    pub(super) fn new(gcm: Gcm) -> Self {
        Self { gcm, held: [0; TAG_LEN], held_len: 0, incomplete: false }
    }

    /// Appends to `out` the unverified plaintext of all but the last 16 bytes so far.
    pub(super) fn update(&mut self, ciphertext: &[u8], out: &mut BytesMut) -> Result<(), MessageTooLong> {
        let known = self.held_len + ciphertext.len();
        let release = known.saturating_sub(TAG_LEN);
        self.gcm.admit(release).inspect_err(|_| self.incomplete = true)?;
        out.reserve(release);
        let from_held = release.min(self.held_len);
        let (released, kept) = ciphertext.split_at(release - from_held);
        self.gcm.decrypt(&self.held[..from_held], out)?;
        self.gcm.decrypt(released, out)?;
        self.held.copy_within(from_held..self.held_len, 0);
        let rest = self.held_len - from_held;
        self.held_len = rest + kept.len();
        self.held[rest..self.held_len].copy_from_slice(kept);
        Ok(())
    }

    /// What is held back, zeros behind it where that is less.
    pub(super) fn last_bytes(&self) -> [u8; TAG_LEN] {
        self.held
    }

    /// Whether the tag is the message's.
    ///
    /// A message too short to bear a tag takes the same way as one with a wrong tag, so that neither the
    /// outcome nor its time tells them apart.
    pub(super) fn finish(self) -> Result<(), NotAuthentic> {
        let whole = Choice::from(u8::from(self.held_len == TAG_LEN && !self.incomplete));
        let expected = self.gcm.tag();
        if bool::from(expected.ct_eq(&self.held) & whole) { Ok(()) } else { Err(NotAuthentic) }
    }
}

/// GHASH over bytes in pieces of any length.
struct Authenticator {
    hash: Hash,
    partial: [u8; 16],
    filled: usize,
}

impl Authenticator {
    fn new(hash: Hash) -> Self {
        Self { hash, partial: [0; 16], filled: 0 }
    }

    fn update(&mut self, mut data: &[u8]) {
        if self.filled > 0 {
            let (head, rest) = data.split_at(data.len().min(16 - self.filled));
            self.fill(head);
            data = rest;
            if self.filled < 16 {
                return;
            }
            self.pad();
        }
        let (blocks, tail) = Block::slice_as_chunks(data);
        self.hash.update(blocks);
        self.fill(tail);
    }

    fn fill(&mut self, data: &[u8]) {
        self.partial[self.filled..self.filled + data.len()].copy_from_slice(data);
        self.filled += data.len();
    }

    /// Hashes a block that was begun, with zeros behind it.
    fn pad(&mut self) {
        if self.filled > 0 {
            self.partial[self.filled..].fill(0);
            self.hash.update(&[Array(self.partial)]);
            self.filled = 0;
        }
    }

    fn finalize(mut self, lengths: Block) -> [u8; 16] {
        self.hash.update(&[lengths]);
        self.hash.finalize()
    }
}

/// The block that closes a hash: both lengths in bits.
fn lengths(first: u64, second: u64) -> Block {
    let mut block = Block::default();
    block[..8].copy_from_slice(&first.wrapping_mul(8).to_be_bytes());
    block[8..].copy_from_slice(&second.wrapping_mul(8).to_be_bytes());
    block
}

/// `inc32` of SP 800-38D §6.2: only the last four bytes count.
fn incremented(mut block: Block) -> Block {
    let counter = u32::from_be_bytes([block[12], block[13], block[14], block[15]]).wrapping_add(1);
    block[12..].copy_from_slice(&counter.to_be_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::KeySize;

    /// A message of which `len` bytes are already through.
    fn begun(len: u64) -> Gcm {
        let schedule = KeySchedule::new(KeySize::Aes256, &[1; 32]).unwrap();
        let mut gcm = GcmKey::new(schedule).start(&[2; 16], b"").unwrap();
        gcm.message_len = len;
        gcm
    }

    #[test]
    fn message_ends_at_2_to_the_36_less_32_bytes() {
        let mut out = BytesMut::new();
        let mut gcm = begun(68_719_476_704 - 20);
        assert_eq!(gcm.encrypt(&[0; 21], &mut out), Err(MessageTooLong));
        assert!(out.is_empty());
        assert_eq!(gcm.encrypt(&[0; 20], &mut out), Ok(()));
        assert_eq!(out.len(), 20);
        assert_eq!(gcm.encrypt(&[], &mut out), Ok(()));
        assert_eq!(gcm.encrypt(&[0], &mut out), Err(MessageTooLong));
        assert_eq!(out.len(), 20);
    }

    #[test]
    fn longest_message_may_be_opened_with_its_tag_and_not_a_byte_more() {
        let mut out = BytesMut::new();
        let mut opener = GcmOpener::new(begun(MAX_PLAINTEXT - 20));
        assert_eq!(opener.update(&[0; 36], &mut out), Ok(()));
        assert_eq!(opener.update(&[0], &mut out), Err(MessageTooLong));
        assert_eq!(out.len(), 20);
    }

    #[test]
    fn message_of_which_a_piece_was_refused_is_not_authentic_whatever_its_tag() {
        let mut opener = GcmOpener::new(begun(MAX_PLAINTEXT));
        opener.update(&begun(MAX_PLAINTEXT).tag(), &mut BytesMut::new()).unwrap();
        assert_eq!(opener.finish(), Ok(()));

        let mut opener = GcmOpener::new(begun(MAX_PLAINTEXT));
        opener.update(&begun(MAX_PLAINTEXT).tag(), &mut BytesMut::new()).unwrap();
        assert_eq!(opener.update(&[0], &mut BytesMut::new()), Err(MessageTooLong));
        assert_eq!(opener.finish(), Err(NotAuthentic));
    }

    #[test]
    fn keystream_reaches_to_the_end_of_the_longest_message() {
        use ctr::cipher::StreamCipherSeek;
        let mut gcm = begun(MAX_PLAINTEXT - 16);
        gcm.keystream.try_seek(MAX_PLAINTEXT - 16).unwrap();
        assert_eq!(gcm.encrypt(&[0; 16], &mut BytesMut::new()), Ok(()));
    }
}
