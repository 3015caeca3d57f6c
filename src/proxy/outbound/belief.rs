//! Which replies of a peer are believed.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::proxy::Replies;

/// What one proxy believes of its peer; all its workers share it.
pub(crate) struct Belief {
    replies: Replies,
    /// Whether the peer has sealed a reply.
    seals: AtomicBool,
}

impl Belief {
    pub(crate) fn new(replies: Replies) -> Self {
        Self { replies, seals: AtomicBool::new(false) }
    }

    /// What was said of its replies.
    pub(crate) fn replies(&self) -> Replies {
        self.replies
    }

    /// Whether a reply in clear is believed now.
    pub(super) fn takes_plain(&self) -> bool {
        match self.replies {
            Replies::Sealed => false,
            Replies::Plain => true,
            Replies::Either => !self.seals.load(Relaxed),
        }
    }

    /// Whether the peer is known to seal its replies, or must.
    pub(super) fn knows_sealed(&self) -> bool {
        match self.replies {
            Replies::Sealed => true,
            Replies::Plain => false,
            Replies::Either => self.seals.load(Relaxed),
        }
    }

    /// The peer has sealed a reply, and it opened.
    pub(super) fn sealed_came(&self, proxy: &str) {
        if self.replies == Replies::Either && !self.seals.load(Relaxed) && !self.seals.swap(true, Relaxed) {
            tracing::info!(proxy, "the upstream seals its replies: plain ones are refused from now on");
        }
    }
}
