//! The kinds of values that a configuration bears: durations, sizes, addresses, names.

mod address;
mod choices;
mod limits;
mod network;
mod origin;
mod profile;
mod route;
mod store;
mod until;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, Method};

#[cfg(feature = "inspector")]
pub(super) use address::Inet;
pub(super) use address::{AdminListen, Listen};
pub(super) use choices::{Carrier, Direction, ModeName};
pub(super) use limits::{BodyRate, FieldCount, HeadSize, LineRate, Number};
pub(super) use network::NetworkList;
pub(super) use origin::Origin;
pub(super) use profile::{AlgorithmName, IvLengthValue, MediaType, PresetName, Status, TagLengthValue};
pub(super) use route::{Hosts, PolicyName, ProfileName};
pub(super) use until::Until;

use crate::ale::ReplayWindow;
use crate::document::{Refusal, Value};
use crate::keys::SealLimit;

/// Past it, a deadline is a slip of the pen, and adding it to a clock could overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Value for Duration {
    const EXPECTED: &'static str = "a duration such as \"30s\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let remedy = "write a whole number and its unit: ms, s, m or h, for example \"500ms\" or \"10s\"";
        let refusal = || Refusal::new(format!("{text:?} is not a duration"), remedy);
        let digits = text.find(|character: char| !character.is_ascii_digit()).ok_or_else(refusal)?;
        let (number, unit) = text.split_at(digits);
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(refusal()),
        };
        let number: u64 = number.parse().map_err(|_| refusal())?;
        number
            .checked_mul(milliseconds)
            .map(Duration::from_millis)
            .filter(|duration| *duration <= LONGEST)
            .ok_or_else(|| Refusal::new(format!("{text:?} is too long"), "write at most \"8760h\", a year"))
    }

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        let remedy = format!("write it with its unit, for example \"{number}s\"");
        Err(Refusal::new(format!("{number} has no unit"), remedy))
    }
}

/// A duration that is not nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadline(pub(super) Duration);

impl Value for Deadline {
    const EXPECTED: &'static str = Duration::EXPECTED;

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let duration = Duration::from_text(text)?;
        if duration.is_zero() {
            return Err(Refusal::new(
                "no time at all",
                "write more than nothing; a limit cannot be switched off",
            ));
        }
        Ok(Self(duration))
    }

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        Duration::from_integer(number).map(Self)
    }
}

/// A duration that is not nothing, or that something is not done at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval(pub(super) Option<Duration>);

impl Value for Interval {
    const EXPECTED: &'static str = "a duration such as \"30s\", or \"off\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if text == "off" {
            return Ok(Self(None));
        }
        let interval = Duration::from_text(text)?;
        if interval.is_zero() {
            return Err(Refusal::new("no time at all", "write \"off\" for never"));
        }
        Ok(Self(Some(interval)))
    }

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        Duration::from_integer(number).map(|interval| Self(Some(interval)))
    }
}

/// A text that means itself.
pub(super) struct Literal(pub(super) Box<str>);

impl Value for Literal {
    const EXPECTED: &'static str = "a text in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        Ok(Self(text.into()))
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByteSize(pub(super) u64);

impl Value for ByteSize {
    const EXPECTED: &'static str = "a size such as \"16MiB\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let remedy =
            "write a whole number and its unit: KiB, MiB or GiB, for example \"16MiB\", or bytes as a number";
        let refusal = || Refusal::new(format!("{text:?} is not a size"), remedy);
        let digits = text.find(|character: char| !character.is_ascii_digit()).ok_or_else(refusal)?;
        let (number, unit) = text.split_at(digits);
        let shift = match unit {
            "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return Err(refusal()),
        };
        let number: u64 = number.parse().map_err(|_| refusal())?;
        let bytes = number.checked_mul(1 << shift).filter(|bytes| *bytes <= i64::MAX as u64);
        bytes.map(Self).ok_or_else(|| Refusal::new(format!("{text:?} is too large"), remedy))
    }

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        u64::try_from(number)
            .map(Self)
            .map_err(|_| Refusal::new(format!("{number} is less than nothing"), "write a number of bytes"))
    }
}

/// How many messages are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entries(pub(super) NonZeroU32);

impl Value for Entries {
    const EXPECTED: &'static str = "a number of messages";

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        let most = ReplayWindow::MOST_ENTRIES;
        let entries = u32::try_from(number).ok().filter(|number| *number <= most).and_then(NonZeroU32::new);
        entries.map(Self).ok_or_else(|| {
            Refusal::new(format!("{number} is not a number of messages"), format!("write 1 to {most}"))
        })
    }
}

/// How many threads work.
pub(super) struct Workers(pub(super) NonZeroUsize);

impl Value for Workers {
    const EXPECTED: &'static str = "a number of threads";

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        usize::try_from(number)
            .ok()
            .filter(|number| *number <= 1024)
            .and_then(NonZeroUsize::new)
            .map(Self)
            .ok_or_else(|| Refusal::new(format!("{number} is not a number of threads"), "write 1 to 1024"))
    }
}

/// How many messages a key may seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seals(pub(super) u64);

impl Value for Seals {
    const EXPECTED: &'static str = "a number of messages";

    fn from_integer(number: i64) -> Result<Self, Refusal> {
        let highest = SealLimit::HIGHEST;
        u64::try_from(number).ok().filter(|number| (1..=highest).contains(number)).map(Self).ok_or_else(
            || {
                let remedy = format!(
                    "write 1 to {highest}: under random IVs a GCM key may seal no more (NIST SP 800-38D)"
                );
                Refusal::new(format!("{number} is no number of messages that a key may seal"), remedy)
            },
        )
    }
}

/// What a proxy is called.
pub(super) struct ProxyName(pub(super) String);

impl Value for ProxyName {
    const EXPECTED: &'static str = "a name in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=63).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        let remedy = "write 1 to 63 letters, digits, hyphens and underscores";
        Err(Refusal::new(format!("{text:?} is not a name"), remedy))
    }
}

impl Value for Method {
    const EXPECTED: &'static str = "a method in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let remedy = "write methods in capitals, for example \"GET\"";
        let refusal = || Refusal::new(format!("{text:?} is not a method"), remedy);
        // Methods are case-sensitive: `get` would match nothing that a client sends.
        let method = Self::from_bytes(text.as_bytes()).map_err(|_| refusal())?;
        if text.bytes().any(|byte| byte.is_ascii_lowercase()) { Err(refusal()) } else { Ok(method) }
    }
}

impl Value for HeaderName {
    const EXPECTED: &'static str = "the name of a header in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let remedy = "write the name alone, for example \"authorization\"";
        text.parse().map_err(|_| Refusal::new(format!("{text:?} is not the name of a header"), remedy))
    }
}

impl Value for PathBuf {
    const EXPECTED: &'static str = "a path in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() || text.contains('\0') {
            return Err(Refusal::new("not a path", "write the path of a file"));
        }
        Ok(Self::from(text))
    }
}
