//! Why a message that is held does not open, or cannot be sealed.

use std::fmt;

use crate::ale::Refusal;
use crate::metrics::AleReason;

/// A refusal, and which part of the message it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeFault {
    /// What its sender is told, and what really happened.
    pub refusal: Refusal,
    /// The place, as a profile names it; for the log, never for the peer. Nothing of a value stands here.
    pub at: Option<Box<str>>,
}

/// Characters of a place that are kept: a peer may choose the names.
const LONGEST_PLACE: usize = 80;

impl WholeFault {
    /// errorCode 1: what makes the message a sealed one is not as it must be.
    pub(super) fn headers(reason: AleReason, at: impl fmt::Display) -> Self {
        Self { refusal: Refusal::headers(reason), at: Some(shown(at)) }
    }

    /// errorCode 2: it does not open, whatever the reason.
    pub(super) fn unable(reason: AleReason, at: impl fmt::Display) -> Self {
        Self { refusal: Refusal::unable(reason), at: Some(shown(at)) }
    }
}

fn shown(at: impl fmt::Display) -> Box<str> {
    let text = at.to_string();
    text.chars().take(LONGEST_PLACE).flat_map(char::escape_debug).collect::<String>().into()
}

impl AsRef<Refusal> for WholeFault {
    fn as_ref(&self) -> &Refusal {
        &self.refusal
    }
}

impl From<Refusal> for WholeFault {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, at: None }
    }
}

impl fmt::Display for WholeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)?;
        self.at.iter().try_for_each(|at| write!(f, " at {at}"))
    }
}

impl std::error::Error for WholeFault {}
