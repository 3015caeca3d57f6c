//! When to ask again.

use std::time::Duration;

use rand::{Rng, RngExt};

/// The wait after a first failure, unless polls come faster than that.
const FIRST: Duration = Duration::from_secs(5);
/// A failing portal is not asked more often than this in the long run, however often a healthy one is.
const SHORTEST_CAP: Duration = Duration::from_secs(60);
/// And not more seldom, however seldom a healthy one is: keys that are due should come soon after an outage.
const LONGEST_CAP: Duration = Duration::from_secs(60 * 60);

/// Waits after failures: from 5 s (or `poll_interval`, if that is less), twice as long each time, up to
/// `poll_interval`, or to a minute or an hour where that lies outside of these.
///
/// Half of each wait is left to chance, so that sidecars which lost the portal together don't return together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
}

impl Backoff {
    /// For a portal that is polled at this interval.
    pub fn new(poll_interval: Duration) -> Self {
        Self { first: FIRST.min(poll_interval), cap: poll_interval.clamp(SHORTEST_CAP, LONGEST_CAP) }
    }

    /// The wait after `failures` in a row, counted from 1, and at least as long as the portal `asked` for.
    pub fn delay(&self, failures: u32, asked: Option<Duration>, rng: &mut impl Rng) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1 << doublings).min(self.cap);
        let own = whole.mul_f64(rng.random_range(0.5..=1.0));
        // All were asked for the same wait, so they would come back in the same moment.
        asked.map_or(own, |asked| own.max(asked.mul_f64(rng.random_range(1.0..=1.1))))
    }
}

/// `interval`, a tenth more or less, so that sidecars which started together don't go on asking together.
pub fn jittered(interval: Duration, rng: &mut impl Rng) -> Duration {
    interval.mul_f64(rng.random_range(0.9..=1.1))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    /// The least and the greatest of many draws, in whole seconds; the draws reach near both ends.
    fn range(mut draw: impl FnMut(&mut StdRng) -> Duration) -> (u64, u64) {
        let mut rng = StdRng::seed_from_u64(7);
        let draws: Vec<_> = (0..10_000).map(|_| draw(&mut rng)).collect();
        let millis = |drawn: Option<&Duration>| drawn.unwrap().as_millis() as u64;
        (millis(draws.iter().min()), millis(draws.iter().max()))
    }

    fn near((least, most): (u64, u64), (low, high): (u64, u64)) -> bool {
        let slack = (high - low) / 100;
        (low..=low + slack).contains(&least) && (high - slack..=high).contains(&most)
    }

    #[test]
    fn waits_double_up_to_the_poll_interval_and_half_of_each_is_chance() {
        let backoff = Backoff::new(Duration::from_secs(300));
        for (failures, most) in
            [(0, 5), (1, 5), (2, 10), (3, 20), (6, 160), (7, 300), (8, 300), (1000, 300), (u32::MAX, 300)]
        {
            let drawn = range(|rng| backoff.delay(failures, None, rng));
            assert!(near(drawn, (most * 500, most * 1000)), "{failures}: {drawn:?}");
        }
    }

    #[test]
    fn cap_lies_between_a_minute_and_an_hour() {
        for (poll, first, cap) in [(1, 1, 60), (10, 5, 60), (24 * 3600, 5, 3600), (3600, 5, 3600)] {
            let backoff = Backoff::new(Duration::from_secs(poll));
            let (once, often) =
                (range(|rng| backoff.delay(1, None, rng)), range(|rng| backoff.delay(99, None, rng)));
            assert!(near(once, (first * 500, first * 1000)), "{poll}: {once:?}");
            assert!(near(often, (cap * 500, cap * 1000)), "{poll}: {often:?}");
        }
    }

    #[test]
    fn wait_that_was_asked_for_is_the_least_and_is_spread_as_well() {
        let backoff = Backoff::new(Duration::from_secs(300));
        let asked = |asked| range(|rng| backoff.delay(1, Some(Duration::from_secs(asked)), rng));
        assert!(near(asked(100), (100_000, 110_000)), "{:?}", asked(100));
        assert!(near(asked(0), (2500, 5000)), "{:?}", asked(0));
    }

    #[test]
    fn polls_are_spread_by_a_tenth() {
        let drawn = range(|rng| jittered(Duration::from_secs(100), rng));
        assert!(near(drawn, (90_000, 110_000)), "{drawn:?}");
        assert_eq!(range(|rng| jittered(Duration::ZERO, rng)), (0, 0));
    }
}
