//! Moments as plain numbers, so that they fit an atomic.

use std::time::{Duration, Instant};

/// Counts nanoseconds from its own making; 0 never occurs and stands for "no moment".
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Nanoseconds since the start, at least 1.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    /// The moment that lies `wait` after `mark`.
    pub(crate) fn after(&self, mark: u64, wait: Duration) -> Instant {
        self.origin + Duration::from_nanos(mark) + wait
    }
}
