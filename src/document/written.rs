//! Durations as a configuration has them.

use std::fmt;
use std::time::Duration;

/// A duration in the largest unit in which a configuration can say it whole: `168h`, `90m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written(pub Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        let units = [(3_600_000_u128, "h"), (60_000, "m"), (1000, "s")];
        let whole =
            units.into_iter().find(|(unit, _)| milliseconds >= *unit && milliseconds.is_multiple_of(*unit));
        let (unit, name) = whole.unwrap_or((1, "ms"));
        write!(f, "{}{name}", milliseconds / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_is_written_whole_in_its_largest_unit() {
        for (milliseconds, written) in [
            (7 * 24 * 3_600_000, "168h"),
            (9_000_000, "150m"),
            (61_000, "61s"),
            (1_001, "1001ms"),
            (0, "0ms"),
        ] {
            assert_eq!(Written(Duration::from_millis(milliseconds)).to_string(), written);
        }
    }
}
