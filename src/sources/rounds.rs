//! Readings of a file, fetches from a portal: counted as they begin and end, so that others can wait for one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The rounds of one source, numbered from 1 as they begin; and when one was last asked for.
#[derive(Default)]
pub(super) struct Rounds {
    begun: AtomicU64,
    /// The last one that came to its end.
    ended: watch::Sender<u64>,
    asked: Mutex<Option<Asked>>,
}

/// The round that was asked for last.
#[derive(Clone, Copy)]
struct Asked {
    at: Instant,
    round: u64,
}

/// A round that somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It was asked for already, within the cooldown.
    Before(u64),
    /// It is for the caller to see that it begins.
    Now(u64),
}

impl Wanted {
    pub(super) fn round(self) -> u64 {
        match self {
            Self::Before(round) | Self::Now(round) => round,
        }
    }
}

impl Rounds {
    pub(super) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub(super) fn end(&self, round: u64) {
        self.ended.send_replace(round);
    }

    /// Asks for a round that begins after this. One that is under way may have looked before what is wanted was there.
    /// Within `cooldown` of the last question it is the round of then.
    pub(super) fn ask(&self, cooldown: Duration) -> Wanted {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*asked
            && last.at.elapsed() < cooldown
        {
            return Wanted::Before(last.round);
        }
        let round = self.begun.load(Ordering::Acquire) + 1;
        *asked = Some(Asked { at: Instant::now(), round });
        Wanted::Now(round)
    }

    pub(super) fn has_ended(&self, round: u64) -> bool {
        *self.ended.borrow() >= round
    }

    /// Waits for the end of a round, from whichever runtime. The future borrows nothing.
    pub(super) fn ended(&self, round: u64) -> impl Future<Output = ()> + Send + use<> {
        let mut ended = self.ended.subscribe();
        async move {
            // An error says that the source is no longer followed: nothing is to be waited for.
            let _ = ended.wait_for(|ended| *ended >= round).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn within_the_cooldown_all_who_ask_get_one_round() {
        let rounds = Rounds::default();
        assert_eq!(rounds.ask(LONG), Wanted::Now(1));
        assert_eq!(rounds.ask(LONG), Wanted::Before(1));
        let begun = rounds.begin();
        assert_eq!(rounds.ask(LONG), Wanted::Before(1));
        rounds.end(begun);
        assert!(rounds.has_ended(1) && !rounds.has_ended(2));
    }

    #[test]
    fn round_that_has_begun_is_not_what_was_asked_for() {
        let rounds = Rounds::default();
        rounds.begin();
        assert_eq!(rounds.ask(LONG), Wanted::Now(2));
    }

    #[test]
    fn after_the_cooldown_another_round_is_asked_for() {
        let rounds = Rounds::default();
        assert_eq!(rounds.ask(Duration::ZERO), Wanted::Now(1));
        rounds.end(rounds.begin());
        assert_eq!(rounds.ask(Duration::ZERO), Wanted::Now(2));
    }

    #[tokio::test]
    async fn wait_ends_with_the_round_or_with_the_source() {
        let rounds = Rounds::default();
        let (first, second) = (rounds.ended(1), rounds.ended(2));
        rounds.end(rounds.begin());
        first.await;
        drop(rounds);
        second.await;
    }
}
