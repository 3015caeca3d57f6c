//! What a key is used for: counted as messages are sealed and opened, by all workers at once and without a lock.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64};

use jiff::Timestamp;

use super::{Key, SealLimit, SealNotice};

/// Before every time there is.
const NEVER: i64 = i64::MIN;

/// The account of one key in one process, from when it was watched. It outlives the rings that the key is in.
pub struct KeyUsage {
    /// In milliseconds.
    since: AtomicI64,
    opened: Tally,
    sealed: Tally,
    limit: SealLimit,
    notice: SealNotice,
}

impl KeyUsage {
    /// Nothing used, watched from `since` on. `notice` hears when the key nears `limit`.
    pub fn new(since: Timestamp, limit: SealLimit, notice: SealNotice) -> Self {
        let since = AtomicI64::new(since.as_millisecond());
        Self { since, opened: Tally::default(), sealed: Tally::default(), limit, notice }
    }

    /// From when every use of the key was noted.
    pub fn since(&self) -> Timestamp {
        Timestamp::from_millisecond(self.since.load(Relaxed)).unwrap_or(Timestamp::MAX)
    }

    /// How many messages the key may seal, if its algorithm is bounded.
    pub fn limit(&self) -> SealLimit {
        self.limit
    }

    /// Messages that were opened. Those that came bodyless count as well, though they prove nothing.
    pub fn opened(&self) -> Uses {
        self.opened.read()
    }

    /// Messages that were sealed.
    pub fn sealed(&self) -> Uses {
        self.sealed.read()
    }

    /// Begins to watch anew at `now`, since the clock is not what it was: how long ago anything was cannot be told. What
    /// was counted stays.
    pub fn watch_anew(&self, now: Timestamp) {
        self.since.store(now.as_millisecond(), Relaxed);
        self.opened.no_later_than(now);
        self.sealed.no_later_than(now);
    }

    pub(super) fn note_opened(&self, at: Timestamp) {
        self.opened.note(at);
    }

    pub(super) fn note_unopened(&self, at: Timestamp) {
        self.opened.note_failure(at);
    }

    /// The account is that of `key`.
    pub(super) fn note_sealed(&self, key: &Key, at: Timestamp) {
        let count = self.sealed.note(at);
        if let Some(mark) = self.limit.mark(count)
            && key.secret.algorithm().is_authenticated()
        {
            (self.notice)(key, mark, self.limit);
        }
    }

    pub(super) fn note_unsealed(&self, at: Timestamp) {
        self.sealed.note_failure(at);
    }
}

/// One direction, as it stands. Times are in whole seconds, rounded down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// How often it was done.
    pub count: u64,
    /// How often it was tried and failed.
    pub failures: u64,
    /// When it was done first.
    pub first: Option<Timestamp>,
    /// When it was done last.
    pub last: Option<Timestamp>,
    /// When it failed last.
    pub last_failure: Option<Timestamp>,
}

/// One direction as it is counted, on a cache line of its own: workers that open do not disturb those that seal.
#[derive(Debug)]
#[repr(align(64))]
struct Tally {
    count: AtomicU64,
    failures: AtomicU64,
    /// Times in seconds, so that of many messages one writes them.
    first: AtomicI64,
    last: AtomicI64,
    last_failure: AtomicI64,
}

impl Default for Tally {
    fn default() -> Self {
        let never = || AtomicI64::new(NEVER);
        let (count, failures) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { count, failures, first: never(), last: never(), last_failure: never() }
    }
}

impl Tally {
    /// How often it was done by now, this time included; no two calls get one number.
    fn note(&self, at: Timestamp) -> u64 {
        raise(&self.last, at);
        let before = self.count.fetch_add(1, Relaxed);
        if before == 0 {
            self.first.store(at.as_second(), Relaxed);
        }
        before + 1
    }

    fn note_failure(&self, at: Timestamp) {
        raise(&self.last_failure, at);
        self.failures.fetch_add(1, Relaxed);
    }

    fn no_later_than(&self, now: Timestamp) {
        for time in [&self.first, &self.last, &self.last_failure] {
            time.fetch_min(now.as_second(), Relaxed);
        }
    }

    fn read(&self) -> Uses {
        Uses {
            count: self.count.load(Relaxed),
            failures: self.failures.load(Relaxed),
            first: read(&self.first),
            last: read(&self.last),
            last_failure: read(&self.last_failure),
        }
    }
}

/// A message may be noted after one that came later: its body took long.
fn raise(time: &AtomicI64, at: Timestamp) {
    let second = at.as_second();
    if time.load(Relaxed) < second {
        time.fetch_max(second, Relaxed);
    }
}

fn read(time: &AtomicI64) -> Option<Timestamp> {
    Timestamp::from_second(time.load(Relaxed)).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::thread;

    use super::*;
    use crate::crypto::SecretKey;
    use crate::keys::{OnSealLimit, SealMark, Validity};

    const GCM: &str = "AES-128-GCM";

    fn usage() -> KeyUsage {
        KeyUsage::new(at(1), SealLimit::default(), |_, _, _| {})
    }

    fn key(algorithm: &str) -> Key {
        let secret = SecretKey::new(algorithm.parse().unwrap(), &[1; 16]).unwrap();
        Key::new("k".parse().unwrap(), secret, Validity::default())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn each_direction_is_counted_for_itself_with_its_first_and_last_time() {
        let usage = usage();
        assert_eq!(
            (usage.opened(), usage.sealed(), usage.since()),
            (Uses::default(), Uses::default(), at(1))
        );
        usage.note_opened(at(10));
        usage.note_opened("1970-01-01T00:00:20.9Z".parse().unwrap());
        usage.note_unopened(at(30));
        usage.note_sealed(&key(GCM), at(40));
        let (first, last) = (Some(at(10)), Some(at(20)));
        let opened = Uses { count: 2, failures: 1, first, last, last_failure: Some(at(30)) };
        assert_eq!(usage.opened(), opened);
        let once = Some(at(40));
        assert_eq!(usage.sealed(), Uses { count: 1, first: once, last: once, ..Uses::default() });
    }

    #[test]
    fn a_message_that_took_long_does_not_take_back_the_last_use() {
        let usage = usage();
        usage.note_opened(at(100));
        usage.note_opened(at(40));
        assert_eq!((usage.opened().count, usage.opened().last), (2, Some(at(100))));
    }

    #[test]
    fn a_watch_that_begins_anew_keeps_the_counts_and_no_time_that_is_yet_to_come() {
        let usage = usage();
        usage.note_opened(at(50));
        usage.note_opened(at(9_000));
        usage.watch_anew(at(100));
        assert_eq!(usage.since(), at(100));
        let opened = usage.opened();
        assert_eq!((opened.count, opened.first, opened.last), (2, Some(at(50)), Some(at(100))));
        assert_eq!((opened.last_failure, usage.sealed()), (None, Uses::default()));
    }

    #[test]
    fn no_use_is_lost_among_threads() {
        let usage = Arc::new(usage());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let usage = Arc::clone(&usage);
                let key = key(GCM);
                thread::spawn(move || (0..10_000).for_each(|second| usage.note_sealed(&key, at(second))))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let sealed = usage.sealed();
        assert_eq!((sealed.count, sealed.last), (40_000, Some(at(9_999))));
    }

    #[test]
    fn key_that_nears_its_limit_is_told_of_once_and_only_under_gcm() {
        static TOLD: Mutex<Vec<(String, SealMark, u64)>> = Mutex::new(Vec::new());
        let limit = SealLimit { most: 4, on_limit: OnSealLimit::Warn };
        for algorithm in [GCM, "AES-128-CTR"] {
            let (key, usage) = (
                key(algorithm),
                KeyUsage::new(at(1), limit, |key, mark, limit| {
                    TOLD.lock().unwrap().push((key.secret.algorithm().to_string(), mark, limit.most));
                }),
            );
            (0..9).for_each(|second| usage.note_sealed(&key, at(second)));
        }
        let told = |mark| (GCM.to_owned(), mark, 4);
        assert_eq!(*TOLD.lock().unwrap(), [told(SealMark::Near), told(SealMark::Reached)]);
    }
}
