//! The ciphers: algorithms, secret keys, keys from passphrases, and sealing and opening, whole or piece by piece.
//!
//! No I/O and no clock; randomness is passed in.

mod algorithm;
mod cfb;
mod detached;
pub mod encoding;
mod error;
mod gcm;
mod ghash;
mod iv;
mod iv_source;
mod kdf;
mod open;
mod schedule;
mod seal;
mod secret;
mod strides;

pub use algorithm::{Algorithm, KeySize, Mode, UnknownAlgorithm};
pub use detached::{Tag, TagLength, open_detached, open_unverified, pad_pkcs7, seal_detached, unpad_pkcs7};
pub use error::{MessageTooLong, NotAuthentic, OpenError, SealError, WrongIvLength};
pub use iv::{Iv, IvLength};
pub use iv_source::IvSource;
pub use kdf::{DerivationId, Iterations, IterationsOutOfRange, Pbkdf2, Prf, UnknownPrf};
pub use open::{Opener, open};
pub use seal::{Sealer, seal};
pub use secret::{SecretKey, WrongKeyLength};

#[cfg(test)]
mod tests;
