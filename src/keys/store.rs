//! Where the ring in force lives.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::KeyRing;

/// Holds the ring in force; readers take a snapshot without a lock, a reload swaps it whole.
pub struct KeyStore {
    ring: ArcSwap<KeyRing>,
}

impl KeyStore {
    /// A store that starts with `ring`.
    pub fn new(ring: KeyRing) -> Self {
        Self { ring: ArcSwap::from_pointee(ring) }
    }

    /// The ring in force now; the caller keeps it for a whole exchange.
    pub fn snapshot(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Puts `ring` in force. Exchanges under way keep theirs.
    pub fn swap(&self, ring: KeyRing) {
        self.ring.store(Arc::new(ring));
    }
}
