//! How fast the body of a request must come.
//!
//! Only time counts in which its sender is waited for. Where the body streams, that ends when a piece is there, which may
//! be long before anybody takes it: what an upstream that takes slowly keeps waiting is not the client's doing. A piece that
//! was there already costs no look at the clock.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::Limits;
use super::bell::Bell;
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
    /// Made at the first look.
    bell: Option<(Arc<Bell>, Waker)>,
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
            bell: None,
        }
    }

    /// Looks for more of it with `poll`, and notes from when to when there was none.
    pub(crate) fn look<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if self.rate.is_none() {
            return poll(cx);
        }
        let (bell, waker) = self.bell.get_or_insert_with(|| {
            let bell = Arc::<Bell>::default();
            (Arc::clone(&bell), bell.into())
        });
        bell.wakes(cx.waker());
        let found = poll(&mut Context::from_waker(waker));
        if found.is_pending() {
            self.waits();
        }
        found
    }

    /// Its sender is waited for.
    pub(crate) fn waits(&mut self) {
        self.note_wait();
        self.waits_since = Some(Instant::now());
    }

    /// So many bytes of it have come.
    pub(crate) fn came(&mut self, bytes: usize) -> Result<(), TooSlow> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.note_wait();
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

    /// The wait that was under way, if one was, has ended.
    fn note_wait(&mut self) {
        let Some(since) = self.waits_since.take() else { return };
        let end = self.bell.as_ref().and_then(|(bell, _)| bell.rang()).unwrap_or_else(Instant::now);
        self.waited += end.saturating_duration_since(since);
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
            bell: None,
        }
    }

    async fn after(pace: &mut Pace, seconds: u64, bytes: usize) -> Result<(), TooSlow> {
        pace.waits();
        tokio::time::advance(Duration::from_secs(seconds)).await;
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
    async fn piece_that_lies_there_before_it_is_taken_came_when_it_came() {
        let mut pace = pace();
        let waker = Arc::new(std::sync::Mutex::new(None));
        for _ in 0..100 {
            let kept = Arc::clone(&waker);
            let _ = pace.look(&mut Context::from_waker(Waker::noop()), |cx| {
                *kept.lock().unwrap() = Some(cx.waker().clone());
                Poll::<()>::Pending
            });
            tokio::time::advance(Duration::from_secs(1)).await;
            waker.lock().unwrap().take().unwrap().wake();
            // The upstream takes nothing for an hour.
            tokio::time::advance(Duration::from_secs(3600)).await;
            assert!(pace.look(&mut Context::from_waker(Waker::noop()), |_| Poll::Ready(())).is_ready());
            assert_eq!(pace.came(100), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn look_in_vain_does_not_end_the_wait() {
        let mut pace = pace();
        for _ in 0..9 {
            let _ = pace.look(&mut Context::from_waker(Waker::noop()), |_| Poll::<()>::Pending);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(after(&mut pace, 1, 999).await, Err(TooSlow));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_every_pace_will_do() {
        let mut pace = Pace { rate: None, ..pace() };
        for _ in 0..10 {
            assert_eq!(after(&mut pace, 3600, 1).await, Ok(()));
        }
    }
}
