//! The ciphers: algorithms, secret keys, and sealing and opening, whole or piece by piece.
//!
//! No I/O and no clock; randomness is passed in.

mod algorithm;
mod secret;

pub use algorithm::{Algorithm, KeySize, Mode, UnknownAlgorithm};
pub use secret::{SecretKey, WrongKeyLength};
