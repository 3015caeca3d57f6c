//! A secret key, bound to its one algorithm.

use zeroize::Zeroizing;

use super::Algorithm;

/// Key bytes with the one algorithm that they may be used under.
///
/// Wiped on drop. Has neither `Debug` nor `Clone` nor any way into text.
pub struct SecretKey {
    algorithm: Algorithm,
    bytes: Zeroizing<Vec<u8>>,
}

impl SecretKey {
    /// Takes `bytes` as the key; their length must be the algorithm's.
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, WrongKeyLength> {
        let expected = algorithm.key_size.bytes();
        if bytes.len() != expected {
            return Err(WrongKeyLength { algorithm, expected, actual: bytes.len() });
        }
        Ok(Self { algorithm, bytes: Zeroizing::new(bytes.to_vec()) })
    }

    /// The algorithm that this key is used under.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw key, for comparing keys of one ring with each other.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
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
