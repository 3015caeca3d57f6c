//! What is to be said of each key of a ring: what it does now, and whether it may go.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Key, KeyRing, KeyUnavailable};

/// Times of use are rounded down to this.
const ROUNDING: SignedDuration = SignedDuration::from_secs(1);

/// One key, and what is to be said of it.
pub struct Verdict<'r> {
    /// The key.
    pub key: &'r Arc<Key>,
    /// What it does.
    pub state: KeyState,
    /// Whether it may go.
    pub retirement: Retirement,
    /// How many messages it may seal in this process, if that is limited.
    pub seal_limit: Option<u64>,
}

/// Judges each key of `ring` at `now`, those that began last first. A key that was not used for `observation` may go.
pub fn verdicts(ring: &KeyRing, observation: Duration, now: Timestamp) -> Vec<Verdict<'_>> {
    let sealing = ring.sealing_key(now);
    let mut seals_from = SealsFrom::of(ring, now);
    let judge = |key| {
        let is_sealing = sealing.is_some_and(|sealing| Arc::ptr_eq(sealing, key));
        let state = match ring.opening_key(key.fingerprint.as_str(), now) {
            _ if is_sealing => KeyState::Sealing,
            Ok(_) => KeyState::Accepting,
            Err(KeyUnavailable::NotYetValid) => KeyState::NotYetValid,
            Err(KeyUnavailable::Expired | KeyUnavailable::Unknown) => KeyState::Expired,
        };
        let seals_from = seals_from.next(key);
        let retirement = match state {
            KeyState::Sealing => Retirement::Seals,
            KeyState::NotYetValid => Retirement::NotYetValid,
            KeyState::Accepting | KeyState::Expired => match seals_from {
                Some(from) => Retirement::SealsLater { from },
                None => by_use(key, observation, now),
            },
        };
        let is_limited = key.secret.algorithm().is_authenticated();
        let seal_limit = is_limited.then_some(ring.seal_limit().most);
        Verdict { key, state, retirement, seal_limit }
    };
    ring.keys().map(judge).collect()
}

/// Whether a key may go that is not needed to seal.
fn by_use(key: &Key, observation: Duration, now: Timestamp) -> Retirement {
    let Some(usage) = key.usage() else {
        return Retirement::Unwatched { watched: Duration::ZERO, observation };
    };
    let last = usage.opened().last.max(usage.sealed().last);
    let unused = |last: Timestamp| elapsed(last, now).saturating_sub(ROUNDING.unsigned_abs()) >= observation;
    if let Some(last) = last.filter(|last| !unused(*last)) {
        return Retirement::Used { ago: elapsed(last, now) };
    }
    let watched = elapsed(usage.since(), now);
    if watched < observation {
        return Retirement::Unwatched { watched, observation };
    }
    Retirement::Safe { observation }
}

fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// Finds the keys that will seal by themselves though they don't now: one that has just begun, and one that is still valid
/// when all that come before it have ended. Without it, nothing would seal then.
struct SealsFrom<'r> {
    ring: &'r KeyRing,
    now: Timestamp,
    /// Those that seal from some later time on: from when to when, the latest first.
    to_come: Vec<(Timestamp, Timestamp)>,
    /// Up to here some younger key seals.
    covered: Timestamp,
}

impl<'r> SealsFrom<'r> {
    fn of(ring: &'r KeyRing, now: Timestamp) -> Self {
        Self { ring, now, to_come: Vec::new(), covered: now }
    }

    /// From when `key` seals, if it will. Asked of each key once, the youngest first.
    fn next(&mut self, key: &Arc<Key>) -> Option<Timestamp> {
        if self.ring.has_primary() || self.ring.bars(key) {
            return None;
        }
        let begins = self.ring.seals_after(key).unwrap_or(Timestamp::MIN);
        let ends = key.validity.until.unwrap_or(Timestamp::MAX);
        if begins > self.now {
            self.to_come.push((begins, ends));
            return (ends > self.now).then_some(begins);
        }
        while let Some((_, end)) = self.to_come.pop_if(|(begin, _)| *begin <= self.covered) {
            self.covered = self.covered.max(end);
        }
        let from = self.covered;
        self.covered = from.max(ends);
        (from < ends).then_some(from)
    }
}

/// What a key does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It opens, and seals replies to what it opened.
    Accepting,
    /// Its window is over.
    Expired,
    /// Its window has not begun.
    NotYetValid,
    /// It is the one that seals new messages.
    Sealing,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepting => "accepting",
            Self::Expired => "expired",
            Self::NotYetValid => "not yet valid",
            Self::Sealing => "sealing",
        })
    }
}

/// Whether a key may go, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Retirement {
    /// It is there for the time to come.
    #[error("it is not yet valid")]
    NotYetValid,
    /// Nobody has used it for all of the observation time.
    #[error("not used for {}", Roughly(*observation))]
    Safe {
        /// That time.
        observation: Duration,
    },
    /// New messages are sealed with it.
    #[error("it seals")]
    Seals,
    /// It will seal if nothing is changed.
    #[error("it seals from {from} on")]
    SealsLater {
        /// From when.
        from: Timestamp,
    },
    /// Nobody has used it, but it was not watched for long enough to tell.
    #[error("watched {} of {}", Roughly(*watched), Roughly(*observation))]
    Unwatched {
        /// For how long it was.
        watched: Duration,
        /// For how long it has to be.
        observation: Duration,
    },
    /// Somebody used it during the observation time.
    #[error("used {} ago", Roughly(*ago))]
    Used {
        /// How long ago.
        ago: Duration,
    },
}

impl Retirement {
    /// Whether the key may go.
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Safe { .. })
    }
}

/// A time as people say it: its two largest units, `3h12m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roughly(pub Duration);

impl fmt::Display for Roughly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, milliseconds) = (self.0.as_secs(), self.0.subsec_millis());
        let (large, unit, small, rest) = match seconds {
            0 if milliseconds > 0 => return write!(f, "{milliseconds}ms"),
            0..60 => return write!(f, "{seconds}s"),
            60..3_600 => (seconds / 60, 'm', 's', seconds % 60),
            // Up to two days in hours: a day's observation is "24h", as it is configured.
            3_600..172_800 => (seconds / 3_600, 'h', 'm', seconds % 3_600 / 60),
            172_800.. => (seconds / 86_400, 'd', 'h', seconds % 86_400 / 3_600),
        };
        write!(f, "{large}{unit}")?;
        if rest > 0 { write!(f, "{rest}{small}") } else { Ok(()) }
    }
}
