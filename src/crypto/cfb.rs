//! CFB with 128-bit feedback (NIST SP 800-38A §6.3) piece by piece.
//!
//! Whole blocks go through `cfb-mode`, which decrypts many at once. Its buffered types work block by block
//! even then, so pieces that end within a block are seen to here.

use aes::cipher::array::Array;
use aes::cipher::{BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit};
use zeroize::Zeroizing;

use super::schedule::{Block, KeySchedule};

/// One message under way, in either direction.
pub(super) struct Cfb {
    schedule: KeySchedule,
    /// Between blocks the feedback: the IV or the last block of ciphertext. Within a block its first `used`
    /// bytes are the ciphertext so far, the rest is keystream.
    register: Zeroizing<[u8; 16]>,
    used: usize,
}

impl Cfb {
    pub(super) fn new(schedule: KeySchedule, iv: [u8; 16]) -> Self {
        Self { schedule, register: Zeroizing::new(iv), used: 0 }
    }

    pub(super) fn encrypt(&mut self, data: &mut [u8]) {
        let (begun, data) = self.split_begun(data);
        self.encrypt_within_block(begun);
        let (blocks, tail) = Block::slice_as_chunks_mut(data);
        if !blocks.is_empty() {
            cfb_mode::Encryptor::inner_iv_init(&self.schedule, self.feedback()).encrypt_blocks(blocks);
        }
        if let Some(last) = blocks.last() {
            *self.register = last.0;
        }
        self.encrypt_within_block(tail);
    }

    pub(super) fn decrypt(&mut self, data: &mut [u8]) {
        let (begun, data) = self.split_begun(data);
        self.decrypt_within_block(begun);
        let (blocks, tail) = Block::slice_as_chunks_mut(data);
        if let Some(last) = blocks.last().copied() {
            cfb_mode::Decryptor::inner_iv_init(&self.schedule, self.feedback()).decrypt_blocks(blocks);
            *self.register = last.0;
        }
        self.decrypt_within_block(tail);
    }

    fn encrypt_within_block(&mut self, data: &mut [u8]) {
        let keystream = self.keystream(data.len());
        for (byte, register) in data.iter_mut().zip(keystream) {
            *byte ^= *register;
            *register = *byte;
        }
    }

    fn decrypt_within_block(&mut self, data: &mut [u8]) {
        let keystream = self.keystream(data.len());
        for (byte, register) in data.iter_mut().zip(keystream) {
            let sealed = *byte;
            *byte ^= *register;
            *register = sealed;
        }
    }

    fn feedback(&self) -> &Block {
        Array::cast_from_core(&self.register)
    }

    /// Splits off what belongs to a block that was begun.
    fn split_begun<'d>(&self, data: &'d mut [u8]) -> (&'d mut [u8], &'d mut [u8]) {
        let begun = if self.used == 0 { 0 } else { data.len().min(16 - self.used) };
        data.split_at_mut(begun)
    }

    /// The next `len` bytes of the register, to be replaced by the ciphertext; at most to the end of a block.
    fn keystream(&mut self, len: usize) -> &mut [u8] {
        if self.used == 0 && len > 0 {
            self.schedule.encrypt_block(Array::cast_from_core_mut(&mut self.register));
        }
        let start = self.used;
        self.used = (start + len) % 16;
        &mut self.register[start..start + len]
    }
}
