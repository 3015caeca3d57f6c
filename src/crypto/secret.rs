//! A secret key, bound to its one algorithm and ready for use.

use aes::cipher::InnerIvInit;
use aes::cipher::array::Array;
use ctr::cipher::StreamCipherCoreWrapper;
use zeroize::Zeroizing;

use super::cfb::Cfb;
use super::gcm::{Gcm, GcmKey, GcmOpener};
use super::open::Opening;
use super::schedule::{Block, KeySchedule};
use super::seal::Sealing;
use super::{Algorithm, Mode, Opener, Sealer, WrongIvLength};

/// A key with the one algorithm that it may be used under, expanded once for all messages.
///
/// Wiped on drop, or when the last message under way has ended. Has neither `Debug` nor `Clone` nor any way
/// into text.
pub struct SecretKey {
    algorithm: Algorithm,
    bytes: Zeroizing<Vec<u8>>,
    prepared: Prepared,
}

impl SecretKey {
    /// Takes `bytes` as the key; their length must be the algorithm's.
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, WrongKeyLength> {
        let expected = algorithm.key_size.bytes();
        let schedule = KeySchedule::new(algorithm.key_size, bytes).ok_or(WrongKeyLength {
            algorithm,
            expected,
            actual: bytes.len(),
        })?;
        let prepared = match algorithm.mode {
            Mode::Cfb => Prepared::Cfb(schedule),
            Mode::Cfb8 => Prepared::Cfb8(schedule),
            Mode::Ctr => Prepared::Ctr(schedule),
            Mode::Gcm => Prepared::Gcm(Box::new(GcmKey::new(schedule))),
        };
        Ok(Self { algorithm, bytes: Zeroizing::new(bytes.to_vec()), prepared })
    }

    /// The algorithm that this key is used under.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Starts sealing one message. No two messages of a key may have the same IV.
    ///
    /// GCM takes an IV of any length but zero, the other modes one of 16 bytes. `aad` is authenticated under
    /// GCM and means nothing to the other modes.
    pub fn sealer(&self, iv: &[u8], aad: &[u8]) -> Result<Sealer, WrongIvLength> {
        let sealing = match &self.prepared {
            Prepared::Cfb(schedule) => Sealing::Cfb(Cfb::new(schedule.clone(), self.block(iv)?.0)),
            Prepared::Cfb8(schedule) => {
                Sealing::Cfb8(InnerIvInit::inner_iv_init(schedule.clone(), &self.block(iv)?))
            }
            Prepared::Ctr(schedule) => Sealing::Ctr(self.counter(schedule, iv)?),
            Prepared::Gcm(key) => Sealing::Gcm(key.start(iv, aad).ok_or(self.wrong(iv))?),
        };
        Ok(Sealer(sealing))
    }

    /// Starts opening one message, under the IV and the `aad` that it was sealed with.
    pub fn opener(&self, iv: &[u8], aad: &[u8]) -> Result<Opener, WrongIvLength> {
        let opening = match &self.prepared {
            Prepared::Cfb(schedule) => Opening::Cfb(Cfb::new(schedule.clone(), self.block(iv)?.0)),
            Prepared::Cfb8(schedule) => {
                Opening::Cfb8(InnerIvInit::inner_iv_init(schedule.clone(), &self.block(iv)?))
            }
            Prepared::Ctr(schedule) => Opening::Ctr(self.counter(schedule, iv)?),
            Prepared::Gcm(key) => Opening::Gcm(GcmOpener::new(key.start(iv, aad).ok_or(self.wrong(iv))?)),
        };
        Ok(Opener(opening))
    }

    /// Starts a message under GCM; `None` for a key of another mode.
    pub(super) fn start_gcm(&self, iv: &[u8], aad: &[u8]) -> Result<Option<Gcm>, WrongIvLength> {
        match &self.prepared {
            Prepared::Gcm(key) => key.start(iv, aad).map(Some).ok_or(self.wrong(iv)),
            Prepared::Cfb(_) | Prepared::Cfb8(_) | Prepared::Ctr(_) => Ok(None),
        }
    }

    /// The raw key, for comparing keys of one ring with each other.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn counter(
        &self,
        schedule: &KeySchedule,
        iv: &[u8],
    ) -> Result<ctr::Ctr128BE<KeySchedule>, WrongIvLength> {
        let core = InnerIvInit::inner_iv_init(schedule.clone(), &self.block(iv)?);
        Ok(StreamCipherCoreWrapper::from_core(core))
    }

    fn block(&self, iv: &[u8]) -> Result<Block, WrongIvLength> {
        iv.try_into().map(Array).map_err(|_| self.wrong(iv))
    }

    fn wrong(&self, iv: &[u8]) -> WrongIvLength {
        WrongIvLength { algorithm: self.algorithm, actual: iv.len() }
    }
}

/// What the messages of a key have in common, by mode.
enum Prepared {
    Cfb(KeySchedule),
    Cfb8(KeySchedule),
    Ctr(KeySchedule),
    Gcm(Box<GcmKey>),
}

/// The key's length is not the algorithm's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{algorithm} takes a key of {expected} bytes, this one has {actual}")]
pub struct WrongKeyLength {
    /// The algorithm that was asked for.
    pub algorithm: Algorithm,
    /// Its key length in bytes.
    pub expected: usize,
    /// The length given.
    pub actual: usize,
}
