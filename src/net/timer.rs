//! A timer that is set anew only when it must be.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// Waits for deadlines that move later all the time.
///
/// To set a timer costs more than to look at it, and a deadline that is met is never heard of. So this one is left to
/// fire where it stands, and only then set to what is due by then.
pub(crate) struct LazyTimer {
    sleep: Pin<Box<Sleep>>,
}

impl LazyTimer {
    /// A timer that first looks around at `first`.
    pub(crate) fn new(first: Instant) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(first.into())) }
    }

    /// Ready once `due` has passed. The task is woken by then, or earlier.
    pub(crate) fn poll_due(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if due < self.sleep.deadline().into_std() {
            self.sleep.as_mut().reset(due.into());
        }
        while self.sleep.as_mut().poll(cx).is_ready() {
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due.into());
        }
        Poll::Pending
    }

    /// Nothing is due: looks around every `interval` only.
    pub(crate) fn rest(&mut self, interval: Duration, cx: &mut Context<'_>) {
        while self.sleep.as_mut().poll(cx).is_ready() {
            self.sleep.as_mut().reset((Instant::now() + interval).into());
        }
    }
}

/// The timer of a connection's last exchange, for the next one: it is still set, and seldom needs to be moved.
#[derive(Default)]
pub(crate) struct SpareTimer(Mutex<Option<LazyTimer>>);

impl SpareTimer {
    /// The spare one, or another if several exchanges run at once.
    pub(crate) fn take(&self, due: Instant) -> LazyTimer {
        self.slot().take().unwrap_or_else(|| LazyTimer::new(due))
    }

    pub(crate) fn give_back(&self, timer: LazyTimer) {
        *self.slot() = Some(timer);
    }

    fn slot(&self) -> MutexGuard<'_, Option<LazyTimer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
