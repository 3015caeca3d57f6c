//! Where exchanges are kept: the last so many, within so many bytes.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, oneshot};

use super::exchange::{Captured, Summary};
use super::faults::FaultPlan;

/// Events that wait for one who listens; who takes longer is told so.
const WAITING: usize = 1024;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureLimits {
    /// Exchanges; at least one.
    pub exchanges: usize,
    /// Bytes of all of them together, about.
    pub bytes: usize,
    /// Bytes of one body, and of one message of a WebSocket.
    pub body: usize,
}

impl Default for CaptureLimits {
    fn default() -> Self {
        Self { exchanges: 1000, bytes: 64 * 1024 * 1024, body: 1024 * 1024 }
    }
}

/// What has changed.
#[derive(Clone, Debug)]
pub enum Event {
    /// An exchange has begun, or is another than it was.
    Exchange(Box<Summary>),
    /// A WebSocket has had a message.
    Message {
        /// The exchange.
        id: u64,
        /// Which of its messages.
        index: usize,
    },
    /// All of it was forgotten.
    Cleared,
    /// Other keys are in force, or may be.
    Keys,
    /// Other faults are planned.
    Faults,
}

/// The exchanges that are kept.
pub struct Capture {
    limits: CaptureLimits,
    ring: Mutex<Ring>,
    next: AtomicU64,
    events: broadcast::Sender<Event>,
    /// What is done to exchanges on purpose.
    pub faults: FaultPlan,
    expected: Mutex<HashMap<String, Expectation>>,
}

#[derive(Default)]
struct Ring {
    kept: VecDeque<Entry>,
    /// Bytes of all of them, about.
    bytes: usize,
    left_out: u64,
}

/// An exchange in the ring, and the bytes that it takes, about.
struct Entry {
    exchange: Arc<Kept>,
    size: usize,
}

impl Ring {
    fn place(&self, id: u64) -> Option<usize> {
        self.kept.binary_search_by_key(&id, |entry| entry.exchange.id).ok()
    }
}

/// One exchange as it is kept.
pub(super) struct Kept {
    pub(super) id: u64,
    captured: Mutex<Captured>,
}

impl Kept {
    pub(super) fn lock(&self) -> MutexGuard<'_, Captured> {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Expectation {
    repeats: Option<u64>,
    begun: oneshot::Sender<u64>,
}

/// An exchange that somebody is about to begin.
pub struct Expected(oneshot::Receiver<u64>);

impl Expected {
    /// Its number, once it has begun.
    pub async fn begun(self) -> Option<u64> {
        self.0.await.ok()
    }
}

impl Capture {
    /// Keeps nothing yet.
    pub fn new(limits: CaptureLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            ring: Mutex::default(),
            next: AtomicU64::new(1),
            events: broadcast::Sender::new(WAITING),
            faults: FaultPlan::default(),
            expected: Mutex::default(),
        })
    }

    /// How much is kept.
    pub fn limits(&self) -> CaptureLimits {
        self.limits
    }

    /// What is kept, the oldest first, and how many were dropped to make room.
    pub fn list(&self) -> (Vec<Summary>, u64) {
        let ring = self.lock();
        let kept: Vec<_> = ring.kept.iter().map(|entry| Arc::clone(&entry.exchange)).collect();
        let left_out = ring.left_out;
        drop(ring);
        (kept.iter().map(|kept| kept.lock().summary.clone()).collect(), left_out)
    }

    /// All that is kept of one exchange.
    pub fn get(&self, id: u64) -> Option<Captured> {
        let kept = self.find(id)?;
        let captured = kept.lock().clone();
        Some(captured)
    }

    /// Forgets all of it. What is under way is not kept any more.
    pub fn clear(&self) {
        *self.lock() = Ring::default();
        self.tell(Event::Cleared);
    }

    /// Hears of what changes from now on.
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Whether anybody listens.
    pub fn is_heard(&self) -> bool {
        self.events.receiver_count() > 0
    }

    /// Tells those who listen.
    pub fn tell(&self, event: Event) {
        // Nobody may listen.
        let _ = self.events.send(event);
    }

    /// Somebody is about to begin an exchange under this `x-request-id`, which repeats another perhaps.
    pub fn expect(&self, request_id: String, repeats: Option<u64>) -> Expected {
        let (begun, told) = oneshot::channel();
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever expects no more has gone.
        expected.retain(|_, expectation| !expectation.begun.is_closed());
        expected.insert(request_id, Expectation { repeats, begun });
        Expected(told)
    }

    /// Keeps an exchange that begins, and drops those for which there is no room.
    pub(super) fn begin(&self, captured: impl FnOnce(u64) -> Captured) -> Arc<Kept> {
        let id = self.next.fetch_add(1, Relaxed);
        let mut captured = captured(id);
        let expected = {
            let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
            expected.remove(&captured.summary.request_id)
        };
        captured.summary.repeats = expected.as_ref().and_then(|expectation| expectation.repeats);
        let summary = captured.summary.clone();
        let kept = Arc::new(Kept { id, captured: Mutex::new(captured) });
        let mut ring = self.lock();
        // In the order of their numbers, whichever worker comes first.
        let place = ring.kept.partition_point(|other| other.exchange.id < id);
        ring.kept.insert(place, Entry { exchange: Arc::clone(&kept), size: 0 });
        self.make_room(&mut ring);
        drop(ring);
        // Only now is it there for whoever asks for this number.
        if let Some(expectation) = expected {
            let _ = expectation.begun.send(id);
        }
        self.tell(Event::Exchange(Box::new(summary)));
        kept
    }

    /// The exchange takes so much more.
    pub(super) fn grows(&self, kept: &Kept, bytes: usize) {
        let mut ring = self.lock();
        if let Some(place) = ring.place(kept.id) {
            ring.kept[place].size += bytes;
            ring.bytes += bytes;
            self.make_room(&mut ring);
        }
    }

    /// Whether anything of it is still of use.
    pub(super) fn keeps(&self, kept: &Kept) -> bool {
        self.lock().place(kept.id).is_some()
    }

    /// The newest stays in any case.
    fn make_room(&self, ring: &mut Ring) {
        let is_full = |ring: &Ring| ring.kept.len() > self.limits.exchanges || ring.bytes > self.limits.bytes;
        while ring.kept.len() > 1 && is_full(ring) {
            if let Some(oldest) = ring.kept.pop_front() {
                ring.bytes -= oldest.size;
                ring.left_out += 1;
            }
        }
    }

    fn find(&self, id: u64) -> Option<Arc<Kept>> {
        let ring = self.lock();
        ring.place(id).map(|place| Arc::clone(&ring.kept[place].exchange))
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Capture {
    /// Nothing of what is kept.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("limits", &self.limits).finish_non_exhaustive()
    }
}
