//! The word to stop, for every task of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Said once, heard by every clone. To ask whether it was said costs one load, where the token beneath takes a lock.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    said: Arc<AtomicBool>,
    /// Of the one that this one follows.
    above: Option<Arc<AtomicBool>>,
    token: CancellationToken,
}

impl Stop {
    /// Says it.
    pub fn say(&self) {
        self.said.store(true, Ordering::Release);
        self.token.cancel();
    }

    /// One that may be said for itself, and is when this one is.
    pub fn follower(&self) -> Self {
        Self { said: Arc::default(), above: Some(Arc::clone(&self.said)), token: self.token.child_token() }
    }

    /// Whether it was said.
    pub fn was_said(&self) -> bool {
        let was_said = |said: &AtomicBool| said.load(Ordering::Acquire);
        was_said(&self.said) || self.above.as_deref().is_some_and(was_said)
    }

    /// Waits until it is said.
    pub fn heard(&self) -> WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }

    /// The token beneath.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}
