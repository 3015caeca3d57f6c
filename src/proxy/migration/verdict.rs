//! Whether a route may be switched to `require`.

use std::time::Duration;

use crate::keys::Roughly;

/// What is known of the plain messages of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// For how long it has been watched.
    pub watched: Duration,
    /// Plain exchanges and sessions under way now.
    pub under_way: u64,
    /// How long ago one was last under way, if ever.
    pub last_plain: Option<Duration>,
    /// Whether the time of plain messages is over.
    pub is_over: bool,
}

/// Whether a route may be switched to `require`, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToRequire {
    /// Its time is over, so it does what `require` does.
    #[error("its time is over: nothing passes plain any more")]
    Over,
    /// No plain request for long enough.
    #[error("nothing passed plain for {}", Roughly(*quiet_for))]
    Safe {
        /// So long.
        quiet_for: Duration,
    },
    /// Plain exchanges or sessions go on now.
    #[error("{count} plain under way")]
    UnderWay {
        /// So many.
        count: u64,
    },
    /// A plain request came too short a time ago.
    #[error("plain {} ago", Roughly(*ago))]
    Used {
        /// So long ago.
        ago: Duration,
    },
    /// Nothing passed plain, but it was not watched for long enough to tell.
    #[error("watched {} of {}", Roughly(*watched), Roughly(*quiet_for))]
    Unwatched {
        /// For how long it was.
        watched: Duration,
        /// For how long it has to be.
        quiet_for: Duration,
    },
}

impl ToRequire {
    /// Whether it may.
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Over | Self::Safe { .. })
    }
}

/// Judges a route: none of its clients may have been plain for `quiet_for`.
pub fn to_require(evidence: Evidence, quiet_for: Duration) -> ToRequire {
    let Evidence { watched, under_way, last_plain, is_over } = evidence;
    if under_way > 0 {
        return ToRequire::UnderWay { count: under_way };
    }
    if is_over {
        return ToRequire::Over;
    }
    match last_plain {
        Some(ago) if ago < quiet_for => ToRequire::Used { ago },
        None if watched < quiet_for => ToRequire::Unwatched { watched, quiet_for },
        Some(_) | None => ToRequire::Safe { quiet_for },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn said(watched: Duration, under_way: u64, last_plain: Option<Duration>, is_over: bool) -> String {
        to_require(Evidence { watched, under_way, last_plain, is_over }, DAY).to_string()
    }

    #[test]
    fn route_is_ready_once_nothing_was_plain_for_long_enough() {
        assert_eq!(said(HOUR, 0, None, false), "watched 1h of 24h");
        assert_eq!(said(DAY, 0, None, false), "nothing passed plain for 24h");
        assert_eq!(said(9 * DAY, 0, Some(HOUR), false), "plain 1h ago");
        assert_eq!(said(9 * DAY, 0, Some(DAY), false), "nothing passed plain for 24h");
        assert_eq!(said(9 * DAY, 2, Some(DAY), false), "2 plain under way");
        assert_eq!(said(HOUR, 0, Some(HOUR), true), "its time is over: nothing passes plain any more");
        assert_eq!(said(HOUR, 1, Some(HOUR), true), "1 plain under way");
    }

    proptest! {
        #[test]
        fn route_is_never_called_ready_while_a_client_was_plain_within_the_time_and_it_is_not_over(
            watched in 0_u64..1_000_000,
            under_way in 0_u64..3,
            last_plain in proptest::option::of(0_u64..1_000_000),
            is_over: bool,
            quiet_for in 1_u64..1_000_000,
        ) {
            let last_plain = last_plain.map(|ago| ago.min(watched));
            let seconds = Duration::from_secs;
            let evidence = Evidence {
                watched: seconds(watched), under_way, last_plain: last_plain.map(seconds), is_over,
            };
            let safe = to_require(evidence, seconds(quiet_for)).is_safe();
            let quiet = last_plain.unwrap_or(watched) >= quiet_for;
            prop_assert_eq!(safe, under_way == 0 && (is_over || quiet));
        }
    }
}
