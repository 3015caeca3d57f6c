//! What a connection is doing, in atomics that its socket, its exchanges and its timer share.
//!
//! All of one connection runs on one thread, so the atomics are never contended; they make it `Send`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::net::{Clock, Crowd};

/// How long a stop waits for one more request on an idle HTTP/1 connection, so that one that is on its way is
/// answered (with `connection: close`) instead of cut.
const DRAIN_IDLE: Duration = Duration::from_secs(1);
/// How long a closed connection is read on, so that a refused upload does not reset the refusal.
const LINGER: Duration = Duration::from_secs(2);
/// How long a connection may do nothing while others wait for its place.
const CROWDED: Duration = Duration::from_secs(1);
/// How often one that does nothing looks whether they do.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// What one connection is held to.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// The longest head of a request that is read, in bytes; beyond it HTTP is ended with a bare 431.
    pub head_bytes: u32,
    /// The most fields of a head that are read; beyond it the same under HTTP/1.
    pub head_fields: usize,
    /// From accepting to the first byte.
    pub first_byte: Duration,
    /// From the first byte of a request to the end of its head.
    pub headers: Duration,
    /// For a client that takes nothing of what is being sent.
    pub body: Duration,
    /// Between two requests.
    pub idle: Duration,
}

/// See the module. Moments are nanoseconds since the connection was accepted; 0 is "none".
pub struct Activity {
    clock: Clock,
    limits: ConnectionLimits,
    crowd: Crowd,
    http2: AtomicBool,
    served: AtomicBool,
    exchanges: AtomicU32,
    arriving_bodies: AtomicU32,
    idle_since: AtomicU64,
    head_since: AtomicU64,
    write_stalled_since: AtomicU64,
    untaken_pieces: AtomicU32,
    last_taken: AtomicU64,
    draining_since: AtomicU64,
    wound_down: AtomicBool,
    lingers: AtomicBool,
    closing_since: AtomicU64,
    reset: AtomicBool,
}

/// What is to be done when a deadline passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Drop the connection, for this reason.
    Close(&'static str),
    /// Finish what is under way, then close.
    WindDown,
}

impl Activity {
    /// A connection that has just been accepted, among the others of `crowd`.
    pub fn new(limits: ConnectionLimits, crowd: Crowd) -> Self {
        let clock = Clock::start();
        Self {
            clock,
            limits,
            crowd,
            http2: AtomicBool::new(false),
            served: AtomicBool::new(false),
            exchanges: AtomicU32::new(0),
            arriving_bodies: AtomicU32::new(0),
            idle_since: AtomicU64::new(clock.now()),
            head_since: AtomicU64::new(0),
            write_stalled_since: AtomicU64::new(0),
            untaken_pieces: AtomicU32::new(0),
            last_taken: AtomicU64::new(0),
            draining_since: AtomicU64::new(0),
            wound_down: AtomicBool::new(false),
            lingers: AtomicBool::new(false),
            closing_since: AtomicU64::new(0),
            reset: AtomicBool::new(false),
        }
    }

    /// What it is held to.
    pub fn limits(&self) -> &ConnectionLimits {
        &self.limits
    }

    /// Whether the client speaks HTTP/2.
    pub fn is_http2(&self) -> bool {
        self.http2.load(Relaxed)
    }

    /// Whether the process is stopping: replies tell the client to go.
    pub fn is_draining(&self) -> bool {
        self.draining_since.load(Relaxed) != 0
    }

    /// A request head is complete.
    pub fn exchange_begins(&self) {
        self.head_since.store(0, Relaxed);
        self.served.store(true, Relaxed);
        self.exchanges.fetch_add(1, Relaxed);
    }

    /// The last byte of a reply was handed on, or the exchange was given up.
    pub fn exchange_ends(&self) {
        if self.exchanges.fetch_sub(1, Relaxed) == 1 {
            self.idle_since.store(self.clock.now(), Relaxed);
        }
    }

    /// A request's body is read whose reply may end before it does; its bytes are no head as long as this lives.
    pub fn body_arrives(self: &Arc<Self>) -> ArrivingBody {
        self.arriving_bodies.fetch_add(1, Relaxed);
        ArrivingBody { activity: Arc::clone(self) }
    }

    /// A piece of a reply, which waits for the client until it is dropped (only HTTP/2's flow control needs this:
    /// under HTTP/1 the socket shows it).
    pub fn untaken(self: &Arc<Self>, piece: Bytes) -> Bytes {
        self.last_taken.store(self.clock.now(), Relaxed);
        self.untaken_pieces.fetch_add(1, Relaxed);
        Bytes::from_owner(UntakenPiece { activity: Arc::clone(self), piece })
    }

    /// A request was refused with its body unread: read on for a while after closing.
    pub fn linger(&self) {
        self.lingers.store(true, Relaxed);
    }

    /// A reply broke whose end the client could only tell by the end of the connection: reset it.
    pub fn reset(&self) {
        self.reset.store(true, Relaxed);
    }

    /// The version is settled; `begun` if bytes of HTTP have been read.
    pub(super) fn version_known(&self, http2: bool, begun: bool) {
        self.http2.store(http2, Relaxed);
        self.idle_since.store(self.clock.now(), Relaxed);
        if begun {
            self.bytes_read();
        }
    }

    /// Bytes came. Outside an exchange they begin a head; under HTTP/2 they may be anything.
    pub(super) fn bytes_read(&self) {
        if self.is_http2() || self.exchanges.load(Relaxed) != 0 {
            return;
        }
        if self.arriving_bodies.load(Relaxed) != 0 {
            self.idle_since.store(self.clock.now(), Relaxed);
        } else if self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.clock.now(), Relaxed);
        }
    }

    pub(super) fn write_stalls(&self) {
        if self.write_stalled_since.load(Relaxed) == 0 {
            self.write_stalled_since.store(self.clock.now(), Relaxed);
        }
    }

    pub(super) fn bytes_written(&self) {
        self.write_stalled_since.store(0, Relaxed);
    }

    pub(super) fn must_reset(&self) -> bool {
        self.reset.load(Relaxed)
    }

    /// Whether to read on after closing; the first call starts the time for it.
    ///
    /// Bytes that hyper refused to take for a head count as well: more of them may be on their way.
    pub(super) fn begin_linger(&self) -> bool {
        let head_refused = self.exchanges.load(Relaxed) == 0 && self.head_since.load(Relaxed) != 0;
        let lingers = self.lingers.load(Relaxed) || head_refused;
        if lingers && self.closing_since.load(Relaxed) == 0 {
            self.closing_since.store(self.clock.now(), Relaxed);
        }
        lingers
    }

    pub(super) fn drain(&self) {
        self.draining_since.store(self.clock.now(), Relaxed);
        if self.is_http2() {
            self.wound_down();
        }
    }

    pub(super) fn wound_down(&self) {
        self.wound_down.store(true, Relaxed);
        self.idle_since.store(self.clock.now(), Relaxed);
    }

    /// The earliest deadline that runs now.
    pub(super) fn next_due(&self) -> Option<(Instant, Due)> {
        let stalled =
            self.wait(&self.write_stalled_since, self.limits.body, Due::Close("client takes nothing"));
        let closing = self.wait(&self.closing_since, LINGER, Due::Close("closing"));
        [stalled, closing, self.drain_due(), self.request_due(), self.taking_due()]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
    }

    /// How long nothing may happen, where `usual` is what is granted as long as there is room.
    pub(super) fn patience(&self, usual: Duration) -> Duration {
        if self.crowd.is_dense() { usual.min(CROWDED) } else { usual }
    }

    fn wait(&self, since: &AtomicU64, limit: Duration, due: Due) -> Option<(Instant, Due)> {
        let mark = since.load(Relaxed);
        (mark != 0).then(|| (self.clock.after(mark, limit), due))
    }

    /// Between two requests only: what is under way is finished, and a head that has begun is awaited.
    fn drain_due(&self) -> Option<(Instant, Due)> {
        let busy = self.exchanges.load(Relaxed) != 0 || self.head_since.load(Relaxed) != 0;
        if busy || self.wound_down.load(Relaxed) || !self.is_draining() {
            return None;
        }
        // A reply that began before the stop could not tell its client to go: the next one does.
        let last = self.draining_since.load(Relaxed).max(self.idle_since.load(Relaxed));
        Some((self.clock.after(last, DRAIN_IDLE), Due::WindDown))
    }

    /// The wait for a request, when none is being served and the client has taken the last reply.
    fn request_due(&self) -> Option<(Instant, Due)> {
        if self.exchanges.load(Relaxed) != 0 || self.is_giving() {
            return None;
        }
        if self.wound_down.load(Relaxed) {
            return self.wait(&self.idle_since, LINGER, Due::Close("closing"));
        }
        let head = self.wait(&self.head_since, self.limits.headers, Due::Close("head unfinished"));
        head.or_else(|| {
            let no_request_yet = !self.served.load(Relaxed);
            let limit = if no_request_yet { self.limits.headers } else { self.limits.idle };
            self.wait(&self.idle_since, self.patience(limit), Due::WindDown)
        })
    }

    /// Whether the client still has to take something; that wait has its own limit.
    fn is_giving(&self) -> bool {
        self.write_stalled_since.load(Relaxed) != 0 || self.untaken_pieces.load(Relaxed) != 0
    }

    fn taking_due(&self) -> Option<(Instant, Due)> {
        if self.untaken_pieces.load(Relaxed) == 0 {
            return None;
        }
        self.wait(&self.last_taken, self.limits.body, Due::Close("client takes nothing"))
    }
}

/// A body that is being read; see [`Activity::body_arrives`].
#[must_use = "the body counts as arriving while this lives"]
pub struct ArrivingBody {
    activity: Arc<Activity>,
}

impl Drop for ArrivingBody {
    fn drop(&mut self) {
        self.activity.arriving_bodies.fetch_sub(1, Relaxed);
        self.activity.idle_since.store(self.activity.clock.now(), Relaxed);
    }
}

struct UntakenPiece {
    activity: Arc<Activity>,
    piece: Bytes,
}

impl AsRef<[u8]> for UntakenPiece {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Drop for UntakenPiece {
    fn drop(&mut self) {
        let now = self.activity.clock.now();
        self.activity.last_taken.store(now, Relaxed);
        self.activity.untaken_pieces.fetch_sub(1, Relaxed);
        // The wait for the next request begins when the last reply is gone.
        self.activity.idle_since.store(now, Relaxed);
    }
}
