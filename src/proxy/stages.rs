//! Where the time of an exchange goes: until its request goes on, until the reply begins to come, and until it is over.

use std::time::{Duration, Instant};

use super::websocket::Side;
use crate::capture;
use crate::metrics::Stage;

/// The moments between the stages of one exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stages {
    began: Instant,
    /// When the request was handed on to the upstream, the first time if more than once.
    went_on: Option<Instant>,
    /// When the head of its reply was there, or was not to come any more.
    came_back: Option<Instant>,
}

impl Stages {
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now(), went_on: None, came_back: None }
    }

    pub(crate) fn goes_on(&mut self) {
        self.went_on.get_or_insert_with(Instant::now);
    }

    pub(crate) fn comes_back(&mut self) {
        self.came_back = Some(Instant::now());
    }

    /// What has passed since its beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// How long each stage took that was gone through, of an exchange that took `whole` and whose messages are sealed on
    /// the side `sealed`; one that is plain throughout, and has none, only waits for the upstream.
    pub(crate) fn durations(&self, whole: Duration, sealed: Option<Side>) -> Durations {
        let mut durations = Durations::default();
        let (Some(went_on), Some(came_back)) = (self.went_on, self.came_back) else { return durations };
        durations.0[Stage::Upstream as usize] = Some(came_back.saturating_duration_since(went_on));
        let (first, last) = match sealed {
            Some(Side::Client) => (Stage::Opening, Stage::Sealing),
            Some(Side::Server) => (Stage::Sealing, Stage::Opening),
            None => return durations,
        };
        let until_reply = came_back.saturating_duration_since(self.began);
        durations.0[first as usize] = Some(went_on.saturating_duration_since(self.began));
        durations.0[last as usize] = Some(whole.saturating_sub(until_reply));
        durations
    }
}

/// How long each stage took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Durations([Option<Duration>; Stage::ALL.len()]);

impl Durations {
    pub(crate) fn of(&self, stage: Stage) -> Option<Duration> {
        self.0[stage as usize]
    }
}

impl From<Durations> for capture::Stages {
    fn from(durations: Durations) -> Self {
        Self {
            opening: durations.of(Stage::Opening),
            upstream: durations.of(Stage::Upstream),
            sealing: durations.of(Stage::Sealing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(went_on: Option<u64>, came_back: Option<u64>) -> Stages {
        let began = Instant::now();
        let after = |ms: u64| began + Duration::from_millis(ms);
        Stages { began, went_on: went_on.map(after), came_back: came_back.map(after) }
    }

    fn durations(stages: Stages, whole: u64, sealed: Option<Side>) -> [Option<u128>; 3] {
        let durations = stages.durations(Duration::from_millis(whole), sealed);
        Stage::ALL.map(|stage| durations.of(stage).map(|duration| duration.as_millis()))
    }

    #[test]
    fn what_comes_before_the_upstream_and_after_it_is_named_by_the_side_that_is_sealed() {
        let stages = stages(Some(2), Some(9));
        assert_eq!(Stage::ALL, [Stage::Opening, Stage::Upstream, Stage::Sealing]);
        assert_eq!(durations(stages, 10, Some(Side::Client)), [Some(2), Some(7), Some(1)]);
        assert_eq!(durations(stages, 10, Some(Side::Server)), [Some(1), Some(7), Some(2)]);
        assert_eq!(durations(stages, 10, None), [None, Some(7), None]);
    }

    #[test]
    fn an_exchange_that_never_came_to_the_upstream_or_back_has_no_stages() {
        assert_eq!(durations(stages(None, None), 10, Some(Side::Client)), [None; 3]);
        assert_eq!(durations(stages(Some(2), None), 10, Some(Side::Client)), [None; 3]);
    }
}
