//! The twelve algorithms: AES with three key sizes in four modes.

use std::fmt;
use std::str::FromStr;

/// A cipher as a key file names it, for example `AES-256-GCM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Algorithm {
    /// Length of the key.
    pub key_size: KeySize,
    /// Mode of operation.
    pub mode: Mode,
}

impl Algorithm {
    /// Every algorithm, by mode and then by key size.
    pub const ALL: [Algorithm; 12] = {
        use KeySize::{Aes128, Aes192, Aes256};
        use Mode::{Cfb, Cfb8, Ctr, Gcm};
        const fn of(key_size: KeySize, mode: Mode) -> Algorithm {
            Algorithm { key_size, mode }
        }
        [
            of(Aes128, Gcm),
            of(Aes192, Gcm),
            of(Aes256, Gcm),
            of(Aes128, Cfb),
            of(Aes192, Cfb),
            of(Aes256, Cfb),
            of(Aes128, Cfb8),
            of(Aes192, Cfb8),
            of(Aes256, Cfb8),
            of(Aes128, Ctr),
            of(Aes192, Ctr),
            of(Aes256, Ctr),
        ]
    };

    /// Whether the mode proves that a message is whole and from a holder of the key.
    pub fn is_authenticated(self) -> bool {
        self.mode == Mode::Gcm
    }

    /// Bytes that sealing adds: the 16-byte tag under GCM, nothing otherwise.
    pub fn tag_len(self) -> usize {
        if self.is_authenticated() { 16 } else { 0 }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AES-{}-{}", self.key_size.bits(), self.mode.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Reads the name as [`fmt::Display`] writes it; letter case does not matter.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let (cipher, rest) = name.split_once('-').ok_or(UnknownAlgorithm)?;
        let (bits, mode) = rest.split_once('-').ok_or(UnknownAlgorithm)?;
        let is_meant =
            |known: &Self| known.key_size.bits() == bits && known.mode.name().eq_ignore_ascii_case(mode);
        let known = Self::ALL.into_iter().find(is_meant);
        known.filter(|_| cipher.eq_ignore_ascii_case("AES")).ok_or(UnknownAlgorithm)
    }
}

/// Length of an AES key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeySize {
    /// 16 bytes.
    Aes128,
    /// 24 bytes.
    Aes192,
    /// 32 bytes.
    Aes256,
}

impl KeySize {
    /// The length in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// The length in bits, as names have it.
    fn bits(self) -> &'static str {
        match self {
            Self::Aes128 => "128",
            Self::Aes192 => "192",
            Self::Aes256 => "256",
        }
    }
}

/// Mode of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// CFB with 128-bit feedback (NIST SP 800-38A §6.3; OpenSSL's `aes-256-cfb`).
    Cfb,
    /// CFB with 8-bit feedback.
    Cfb8,
    /// Counter mode with a 128-bit big-endian counter (NIST SP 800-38A §6.5).
    Ctr,
    /// Galois/counter mode (NIST SP 800-38D), the only one that authenticates.
    Gcm,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Cfb => "CFB",
            Self::Cfb8 => "CFB8",
            Self::Ctr => "CTR",
            Self::Gcm => "GCM",
        }
    }
}

/// The name is none of [`Algorithm::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm; one of AES-128, AES-192 or AES-256 with -GCM, -CFB, -CFB8 or -CTR is expected")]
pub struct UnknownAlgorithm;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithm_is_read_by_its_whole_name_in_either_case() {
        for algorithm in Algorithm::ALL {
            let name = algorithm.to_string();
            assert_eq!(name.parse(), Ok(algorithm));
            assert_eq!(name.to_lowercase().parse(), Ok(algorithm));
            let cut = (0..name.len()).map(|at| name[..at].to_owned());
            let cut = cut.filter(|cut| algorithm.mode != Mode::Cfb8 || !cut.ends_with("CFB"));
            for other in
                cut.chain([format!("{name} "), format!(" {name}"), format!("{name}-"), format!("{name}8")])
            {
                let taken = other.parse::<Algorithm>();
                let is_cfb8 = algorithm.mode == Mode::Cfb && other.ends_with("CFB8");
                assert_eq!(taken.is_ok(), is_cfb8, "for {other:?}");
            }
        }
        for name in ["AES256GCM", "AES-0256-GCM", "DES-128-GCM", "AES-128", "--", "AES_128_GCM"] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "for {name}");
        }
    }
}
