//! What a route says of its plain clients; filled by `config/`.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use crate::net::Networks;

/// From whom a route takes plain messages beside sealed ones, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// How plain messages are taken.
    pub policy: MigrationPolicy,
    /// Where clients are that may send them.
    pub from: Networks,
    /// When that ends; never, if it is absent.
    pub until: Option<Timestamp>,
    /// For how long none may have come before the route is called ready for `require`.
    pub quiet_for: Duration,
}

/// How plain messages are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// As sealed ones are, with whatever else is asked of these.
    Permit,
    /// All of them, and what would be asked of sealed ones is noted.
    Shadow,
}

impl Migration {
    /// How long no plain message may have come, unless it is configured.
    pub const QUIET_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// Whether a client may send plain messages now.
    pub fn admits(&self, peer: IpAddr, now: Timestamp) -> bool {
        self.from.contain(peer) && !self.is_over(now)
    }

    /// Whether its time is over, so that the route requires what `require` does.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.policy, self.from)?;
        match self.until {
            Some(until) => write!(f, " until {until}"),
            None => f.write_str(" without an end"),
        }
    }
}

impl fmt::Display for MigrationPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permit => "permit",
            Self::Shadow => "shadow",
        })
    }
}
