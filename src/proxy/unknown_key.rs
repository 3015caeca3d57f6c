//! Messages whose key may be on its way (P2).

use std::sync::Arc;

use super::KeyAccess;
use crate::ale::Refusal;
use crate::keys::KeyRing;

/// Has `open` look a key up in the ring in force, and once more in the one that is in force when the keys have been looked
/// for, if that is to be. How often, how long, and for how many at once is the sources' to say. No ring is held meanwhile.
pub(super) async fn open<T, E: AsRef<Refusal>>(
    keys: &KeyAccess,
    mut open: impl FnMut(&KeyRing) -> Result<T, E>,
) -> Result<T, E> {
    let ring = keys.store.snapshot();
    let opened = open(&ring);
    if opened.as_ref().err().is_none_or(|refusal| !refusal.as_ref().is_of_unknown_key()) {
        return opened;
    }
    if let Some(waiting) = keys.refresh.for_unknown_key() {
        drop((ring, opened));
        waiting.await;
        return open(&keys.store.snapshot());
    }
    // What was asked for by another message may have come since this one was looked up.
    let fresh = keys.store.snapshot();
    if Arc::ptr_eq(&ring, &fresh) { opened } else { open(&fresh) }
}

#[cfg(test)]
mod tests;
