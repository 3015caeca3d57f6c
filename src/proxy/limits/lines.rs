//! A flood is told of in a few lines.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::metrics::Shed;
use crate::net::Clock;

/// Between two lines about the same.
const INTERVAL: Duration = Duration::from_secs(10);

/// When what was told last, and how often it has happened since.
#[derive(Debug)]
pub(super) struct Lines {
    clock: Clock,
    lines: [Line; Shed::ALL.len()],
}

#[derive(Debug, Default)]
struct Line {
    /// 0 for never.
    told: AtomicU64,
    since: AtomicU64,
}

impl Default for Lines {
    fn default() -> Self {
        Self { clock: Clock::start(), lines: Default::default() }
    }
}

impl Lines {
    /// It happened once more; how often since the last line, if another is due.
    pub(super) fn due(&self, reason: Shed) -> Option<u64> {
        self.lines[reason as usize].due(self.clock.now())
    }
}

impl Line {
    fn due(&self, now: u64) -> Option<u64> {
        self.since.fetch_add(1, Relaxed);
        let told = self.told.load(Relaxed);
        let is_due = told == 0 || now.saturating_sub(told) >= INTERVAL.as_nanos() as u64;
        // Of those who see that it is due, one tells.
        let tells = is_due && self.told.compare_exchange(told, now, Relaxed, Relaxed).is_ok();
        tells.then(|| self.since.swap(0, Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_is_told_of_at_once_and_then_every_ten_seconds_with_its_number() {
        let line = Line::default();
        let second = |second: u64| second * 1_000_000_000;
        assert_eq!(line.due(second(1)), Some(1));
        for _ in 0..1000 {
            assert_eq!(line.due(second(5)), None);
        }
        assert_eq!(line.due(second(11)), Some(1001));
        assert_eq!(line.due(second(11)), None);
        assert_eq!(line.due(second(60)), Some(2));
    }
}
