//! What limits are written as.

use std::num::{NonZeroU32, NonZeroU64};

use super::ByteSize;
use crate::document::{Refusal, Value};
use crate::proxy::LimitsConfig;

/// How many there may be at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Number(pub(in crate::config) NonZeroU32);

impl Value for Number {
    const EXPECTED: &'static str = "a number";

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        let most = LimitsConfig::MOST;
        let within = u32::try_from(number).ok().filter(|number| *number <= most);
        within.and_then(NonZeroU32::new).map(Self).ok_or_else(|| {
            let remedy = format!("write 1 to {most}; a limit cannot be switched off");
            Refusal::new(format!("{number} is not a limit"), remedy)
        })
    }
}

/// How many fields a head may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct FieldCount(pub(in crate::config) u32);

impl Value for FieldCount {
    const EXPECTED: &'static str = "a number of fields";

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        let most = LimitsConfig::MOST_HEADER_COUNT;
        u32::try_from(number).ok().filter(|number| (1..=most).contains(number)).map(Self).ok_or_else(|| {
            Refusal::new(format!("{number} is not a number of fields"), format!("write 1 to {most}"))
        })
    }
}

/// How long a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct HeadSize(pub(in crate::config) u32);

impl Value for HeadSize {
    const EXPECTED: &'static str = "a size such as \"64KiB\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        ByteSize::from_text(text).and_then(|size| Self::within(size, text))
    }

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        ByteSize::from_integer(number).and_then(|size| Self::within(size, &number.to_string()))
    }
}

impl HeadSize {
    /// Less would not take a sealed request's own fields.
    const LEAST: u32 = 1024;

    fn within(ByteSize(bytes): ByteSize, written: &str) -> Result<Self, Refusal> {
        let most = LimitsConfig::MOST_HEADER_BYTES;
        let within = u32::try_from(bytes).ok().filter(|bytes| (Self::LEAST..=most).contains(bytes));
        within.map(Self).ok_or_else(|| {
            let problem = format!("{written} is no length of a head");
            Refusal::new(problem, "write \"1KiB\" to \"128KiB\"")
        })
    }
}

/// How many lines there may be in a second, if there is a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct LineRate(pub(in crate::config) Option<NonZeroU32>);

impl Value for LineRate {
    const EXPECTED: &'static str = "lines per second, such as 1000, or \"off\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if text == "off" {
            return Ok(Self(None));
        }
        Err(Refusal::new(
            format!("\"{text}\" is no number of lines"),
            "write a number, or \"off\" for no limit",
        ))
    }

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        u32::try_from(number).ok().and_then(NonZeroU32::new).map(|lines| Self(Some(lines))).ok_or_else(|| {
            let remedy =
                format!("write 1 to {}, \"off\" for no limit, or access = false for no lines", u32::MAX);
            Refusal::new(format!("{number} is no number of lines"), remedy)
        })
    }
}

/// How many bytes must come in a second, if any must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct BodyRate(pub(in crate::config) Option<NonZeroU64>);

impl Value for BodyRate {
    const EXPECTED: &'static str = "bytes per second, such as \"64B\", or \"off\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if text == "off" {
            return Ok(Self(None));
        }
        ByteSize::from_text(text).and_then(Self::of)
    }

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        ByteSize::from_integer(number).and_then(Self::of)
    }
}

impl BodyRate {
    fn of(ByteSize(bytes): ByteSize) -> Result<Self, Refusal> {
        let none = || Refusal::new("no bytes at all", "write \"off\" for no bound");
        NonZeroU64::new(bytes).map(|rate| Self(Some(rate))).ok_or_else(none)
    }
}
