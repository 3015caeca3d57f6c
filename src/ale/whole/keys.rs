//! Which keys may open a message, and which one seals it.

use std::sync::Arc;

use jiff::Timestamp;

use super::WholeFault;
use crate::ale::{Refusal, envelope};
use crate::keys::{Key, KeyRing};
use crate::metrics::AleReason;
use crate::profile::{KeyNaming, TagPlace, WholeProfile};

/// Keys that are tried on a message which names none. More would multiply what a forged one costs.
const MOST_TRIED: usize = 4;

/// The keys that a message may be under, the likeliest first; at least one.
pub(super) fn opening(
    profile: &WholeProfile,
    fingerprint: Option<&str>,
    ring: &KeyRing,
    now: Timestamp,
) -> Result<Vec<Arc<Key>>, WholeFault> {
    let fits = |key: &&Arc<Key>| profile.algorithm.is_none_or(|named| named == key.secret.algorithm());
    let named = match (&profile.key, fingerprint) {
        (KeyNaming::At(_), Some(fingerprint)) => Some(fingerprint),
        (KeyNaming::Fixed(fingerprint), _) => Some(fingerprint.as_str()),
        (KeyNaming::At(_), None) | (KeyNaming::SealingKey, _) => None,
    };
    if let Some(fingerprint) = named {
        let key = envelope::key_named(ring, fingerprint, profile.credential_mismatch, now)?;
        let key = Some(key).filter(fits).ok_or(Refusal::unable(AleReason::OtherAlgorithm))?;
        return Ok(vec![Arc::clone(key)]);
    }
    let sealing = ring.sealing_key(now).filter(fits);
    let tells = |key: &&Arc<Key>| key.secret.algorithm().is_authenticated() && profile.tag != TagPlace::None;
    let is_valid = |key: &&Arc<Key>| ring.opening_key(key.fingerprint.as_str(), now).is_ok();
    // Without a tag nothing tells which key is right.
    let others = ring
        .keys()
        .filter(fits)
        .filter(tells)
        .filter(is_valid)
        .filter(|key| sealing.is_none_or(|sealing| !Arc::ptr_eq(sealing, key)));
    let keys: Vec<_> = sealing.into_iter().chain(others).take(MOST_TRIED).cloned().collect();
    if keys.is_empty() { Err(Refusal::unable(AleReason::UnknownFingerprint).into()) } else { Ok(keys) }
}

/// The key that seals new messages, if there is one.
pub(crate) fn sealing(profile: &WholeProfile, ring: &KeyRing, now: Timestamp) -> Option<Arc<Key>> {
    let key = match &profile.key {
        KeyNaming::Fixed(fingerprint) => ring.opening_key(fingerprint.as_str(), now).ok(),
        KeyNaming::At(_) | KeyNaming::SealingKey => ring.sealing_key(now),
    };
    key.filter(|key| profile.algorithm.is_none_or(|named| named == key.secret.algorithm())).cloned()
}
