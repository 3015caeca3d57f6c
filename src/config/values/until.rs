//! When something ends.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use toml::value::Datetime;

use crate::document::{Refusal, Value};

/// A time with an offset, or a date, which is its beginning in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Until(pub(in crate::config) Timestamp);

impl Until {
    const REMEDY: &'static str =
        "write a date, which is its beginning in UTC, or date, time and offset: 2027-03-31T18:00:00Z";
}

impl Value for Until {
    const EXPECTED: &'static str = "a date, or a time with an offset";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if let Ok(time) = text.parse() {
            return Ok(Self(time));
        }
        // Else a time without an offset would be taken for its date.
        let is_date = text.len() == "2027-03-31".len();
        let date = text.parse::<Date>().ok().filter(|_| is_date);
        let begins = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok());
        begins
            .map(|begins| Self(begins.timestamp()))
            .ok_or_else(|| Refusal::new("not a date, nor a time with an offset", Self::REMEDY))
    }

    fn from_datetime(time: Datetime) -> Result<Self, Refusal> {
        Self::from_text(&time.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_is_its_beginning_in_utc_and_a_time_needs_an_offset() {
        for (text, time) in [
            ("2027-03-31", "2027-03-31T00:00:00Z"),
            ("2027-03-31T18:00:00Z", "2027-03-31T18:00:00Z"),
            ("2027-03-31 18:00:00+02:00", "2027-03-31T16:00:00Z"),
        ] {
            assert_eq!(Until::from_text(text).ok().unwrap().0.to_string(), time);
        }
        for text in ["2027-03-31T18:00:00", "18:00:00", "2027-02-30", "March", ""] {
            assert!(Until::from_text(text).is_err(), "{text}");
        }
    }
}
