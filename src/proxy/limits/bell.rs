//! When the wait for something ended, whoever comes to look after it, and when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use tokio::time::Instant;

/// Wakes on, and notes when.
#[derive(Debug, Default)]
pub(super) struct Bell(Mutex<Rung>);

#[derive(Debug, Default)]
struct Rung {
    by: Option<Waker>,
    at: Option<Instant>,
}

impl Bell {
    /// Whom to wake.
    pub(super) fn wakes(&self, waker: &Waker) {
        let mut rung = self.rung();
        match &mut rung.by {
            Some(known) => known.clone_from(waker),
            unknown => *unknown = Some(waker.clone()),
        }
    }

    /// When it first rang since this was asked last.
    pub(super) fn rang(&self) -> Option<Instant> {
        self.rung().at.take()
    }

    fn rung(&self) -> MutexGuard<'_, Rung> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut rung = self.rung();
        rung.at.get_or_insert_with(Instant::now);
        let waker = rung.by.clone();
        drop(rung);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
