//! How fast the body of a request must come.
//!
//! Only time counts in which its sender is waited for: what an upstream that takes slowly keeps waiting is not the
//! client's doing. So the clock is looked at where a wait begins and ends, and a piece that is there already costs an
//! addition.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Limits;
use crate::metrics::Shed;
use crate::proxy::ProxyConfig;

/// The pace of one body.
pub(crate) struct Pace {
    limits: Arc<Limits>,
    rate: Option<NonZeroU64>,
    /// How long it is waited for before it is judged, and then again and again.
    window: Duration,
    /// When the wait began that is under way.
    waits_since: Option<Instant>,
    waited: Duration,
    bytes: u64,
}

/// A body came slower than it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl Pace {
    /// That of a body that is yet to come.
    pub(crate) fn new(config: &ProxyConfig, limits: &Arc<Limits>) -> Self {
        Self {
            limits: Arc::clone(limits),
            rate: config.limits.min_body_rate,
            window: config.timeouts.body,
            waits_since: None,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// Its sender is waited for.
    pub(crate) fn waits(&mut self) {
        if self.waits_since.is_none() {
            self.waits_since = Some(Instant::now());
        }
    }

    /// So many bytes of it have come.
    pub(crate) fn came(&mut self, bytes: usize) -> Result<(), TooSlow> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let Some(since) = self.waits_since.take() else { return Ok(()) };
        self.waited += since.elapsed();
        if self.waited < self.window {
            return Ok(());
        }
        let is_slow = self.rate.is_some_and(|rate| {
            u128::from(self.bytes) * 1000 < u128::from(rate.get()) * self.waited.as_millis()
        });
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        if is_slow {
            self.limits.shed(Shed::SlowBody);
            return Err(TooSlow);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::proxy::LimitsConfig;

    /// 100 bytes a second, judged every 10 seconds.
    fn pace() -> Pace {
        let limits = Limits::new("kitchen".into(), &LimitsConfig::default(), Metrics::new().proxy("kitchen"));
        Pace {
            limits,
            rate: NonZeroU64::new(100),
            window: Duration::from_secs(10),
            waits_since: None,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    async fn after(pace: &mut Pace, seconds: u64, bytes: usize) -> Result<(), TooSlow> {
        pace.waits();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        pace.waits();
        pace.came(bytes)
    }

    #[tokio::test(start_paused = true)]
    async fn body_that_trickles_is_too_slow_once_it_was_waited_for_that_long() {
        let mut pace = pace();
        for _ in 0..9 {
            assert_eq!(after(&mut pace, 1, 99).await, Ok(()));
        }
        assert_eq!(after(&mut pace, 1, 99).await, Err(TooSlow));
    }

    #[tokio::test(start_paused = true)]
    async fn body_of_just_the_rate_comes_through() {
        let mut pace = pace();
        for _ in 0..100 {
            assert_eq!(after(&mut pace, 1, 100).await, Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn fast_beginning_does_not_pay_for_a_trickle_after_it() {
        let mut pace = pace();
        assert_eq!(pace.came(1_000_000), Ok(()));
        assert_eq!(after(&mut pace, 10, 1).await, Ok(()));
        assert_eq!(after(&mut pace, 9, 1).await, Ok(()));
        assert_eq!(after(&mut pace, 1, 1).await, Err(TooSlow));
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_asks_for_more_does_not_count() {
        let mut pace = pace();
        for _ in 0..100 {
            // The upstream takes nothing for an hour; what comes then has been there.
            tokio::time::advance(Duration::from_secs(3600)).await;
            assert_eq!(pace.came(1), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_every_pace_will_do() {
        let mut pace = Pace { rate: None, ..pace() };
        for _ in 0..10 {
            assert_eq!(after(&mut pace, 3600, 1).await, Ok(()));
        }
    }
}
