//! A limit on the time without progress, which costs nothing while there is progress.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Runs from the first wait after each piece of progress.
pub(super) struct Stall {
    limit: Duration,
    /// Made at the first wait, set anew at the first wait after progress.
    timer: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl Stall {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, timer: None, running: false }
    }

    pub(super) fn progress(&mut self) {
        self.running = false;
    }

    /// To be called on each wait; ready once the limit has passed without progress.
    pub(super) fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !self.running {
            self.running = true;
            timer.as_mut().reset(Instant::now() + limit);
        }
        timer.as_mut().poll(cx)
    }
}
