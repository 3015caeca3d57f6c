//! Keys from passphrases: PBKDF2 (RFC 8018 §5.2).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::str::FromStr;

use aws_lc_rs::{digest, pbkdf2};
use zeroize::Zeroizing;

/// The parameters by which a passphrase becomes a key. None of them is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pbkdf2 {
    prf: Prf,
    iterations: Iterations,
    salt: Vec<u8>,
}

impl Pbkdf2 {
    /// The salt may be any bytes, and none at all: the other side has chosen it.
    pub fn new(prf: Prf, iterations: Iterations, salt: Vec<u8>) -> Self {
        Self { prf, iterations, salt }
    }

    /// How often the function is applied.
    pub fn iterations(&self) -> Iterations {
        self.iterations
    }

    /// The first `length` bytes of what the passphrase gives. Takes up to seconds, by the iterations.
    pub fn derive(&self, passphrase: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new(vec![0; length]);
        pbkdf2::derive(self.prf.algorithm(), self.iterations.0, &self.salt, passphrase, &mut key);
        key
    }

    /// What tells one derivation from every other, without the time that it takes.
    pub fn id(&self, passphrase: &[u8], length: usize) -> DerivationId {
        let salt_len = self.salt.len() as u64;
        let parts = [
            self.prf.label().as_bytes(),
            b"\0",
            &self.iterations.get().to_be_bytes(),
            &(length as u64).to_be_bytes(),
            &salt_len.to_be_bytes(),
            &self.salt,
            passphrase,
        ];
        // With its capacity at once, since a vector that grows leaves pieces behind.
        let mut all = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
        parts.iter().for_each(|part| all.extend_from_slice(part));
        DerivationId(Zeroizing::new(digest::digest(&digest::SHA256, &all).as_ref().to_vec()))
    }
}

/// How often a derivation applies its function: 1 to 10,000,000 times, beyond which a reload would take minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Iterations(NonZeroU32);

impl Iterations {
    /// The most that are taken.
    pub const MOST: u32 = 10_000_000;

    /// With fewer than these a passphrase can be guessed at a great rate; whoever reads settings warns of it.
    pub const MILD: u32 = 100_000;

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// Whether they are fewer than [`Self::MILD`].
    pub fn are_mild(self) -> bool {
        self.get() < Self::MILD
    }
}

impl TryFrom<i64> for Iterations {
    type Error = IterationsOutOfRange;

    fn try_from(count: i64) -> Result<Self, Self::Error> {
        let count = u32::try_from(count).ok().filter(|count| *count <= Self::MOST);
        count.and_then(NonZeroU32::new).map(Self).ok_or(IterationsOutOfRange)
    }
}

/// A digest of a derivation's parameters and passphrase.
///
/// Guessing at it is faster than at the key, so it is treated as a secret: wiped on drop, without `Debug`.
#[derive(Clone)]
pub struct DerivationId(Zeroizing<Vec<u8>>);

impl PartialEq for DerivationId {
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

impl Eq for DerivationId {}

impl Hash for DerivationId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_slice().hash(state);
    }
}

/// The hash under the HMAC of a derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prf {
    /// HMAC-SHA-1.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

impl Prf {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Sha1, Self::Sha256, Self::Sha512];

    /// Its name in files.
    pub fn label(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn algorithm(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

impl fmt::Display for Prf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl FromStr for Prf {
    type Err = UnknownPrf;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|known| known.label() == name).ok_or(UnknownPrf)
    }
}

/// The number is none of [`Iterations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a derivation takes 1 to 10000000 iterations")]
pub struct IterationsOutOfRange;

/// The name is none of [`Prf::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown hash; one of sha1, sha256 and sha512 is expected")]
pub struct UnknownPrf;

#[cfg(test)]
mod tests;
