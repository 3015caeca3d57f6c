//! Clients moved over one by one: routes that take plain messages beside sealed ones, from some networks and for a while.
//!
//! What passes plain bears nothing of an envelope, so a message that was meant to be sealed is refused as ever.

mod account;
mod config;
mod verdict;

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

pub(crate) use account::{MigrationAccount, PlainPass};
pub use account::{MigrationReport, Migrations, NetworkReport};
pub use config::{Migration, MigrationPolicy};
pub use verdict::{Evidence, ToRequire, to_require};

use crate::ale::Refusal;
use crate::metrics::MigrationVerdict;

/// Why `require` would refuse what passes plain: the errorCode, and the reason that a client is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("errorCode {code}: {reason}")]
pub struct WouldRefuse {
    /// What the client would be told.
    pub code: &'static str,
    /// What is the matter.
    pub reason: &'static str,
}

impl WouldRefuse {
    /// A WebSocket where messages are held whole.
    pub(crate) const NO_WEBSOCKET: Self = Self { code: "115", reason: "no_websocket" };
}

impl From<Refusal> for WouldRefuse {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code.label(), reason: refusal.reason.label() }
    }
}

/// What a worker has of a route's migration.
pub(crate) struct Migrating {
    pub(crate) terms: Migration,
    pub(crate) account: Arc<MigrationAccount>,
}

impl Migrating {
    /// Counts a request of `peer` that did not pass plain.
    pub(crate) fn count(&self, peer: IpAddr, verdict: MigrationVerdict) {
        self.account.count(self.terms.from.contain(peer).then_some(peer), verdict);
    }

    /// Counts one that passes plain, for as long as it is under way.
    pub(crate) fn pass(&self, peer: IpAddr, would_refuse: WouldRefuse) -> PlainPass {
        self.account.pass(peer, would_refuse)
    }

    /// What lets a session that began plain go on.
    pub(crate) fn session(&self) -> SessionPass {
        SessionPass { until: self.terms.until, _under_way: self.account.goes_on() }
    }
}

/// What lets a session that began plain go on.
pub(crate) struct SessionPass {
    until: Option<Timestamp>,
    _under_way: PlainPass,
}

impl SessionPass {
    /// Whether its time is over.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}
