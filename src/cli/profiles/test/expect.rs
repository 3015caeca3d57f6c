//! What a sample request is expected to come to.

use std::fmt;
use std::str::FromStr;

use super::choice::Untouched;
use crate::ale::WholeFault;
use crate::metrics::{AleCode, AleReason};

/// What the comment `expect:` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// `bypass`.
    Bypass,
    /// `no route`.
    NoRoute,
    /// `opens` or `seals`.
    Passes,
    /// A refusal, as far as it is said.
    Refused { code: Option<AleCode>, reason: Option<AleReason>, at: Option<String> },
}

/// The text says nothing that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoExpectation;

impl Expected {
    /// Whether that is what came of it.
    pub(super) fn is_met(&self, outcome: Result<(), &WholeFault>) -> bool {
        match (self, outcome) {
            (Self::Passes, Ok(())) => true,
            (Self::Refused { code, reason, at }, Err(fault)) => {
                code.is_none_or(|code| code == fault.refusal.code)
                    && reason.is_none_or(|reason| reason == fault.refusal.reason)
                    && at.as_deref().is_none_or(|at| fault.at.as_deref() == Some(at))
            }
            _ => false,
        }
    }
}

impl Expected {
    /// Whether it is that nothing is done to the request.
    pub(super) fn is_met_by(&self, untouched: &Untouched) -> bool {
        match untouched {
            Untouched::Bypass(_) => *self == Self::Bypass,
            Untouched::NoRoute => *self == Self::NoRoute,
        }
    }
}

impl FromStr for Expected {
    type Err = NoExpectation;

    fn from_str(text: &str) -> Result<Self, NoExpectation> {
        if ["opens", "seals"].contains(&text) {
            return Ok(Self::Passes);
        }
        match text {
            "bypass" => return Ok(Self::Bypass),
            "no route" => return Ok(Self::NoRoute),
            _ => {}
        }
        let (code, rest) = match text.strip_prefix("errorCode ") {
            Some(rest) => {
                let (number, rest) = rest.split_once(": ").unwrap_or((rest, ""));
                let known = AleCode::ALL.into_iter().find(|known| known.label() == number);
                (Some(known.ok_or(NoExpectation)?), Some(rest).filter(|rest| !rest.is_empty()))
            }
            None => (None, Some(text)),
        };
        let Some(rest) = rest else { return Ok(Self::Refused { code, reason: None, at: None }) };
        let (name, at) =
            rest.split_once(" at ").map_or((rest, None), |(name, at)| (name, Some(at.to_owned())));
        let reason = AleReason::ALL.into_iter().find(|known| known.label() == name);
        Ok(Self::Refused { code, reason: Some(reason.ok_or(NoExpectation)?), at })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, reason, at) = match self {
            Self::Bypass => return f.write_str("a bypass"),
            Self::NoRoute => return f.write_str("that no route is for it"),
            Self::Passes => return f.write_str("that it passes"),
            Self::Refused { code, reason, at } => (code, reason, at),
        };
        let parts = [
            code.map(|code| format!("errorCode {}", code.label())),
            reason.map(|reason| reason.label().to_owned()),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(": "))?;
        at.iter().try_for_each(|at| write!(f, " at {at}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ale::Refusal;

    fn refused(at: Option<&str>) -> WholeFault {
        WholeFault { refusal: Refusal::replayed(), at: at.map(Into::into) }
    }

    fn met(text: &str, outcome: Result<(), &WholeFault>) -> bool {
        text.parse::<Expected>().unwrap().is_met(outcome)
    }

    #[test]
    fn refusal_is_as_expected_as_far_as_the_expectation_goes() {
        let fault = refused(Some("query:phone"));
        for text in [
            "errorCode 2",
            "replayed",
            "errorCode 2: replayed",
            "replayed at query:phone",
            "errorCode 2: replayed at query:phone",
        ] {
            assert!(met(text, Err(&fault)), "{text}");
            assert!(!met(text, Ok(())), "{text}");
            if text.contains(" at ") {
                assert!(!met(text, Err(&refused(None))), "{text}");
            }
        }
        for text in
            ["opens", "errorCode 1", "missing_value", "errorCode 1: replayed", "replayed at query:other"]
        {
            assert!(!met(text, Err(&fault)), "{text}");
        }
    }

    #[test]
    fn request_that_passes_is_as_expected_only_where_that_is_expected() {
        assert!(met("opens", Ok(())) && met("seals", Ok(())));
        assert!(!met("errorCode 2", Ok(())));
    }

    #[test]
    fn expectation_that_nothing_can_meet_is_none() {
        for text in [
            "",
            "open",
            "errorCode",
            "errorCode 4",
            "errorCode 2: ",
            "errorCode 2 replayed",
            "replayd",
            "replayed at",
        ] {
            let read = text.parse::<Expected>();
            // Behind a code and a colon there may be nothing yet.
            assert_eq!(read.is_err(), text != "errorCode 2: ", "{text}");
        }
    }

    #[test]
    fn expectation_is_told_as_it_may_be_written() {
        for text in ["errorCode 2", "missing_value at query:phone", "errorCode 1: missing_iv"] {
            assert_eq!(text.parse::<Expected>().unwrap().to_string(), text);
        }
        assert_eq!("opens".parse::<Expected>().unwrap().to_string(), "that it passes");
    }
}
