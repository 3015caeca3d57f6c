//! How many lines exchanges may write in a second, so that a flood of requests is no flood of lines.

use std::fmt::Debug;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::ACCESS_TARGET;

/// Over how long lines are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// Keeps the access log within its limit: of each second the first lines up to the limit are written, whatever they say,
/// and as many more of exchanges that went wrong.
///
/// A clone counts with the others.
#[derive(Clone)]
pub(super) struct AccessLimit {
    limit: Option<NonZeroU32>,
    written: Arc<Mutex<Written>>,
    left_out: Arc<LeftOut>,
}

/// What was written since a window began.
struct Written {
    since: Instant,
    lines: u32,
    beyond: u32,
}

/// The lines that were not written.
pub(super) struct LeftOut {
    all: Counter,
    /// Since the last remark on them.
    recent: AtomicU64,
}

impl LeftOut {
    pub(super) fn new(all: Counter) -> Arc<Self> {
        Arc::new(Self { all, recent: AtomicU64::new(0) })
    }

    /// How many there were since this was asked last.
    pub(super) fn take(&self) -> u64 {
        self.recent.swap(0, Relaxed)
    }

    fn count(&self) {
        self.all.inc();
        self.recent.fetch_add(1, Relaxed);
    }
}

impl AccessLimit {
    /// So many lines a second, or as many as there are.
    pub(super) fn new(limit: Option<NonZeroU32>, left_out: Arc<LeftOut>) -> Self {
        let written = Written { since: Instant::now(), lines: 0, beyond: 0 };
        Self { limit, written: Arc::new(Mutex::new(written)), left_out }
    }

    /// Whether a line is written at `now` that says that something went wrong if `went_wrong` says so.
    fn admits(&self, now: Instant, went_wrong: impl FnOnce() -> bool) -> bool {
        let Some(limit) = self.limit else { return true };
        // Nothing that holds the lock can panic between two states.
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(written.since) >= WINDOW {
            *written = Written { since: now, lines: 0, beyond: 0 };
        }
        let Written { lines, beyond, .. } = &mut *written;
        let counted = if *lines < limit.get() {
            lines
        } else if *beyond < limit.get() && went_wrong() {
            beyond
        } else {
            drop(written);
            self.left_out.count();
            return false;
        };
        *counted += 1;
        true
    }
}

impl<S: Subscriber> Layer<S> for AccessLimit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        event.metadata().target() != ACCESS_TARGET
            || self.admits(Instant::now(), || {
                let mut verdict = Verdict(false);
                event.record(&mut verdict);
                verdict.0
            })
    }
}

/// Whether an exchange or a session went wrong: it has a reason for it, or an outcome other than the good one.
struct Verdict(bool);

impl Visit for Verdict {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0 |= field.name() == "reason" || (field.name() == "outcome" && value != "answered");
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(lines: u32) -> (AccessLimit, Arc<LeftOut>) {
        let left_out = LeftOut::new(Counter::default());
        (AccessLimit::new(NonZeroU32::new(lines), Arc::clone(&left_out)), left_out)
    }

    fn admitted(limit: &AccessLimit, now: Instant, went_wrong: bool, lines: usize) -> usize {
        (0..lines).filter(|_| limit.admits(now, || went_wrong)).count()
    }

    #[test]
    fn second_has_its_lines_and_as_many_more_of_what_went_wrong() {
        let (limit, left_out) = limit(10);
        let now = Instant::now();
        assert_eq!(admitted(&limit, now, false, 25), 10);
        assert_eq!(admitted(&limit, now, true, 25), 10);
        assert_eq!(left_out.take(), 30);
        assert_eq!(left_out.take(), 0);
        assert_eq!(left_out.all.get(), 30);
    }

    #[test]
    fn next_second_begins_anew() {
        let (limit, _) = limit(10);
        let now = Instant::now();
        assert_eq!(admitted(&limit, now, true, 100), 20);
        assert_eq!(admitted(&limit, now + WINDOW - Duration::from_millis(1), true, 100), 0);
        assert_eq!(admitted(&limit, now + WINDOW, false, 100), 10);
    }

    #[test]
    fn without_a_limit_every_line_is_written() {
        let left_out = LeftOut::new(Counter::default());
        let unlimited = AccessLimit::new(None, Arc::clone(&left_out));
        assert_eq!(admitted(&unlimited, Instant::now(), false, 100_000), 100_000);
        assert_eq!(left_out.take(), 0);
    }
}
