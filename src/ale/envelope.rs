//! The headers that make a message a sealed one: read, written and removed (P1, P2, P6).

use std::sync::Arc;

use http::header::{CONTENT_ENCODING, Entry, HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use rand::CryptoRng;

use super::Refusal;
use crate::crypto::{Iv, IvLength, encoding};
use crate::keys::{Key, KeyRing};
use crate::metrics::AleReason;
use crate::profile::StreamProfile;

/// Removes what only a sealed message may bear.
pub(super) fn strip(profile: &StreamProfile, headers: &mut HeaderMap) {
    let names = profile.carriers();
    // Comparing the few names that are there is cheaper than looking up three that are not.
    if headers.keys().any(|name| names.contains(&name)) {
        for name in names {
            headers.remove(name);
        }
    }
}

/// P1: random and not all zero. P9: never `other`, the IV of the message that is answered.
pub(super) fn fresh_iv<R: CryptoRng>(length: IvLength, other: Option<&Iv>, rng: &mut R) -> Iv {
    loop {
        let iv = Iv::random(length, rng);
        if Some(&iv) != other && !iv.is_all_zero() {
            return iv;
        }
    }
}

/// Marks `headers` as those of a message sealed with `key` under `iv` (P1, P2), and has `content-encoding`
/// travel under its other name (P6).
pub(super) fn mark(profile: &StreamProfile, key: &Key, iv: &Iv, headers: &mut HeaderMap) {
    let iv = HeaderValue::from_str(encoding::iv_to_base64(iv).as_str()).expect("base64 is visible ASCII");
    headers.insert(profile.iv.clone(), iv);
    headers.insert(profile.fingerprint.clone(), key.fingerprint.header_value().clone());
    rename_content_encoding(headers);
}

/// P6: the plaintext's `content-encoding` travels under another name.
pub(super) fn rename_content_encoding(headers: &mut HeaderMap) {
    move_all(headers, &CONTENT_ENCODING, &StreamProfile::CONTENT_ENCODING);
}

/// P1: canonical base64 of 12 or 16 bytes, not all zero.
pub(super) fn take_iv(profile: &StreamProfile, headers: &mut HeaderMap) -> Result<Iv, Refusal> {
    let value = take_single(headers, &profile.iv, AleReason::MissingIv, AleReason::BadIv)?;
    encoding::iv_from_base64(value.as_bytes())
        .filter(|iv| !iv.is_all_zero())
        .ok_or(Refusal::headers(AleReason::BadIv))
}

/// P2: 1–255 visible ASCII characters; the value converts to text.
pub(super) fn take_fingerprint(
    profile: &StreamProfile,
    headers: &mut HeaderMap,
) -> Result<HeaderValue, Refusal> {
    let (missing, bad) = (AleReason::MissingFingerprint, AleReason::BadFingerprint);
    let value = take_single(headers, &profile.fingerprint, missing, bad)?;
    if is_fingerprint(value.as_bytes()) { Ok(value) } else { Err(Refusal::headers(bad)) }
}

/// P2: whether this can be the name of a key.
pub(super) fn is_fingerprint(text: &[u8]) -> bool {
    (1..=255).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
}

/// P2: the key that a message names. One that is outside its window opens nothing, and its owner hears of who tries.
/// `tells_unknown`: whether a peer is told that there is no such key.
pub(super) fn key_named<'r>(
    ring: &'r KeyRing,
    fingerprint: &str,
    tells_unknown: bool,
    now: Timestamp,
) -> Result<&'r Arc<Key>, Refusal> {
    ring.opening_key(fingerprint, now).map_err(|gone| {
        if let Some(key) = ring.key(fingerprint) {
            key.note_unopened(now);
        }
        Refusal::key(gone, tells_unknown)
    })
}

/// The same under a profile whose keys have one algorithm, if it names that.
pub(super) fn stream_key_named<'r>(
    ring: &'r KeyRing,
    fingerprint: &str,
    profile: &StreamProfile,
    now: Timestamp,
) -> Result<&'r Arc<Key>, Refusal> {
    let key = key_named(ring, fingerprint, profile.credential_mismatch, now)?;
    if profile.takes(key.secret.algorithm()) {
        return Ok(key);
    }
    key.note_unopened(now);
    Err(Refusal::unable(AleReason::OtherAlgorithm))
}

/// P6: the plaintext's `content-encoding` travelled under another name.
pub(super) fn restore_content_encoding(headers: &mut HeaderMap) -> Result<(), Refusal> {
    if !headers.contains_key(&StreamProfile::CONTENT_ENCODING) {
        return Ok(());
    }
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(Refusal::headers(AleReason::ConflictingEncoding));
    }
    move_all(headers, &StreamProfile::CONTENT_ENCODING, &CONTENT_ENCODING);
    Ok(())
}

/// Removes the one value that `name` must have.
fn take_single(
    headers: &mut HeaderMap,
    name: &HeaderName,
    missing: AleReason,
    repeated: AleReason,
) -> Result<HeaderValue, Refusal> {
    let Entry::Occupied(entry) = headers.entry(name) else { return Err(Refusal::headers(missing)) };
    if entry.iter().nth(1).is_some() {
        return Err(Refusal::headers(repeated));
    }
    Ok(entry.remove())
}

fn move_all(headers: &mut HeaderMap, from: &HeaderName, to: &HeaderName) {
    if !headers.contains_key(from) {
        return;
    }
    let values: Vec<_> = headers.get_all(from).iter().cloned().collect();
    headers.remove(from);
    for value in values {
        headers.append(to.clone(), value);
    }
}
