//! Who is served at once, where more come than may be.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// The connections of one listener. One that asks for nothing makes room for one that may: whoever only holds a connection
/// open must not keep a probe waiting.
pub(super) struct Seats {
    most: usize,
    free: Arc<Semaphore>,
    /// In the order in which they were taken.
    taken: Vec<Weak<Seat>>,
}

/// The place of one connection, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    /// Ends the connection.
    left: CancellationToken,
    answers: AtomicBool,
    _place: OwnedSemaphorePermit,
}

impl Seats {
    pub(super) fn new(most: u32) -> Self {
        let most = most as usize;
        Self { most, free: Arc::new(Semaphore::new(most)), taken: Vec::new() }
    }

    /// Waits for a place. If there is none, the connection that has been here longest and asks for nothing gives up its own.
    pub(super) async fn take(&mut self) -> Option<Arc<Seat>> {
        self.taken.retain(|seat| seat.strong_count() > 0);
        if self.free.available_permits() == 0 {
            let idle = self.taken.iter().filter_map(Weak::upgrade).find(|seat| seat.is_idle());
            if let Some(seat) = idle {
                seat.left.cancel();
            }
        }
        let place = Arc::clone(&self.free).acquire_owned().await.ok()?;
        let seat = Seat { left: CancellationToken::new(), answers: AtomicBool::new(false), _place: place };
        let seat = Arc::new(seat);
        self.taken.push(Arc::downgrade(&seat));
        Some(seat)
    }

    /// Waits until nobody is here any more.
    pub(super) async fn emptied(self) {
        // Whoever has every place is alone.
        let _ = self.free.acquire_many(u32::try_from(self.most).unwrap_or(u32::MAX)).await;
    }
}

impl Seat {
    /// Waits until the place is asked for by another.
    pub(super) async fn asked_for(&self) {
        self.left.cancelled().await;
    }

    /// A request is answered as long as the guard lives.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.answers.store(true, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }

    fn is_idle(&self) -> bool {
        !self.answers.load(Ordering::Relaxed) && !self.left.is_cancelled()
    }
}

/// A request under way.
pub(super) struct Answering(Arc<Seat>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answers.store(false, Ordering::Relaxed);
    }
}
