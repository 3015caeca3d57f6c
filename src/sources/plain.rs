//! Plain traffic, which passes where a portal that is followed says so: no longer than that can be believed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::assembly::Assembly;
use super::state::SourceState;
use crate::document::Written;
use crate::keys::{DocumentFormat, switch_of};

/// The clock is looked at as often as this, since it may be set.
const LOOK: Duration = Duration::from_secs(60);

/// The plain traffic of one key set.
pub(super) struct PlainTraffic {
    pub(super) keyset: Arc<str>,
    pub(super) assembly: Arc<Assembly>,
    /// Of the portal.
    pub(super) state: Arc<SourceState>,
    pub(super) max_stale: Duration,
}

impl PlainTraffic {
    /// Ends when the portal has not confirmed for longer than `max_stale` that plain traffic may pass; never where none does.
    pub(super) async fn outlived(&self) {
        while !self.assembly.is_secured() {
            let age = self.state.age(Timestamp::now()).unwrap_or_default();
            let Some(left) = self.max_stale.checked_sub(age) else { return };
            sleep(left.saturating_add(Duration::from_millis(1)).min(LOOK)).await;
        }
        std::future::pending().await
    }

    /// Has everything sealed from now on, since what the portal said is too old.
    pub(super) async fn end(&self) {
        let assembly = Arc::clone(&self.assembly);
        // Keys may be being read, which this waits for.
        if spawn_blocking(move || assembly.secure()).await.is_err() {
            tracing::error!("the end of plain traffic broke off");
        }
        tracing::warn!(
            keyset = &*self.keyset,
            portal = self.state.name(),
            max_stale = %Written(self.max_stale),
            "the portal has not confirmed for longer than max_stale that this service is not secured: everything is sealed \
             from now on"
        );
    }
}

/// What becomes of plain traffic when a document is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterRefusal {
    /// There was none.
    Sealed,
    /// It goes on: the document does not say that it should end.
    Plain,
    /// It has ended, since the document says so, whatever else is wrong with it.
    Secured,
}

impl AfterRefusal {
    /// Has everything sealed if that is what a document says that was not taken. To be called where it may block.
    pub(super) fn of(document: &str, format: &DocumentFormat, assembly: &Assembly) -> Self {
        if assembly.is_secured() {
            Self::Sealed
        } else if switch_of(document, format) == Some(true) {
            assembly.secure();
            Self::Secured
        } else {
            Self::Plain
        }
    }
}
