//! What `/status` tells of, put together by `app` from whatever there is to tell.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::report::{KeySetReport, StatusReport};
use crate::keys::{KeyStore, verdicts};

/// A clock that is set by less disturbs no observation.
const TOLERANCE: Duration = Duration::from_secs(5);

/// A member of the report that somebody else writes, anew for each.
type Part = Box<dyn Fn(Timestamp) -> Value + Send + Sync>;

/// Everything that there is to tell.
pub struct Status {
    key_sets: ArcSwap<Vec<KeySetStatus>>,
    more: Vec<(&'static str, Part)>,
    started: Timestamp,
    clock: ClockWatch,
}

impl Status {
    /// Tells of these key sets.
    pub fn of(key_sets: Vec<KeySetStatus>) -> Self {
        let started = Timestamp::now();
        let clock = ClockWatch::begin(Instant::now(), started);
        Self { key_sets: ArcSwap::from_pointee(key_sets), more: Vec::new(), started, clock }
    }

    /// The same with the member `name`, which `part` writes.
    pub fn with(
        mut self,
        name: &'static str,
        part: impl Fn(Timestamp) -> Value + Send + Sync + 'static,
    ) -> Self {
        self.more.push((name, Box::new(part)));
        self
    }

    /// Tells of these key sets from now on.
    pub fn tells_of(&self, key_sets: Vec<KeySetStatus>) {
        self.key_sets.store(Arc::new(key_sets));
    }

    /// What there is to tell now.
    pub fn report(&self) -> StatusReport {
        let now = Timestamp::now();
        let key_sets = self.key_sets.load();
        if self.clock.was_set(Instant::now(), now) {
            tracing::warn!("the clock was set: the observation of all keys begins anew");
            key_sets.iter().for_each(|key_set| key_set.watch_anew(now));
        }
        StatusReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: Some(self.started.to_string()),
            pid: Some(std::process::id()),
            now: now.to_string(),
            keysets: key_sets.iter().map(|key_set| key_set.report(now)).collect(),
            more: write(&self.more, now),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Status").finish_non_exhaustive()
    }
}

/// One key set, for [`Status`].
pub struct KeySetStatus {
    name: Arc<str>,
    keys: Arc<KeyStore>,
    observation: Duration,
    more: Vec<(&'static str, Part)>,
}

impl KeySetStatus {
    /// Tells of the keys of `keys`. One that was not used for `observation` may go.
    pub fn new(name: Arc<str>, keys: Arc<KeyStore>, observation: Duration) -> Self {
        Self { name, keys, observation, more: Vec::new() }
    }

    /// The same with the member `name`, which `part` writes.
    pub fn with(
        mut self,
        name: &'static str,
        part: impl Fn(Timestamp) -> Value + Send + Sync + 'static,
    ) -> Self {
        self.more.push((name, Box::new(part)));
        self
    }

    fn report(&self, now: Timestamp) -> KeySetReport {
        let ring = self.keys.snapshot();
        let fraction = u64::from(self.observation.subsec_nanos() > 0);
        KeySetReport {
            name: self.name.to_string(),
            observation_seconds: self.observation.as_secs() + fraction,
            keys: verdicts(&ring, self.observation, now).into_iter().map(Into::into).collect(),
            more: write(&self.more, now),
        }
    }

    fn watch_anew(&self, now: Timestamp) {
        let ring = self.keys.snapshot();
        ring.keys().filter_map(|key| key.usage()).for_each(|usage| usage.watch_anew(now));
    }
}

fn write(parts: &[(&'static str, Part)], now: Timestamp) -> Map<String, Value> {
    parts.iter().map(|(name, part)| ((*name).to_owned(), part(now))).collect()
}

/// Notices that the clock was set, or that the machine slept: what it says then is no measure of how long a key was
/// watched.
struct ClockWatch(Mutex<(Instant, Timestamp)>);

impl ClockWatch {
    fn begin(instant: Instant, said: Timestamp) -> Self {
        Self(Mutex::new((instant, said)))
    }

    /// Whether it was set since this was last the case.
    fn was_set(&self, instant: Instant, says: Timestamp) -> bool {
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = begun.1.saturating_add(instant.saturating_duration_since(begun.0));
        let is_as_expected =
            expected.is_ok_and(|expected| says.duration_since(expected).unsigned_abs() < TOLERANCE);
        if !is_as_expected {
            *begun = (instant, says);
        }
        !is_as_expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_that_runs_is_trusted_and_one_that_is_set_is_noticed_once() {
        let (start, noon) = (Instant::now(), Timestamp::from_second(1_000_000).unwrap());
        let second = Duration::from_secs(1);
        let clock = ClockWatch::begin(start, noon);
        let was_set = |ran: u32, shows: i64| {
            clock.was_set(start + second * ran, Timestamp::from_second(1_000_000 + shows).unwrap())
        };
        assert!(!was_set(0, 0));
        assert!(!was_set(86_400, 86_404));
        // Forward by a day.
        assert!(was_set(86_400, 172_800));
        assert!(!was_set(86_410, 172_810));
        // Back to before the beginning.
        assert!(was_set(86_420, -500));
        assert!(!was_set(86_430, -490));
        // Small steps add up.
        assert!(!was_set(86_440, -477));
        assert!(was_set(86_450, -464));
    }

    #[test]
    fn fraction_of_a_second_of_observation_counts_as_one() {
        use crate::crypto::SecretKey;
        use crate::keys::{Key, KeyRing, RingPolicy, Validity};

        let secret = SecretKey::new("AES-128-GCM".parse().unwrap(), &[1; 16]).unwrap();
        let key = Key::new("k".parse().unwrap(), secret, Validity::default());
        let now = Timestamp::now();
        let ring = KeyRing::new(vec![key], None, RingPolicy::default(), now).ok().unwrap();
        let store = Arc::new(KeyStore::new(ring, now));
        let seconds = |milliseconds| {
            let observation = Duration::from_millis(milliseconds);
            KeySetStatus::new("default".into(), Arc::clone(&store), observation)
                .report(now)
                .observation_seconds
        };
        assert_eq!((seconds(86_400_000), seconds(500), seconds(1_001)), (86_400, 1, 2));
    }
}
