//! Whether a peer is still there: one that is silent is pinged, one that does not answer is gone.

use std::time::{Duration, Instant};

/// When a peer was last heard, and whether it was asked since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liveness {
    interval: Option<Duration>,
    since: Instant,
    is_asked: bool,
    /// It is not listened to, so its silence says nothing.
    is_suspended: bool,
}

/// What silence asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// The peer is to be pinged.
    Ask,
    /// It was, and did not answer.
    GiveUp,
}

impl Liveness {
    /// Without an interval no peer is ever asked.
    pub(super) fn new(interval: Option<Duration>, now: Instant) -> Self {
        Self { interval, since: now, is_asked: false, is_suspended: false }
    }

    /// The peer was heard.
    pub(super) fn hears(&mut self, now: Instant) {
        self.since = now;
        self.is_asked = false;
    }

    /// The peer is listened to, or not. Its time begins anew when it is again.
    pub(super) fn listens(&mut self, listens: bool, now: impl FnOnce() -> Instant) {
        if listens && self.is_suspended {
            self.hears(now());
        }
        self.is_suspended = !listens;
    }

    /// When its silence will ask for something.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.is_suspended { None } else { Some(self.since + self.interval?) }
    }

    /// What it asks for at `now`.
    pub(super) fn judge(&mut self, now: Instant) -> Option<Silence> {
        self.due().filter(|due| *due <= now)?;
        self.since = now;
        Some(if std::mem::replace(&mut self.is_asked, true) { Silence::GiveUp } else { Silence::Ask })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    #[test]
    fn silent_peer_is_asked_once_and_given_up_an_interval_later() {
        let start = Instant::now();
        let mut liveness = Liveness::new(Some(INTERVAL), start);
        assert_eq!(liveness.judge(start + INTERVAL / 2), None);
        assert_eq!(liveness.judge(start + INTERVAL), Some(Silence::Ask));
        assert_eq!(liveness.judge(start + INTERVAL * 3 / 2), None);
        assert_eq!(liveness.judge(start + INTERVAL * 2), Some(Silence::GiveUp));
    }

    #[test]
    fn anything_heard_is_an_answer() {
        let start = Instant::now();
        let mut liveness = Liveness::new(Some(INTERVAL), start);
        assert_eq!(liveness.judge(start + INTERVAL), Some(Silence::Ask));
        liveness.hears(start + INTERVAL * 3 / 2);
        assert_eq!(liveness.judge(start + INTERVAL * 2), None);
        assert_eq!(liveness.judge(start + INTERVAL * 3), Some(Silence::Ask));
    }

    #[test]
    fn silence_of_a_peer_that_is_not_listened_to_says_nothing() {
        let start = Instant::now();
        let mut liveness = Liveness::new(Some(INTERVAL), start);
        assert_eq!(liveness.judge(start + INTERVAL), Some(Silence::Ask));
        liveness.listens(false, || unreachable!());
        assert_eq!(liveness.due(), None);
        assert_eq!(liveness.judge(start + INTERVAL * 9), None);
        liveness.listens(true, || start + INTERVAL * 10);
        assert_eq!(liveness.due(), Some(start + INTERVAL * 11));
        assert_eq!(liveness.judge(start + INTERVAL * 11), Some(Silence::Ask));
    }

    #[test]
    fn nobody_is_asked_without_an_interval() {
        let start = Instant::now();
        let mut liveness = Liveness::new(None, start);
        assert_eq!((liveness.due(), liveness.judge(start + INTERVAL * 9)), (None, None));
    }
}
