//! What a Close says.

use super::FrameFault;

/// A control frame bears 125 bytes, and the code takes two of them.
const LONGEST_REASON: usize = 123;

/// Code and reason of a Close; a code that may not be sent cannot be in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    code: u16,
    reason: Box<str>,
}

impl Close {
    /// RFC 6455 §7.4.1: the side goes away, as a server does that stops.
    pub const GOING_AWAY: u16 = 1001;
    /// RFC 6455 §7.4.1: the peer broke the protocol.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// RFC 6455 §7.4.1: a text that is not UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// RFC 6455 §7.4.1: a message that is against the rules.
    pub const POLICY: u16 = 1008;
    /// RFC 6455 §7.4.1: a message that is too long.
    pub const TOO_LONG: u16 = 1009;
    /// RFC 6455 §7.4.1: something broke on this side.
    pub const INTERNAL: u16 = 1011;
    /// Registered with IANA: too much to do; later may do.
    pub const TRY_AGAIN: u16 = 1013;

    /// `None` for a code that may not be sent. A reason that is too long for the frame is cut between two characters.
    pub fn new(code: u16, reason: &str) -> Option<Self> {
        // A character has four bytes at most, so one of these cuts falls between two.
        let cut = (0..4).find_map(|less| reason.get(..LONGEST_REASON - less));
        may_be_sent(code).then(|| Self { code, reason: cut.unwrap_or(reason).into() })
    }

    /// The code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The reason, perhaps empty.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// RFC 6455 §5.5.1: nothing at all, or a code and then UTF-8.
    pub(super) fn parse(payload: &[u8]) -> Result<Option<Self>, FrameFault> {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return if payload.is_empty() { Ok(None) } else { Err(FrameFault::CloseLength) };
        };
        let code = u16::from_be_bytes(*code);
        if !may_be_sent(code) {
            return Err(FrameFault::CloseCode(code));
        }
        let reason = std::str::from_utf8(reason).map_err(|_invalid| FrameFault::CloseReason)?;
        Ok(Some(Self { code, reason: reason.into() }))
    }
}

/// RFC 6455 §7.4 and IANA's registry. 1004 has no meaning; 1005, 1006 and 1015 stand for what no frame said.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
