//! Values from texts that were made up.

use std::time::Duration;

use proptest::prelude::*;

use super::{SMALLEST, parse};
use crate::config::values::ByteSize;
use crate::document::Value;

proptest! {
    #[test]
    fn durations_read_as_they_are_written(number in 0u64..8760, unit in prop::sample::select(vec![("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)])) {
        let read = Duration::from_text(&format!("{number}{}", unit.0)).unwrap();
        prop_assert_eq!(read, Duration::from_millis(number * unit.1));
    }

    #[test]
    fn no_duration_passes_a_year(number: u64, unit in prop::sample::select(vec!["ms", "s", "m", "h"])) {
        if let Ok(read) = Duration::from_text(&format!("{number}{unit}")) {
            prop_assert!(read <= Duration::from_secs(365 * 86_400));
        }
    }

    #[test]
    fn sizes_read_as_they_are_written(number in 0u64..1 << 30, unit in prop::sample::select(vec![("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30)])) {
        let read = ByteSize::from_text(&format!("{number}{}", unit.0)).unwrap();
        prop_assert_eq!(read, ByteSize(number << unit.1));
        prop_assert_eq!(ByteSize::from_integer(number as i64).unwrap(), ByteSize(number));
    }

    #[test]
    fn any_text_is_refused_or_read_without_a_panic(text in "\\PC*") {
        let _ = Duration::from_text(&text);
        let _ = ByteSize::from_text(&text);
        let _ = crate::proxy::Upstream::from_text(&text);
        let _ = parse(&text);
    }

    #[test]
    fn any_change_of_a_file_is_refused_or_read_without_a_panic(at in 0..SMALLEST.len(), piece in "\\PC{0,3}") {
        let text = format!("{}{piece}{}", &SMALLEST[..at], &SMALLEST[at + 1..]);
        if let Err(faults) = parse(&text) {
            prop_assert!(faults.iter().count() > 0);
        }
    }
}
