//! Times on the command line.

use std::time::Duration;

use jiff::SignedDuration;

/// A time with its unit, which is not nothing.
pub(super) fn positive(text: &str) -> Result<Duration, NotATime> {
    any(text).ok().filter(|time| !time.is_zero()).ok_or(NotATime)
}

/// A time with its unit, which may be nothing: 0s.
pub(super) fn any(text: &str) -> Result<Duration, NotATime> {
    let parsed: SignedDuration = text.parse().map_err(|_| NotATime)?;
    Duration::try_from(parsed).map_err(|_| NotATime)
}

/// A text that says no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time such as 3s or 500ms")]
pub(super) struct NotATime;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_bears_its_unit_and_is_not_zero() {
        assert_eq!(positive("3s"), Ok(Duration::from_secs(3)));
        assert_eq!(positive("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!((any("0s"), any("10m")), (Ok(Duration::ZERO), Ok(Duration::from_secs(600))));
        assert_eq!((any("-1s"), any("3")), (Err(NotATime), Err(NotATime)));
        for text in ["", "3", "0s", "-1s", "soon"] {
            assert_eq!(positive(text), Err(NotATime), "{text:?}");
        }
    }
}
