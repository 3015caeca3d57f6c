//! Keys by fingerprint: one key, what a source holds of them, the ring of all that hold at one time, and the store that
//! swaps rings.
//!
//! Pure: the time is passed in, and key files and portals' documents arrive here as text. A source is read by itself
//! ([`read_key_file`], [`read_document`]), and [`merge`] makes a ring of one or several.

mod derivations;
mod encoding;
mod file;
mod fingerprint;
mod key;
mod merge;
mod pbkdf2;
mod portal;
mod ring;
mod seal_limit;
mod source;
mod store;
mod usage;
mod verdict;
mod whereabouts;

pub use derivations::Derivations;
pub use encoding::{UnknownEncoding, ValueEncoding};
pub use file::{parse_key_file, read_key_file};
pub use fingerprint::{Fingerprint, NotAFingerprint};
pub use key::{Key, Validity};
pub use merge::{ParsedRing, merge, merge_some};
pub use pbkdf2::read_pbkdf2;
pub use portal::{DocumentFormat, MemberNames, ValueForm, read_document, switch_of};
pub use ring::{KeyRing, KeyUnavailable, RingFault, RingPolicy, RingWarning, StepBack};
pub use seal_limit::{OnSealLimit, SealLimit, SealMark, SealNotice};
pub use source::{Company, SourceKeys};
pub use store::KeyStore;
pub use usage::{KeyUsage, Uses};
pub use verdict::{KeyState, Retirement, Roughly, Verdict, verdicts};
