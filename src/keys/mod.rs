//! Keys by fingerprint: one key, the ring of all that hold at one time, and the store that swaps rings.
//!
//! Pure: the time is passed in, and key files arrive here as text.

mod fingerprint;
mod key;
mod ring;
mod store;

pub use fingerprint::{Fingerprint, NotAFingerprint};
pub use key::{Key, Validity};
pub use ring::{KeyRing, KeyUnavailable};
pub use store::KeyStore;
