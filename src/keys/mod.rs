//! Keys by fingerprint: one key, the ring of all that hold at one time, and the store that swaps rings.
//!
//! Pure: the time is passed in, and key files arrive here as text.

mod file;
mod fingerprint;
mod key;
mod ring;
mod store;
mod usage;
mod verdict;

pub use file::{ParsedRing, parse_key_file};
pub use fingerprint::{Fingerprint, NotAFingerprint};
pub use key::{Key, Validity};
pub use ring::{KeyRing, KeyUnavailable, RingFault, RingPolicy, RingWarning, StepBack};
pub use store::KeyStore;
pub use usage::{KeyUsage, Uses};
pub use verdict::{KeyState, Retirement, Roughly, Verdict, verdicts};
