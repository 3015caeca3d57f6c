//! The expanded AES key, shared by every message under it.

use std::sync::Arc;

use aes::cipher::array::Array;
use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};

use super::KeySize;

/// One AES block.
pub(super) type Block = Array<u8, U16>;

/// Round keys for the forward cipher, the only direction that the four modes use.
///
/// Shared rather than copied: the type has room for the software cipher's round keys, up to 960 bytes,
/// and copying and wiping those would cost more than sealing a short message. They are wiped when the last
/// of key and messages goes.
#[derive(Clone)]
pub(super) struct KeySchedule(Arc<RoundKeys>);

impl KeySchedule {
    /// Expands `key`; `None` when its length is not the size's.
    pub(super) fn new(size: KeySize, key: &[u8]) -> Option<Self> {
        let round_keys = match size {
            KeySize::Aes128 => RoundKeys::Aes128(Aes128Enc::new_from_slice(key).ok()?),
            KeySize::Aes192 => RoundKeys::Aes192(Aes192Enc::new_from_slice(key).ok()?),
            KeySize::Aes256 => RoundKeys::Aes256(Aes256Enc::new_from_slice(key).ok()?),
        };
        Some(Self(Arc::new(round_keys)))
    }
}

impl BlockSizeUser for KeySchedule {
    type BlockSize = U16;
}

impl BlockCipherEncrypt for KeySchedule {
    /// The one place where the key size is told apart; a call covers a whole run of blocks.
    #[inline]
    fn encrypt_with_backend(&self, f: impl BlockCipherEncClosure<BlockSize = U16>) {
        match &*self.0 {
            RoundKeys::Aes128(cipher) => cipher.encrypt_with_backend(f),
            RoundKeys::Aes192(cipher) => cipher.encrypt_with_backend(f),
            RoundKeys::Aes256(cipher) => cipher.encrypt_with_backend(f),
        }
    }
}

/// Each variant wipes itself on drop.
enum RoundKeys {
    Aes128(Aes128Enc),
    Aes192(Aes192Enc),
    Aes256(Aes256Enc),
}
