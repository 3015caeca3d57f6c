//! What the process can be told to do while it runs, and what came of it.

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::metrics::ReloadOutcome;

/// Read the configuration and the keys anew. Such orders are carried out one after the other.
#[derive(Debug)]
pub struct Reload {
    /// Who asked.
    pub why: Why,
    /// Who waits for what comes of it.
    pub told: Option<oneshot::Sender<ReloadReport>>,
}

/// What a reload was asked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// `POST /reload`.
    Admin,
    /// The file has changed.
    File,
    /// SIGHUP.
    Signal,
}

impl Why {
    /// What the log calls it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::File => "file",
            Self::Signal => "signal",
        }
    }
}

/// Where orders go. Clones lead to the same process.
#[derive(Clone, Debug)]
pub struct Orders {
    reloads: mpsc::Sender<Reload>,
    stop: CancellationToken,
}

/// Where they come out.
#[derive(Debug)]
pub struct Given {
    /// Those to reload, in their order.
    pub reloads: mpsc::Receiver<Reload>,
    /// Cancelled by the order to stop, which waits behind no other.
    pub stop: CancellationToken,
}

/// Why an order is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// As many as may wait do so.
    #[error("too many reloads wait already")]
    TooMany,
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopping,
}

/// As many reloads as may wait.
const MOST_WAITING: usize = 16;

/// A way for orders to go, and where they come out.
pub fn orders() -> (Orders, Given) {
    let ((reloads, given), stop) = (mpsc::channel(MOST_WAITING), CancellationToken::new());
    (Orders { reloads, stop: stop.clone() }, Given { reloads: given, stop })
}

impl Orders {
    /// Asks for a reload, and waits for nothing.
    pub fn try_reload(&self, reload: Reload) -> Result<(), NotTaken> {
        if self.stop.is_cancelled() {
            return Err(NotTaken::Stopping);
        }
        self.reloads.try_send(reload).map_err(|refused| match refused {
            TrySendError::Full(_) => NotTaken::TooMany,
            TrySendError::Closed(_) => NotTaken::Stopping,
        })
    }

    /// Asks for a reload once there is room for it.
    pub async fn reload(&self, reload: Reload) -> Result<(), NotTaken> {
        self.reloads.send(reload).await.map_err(|_closed| NotTaken::Stopping)
    }

    /// Asks for the end, once what is under way has ended.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until no reload is taken any more.
    pub async fn closed(&self) {
        self.reloads.closed().await;
    }
}

/// What became of a reload, as `POST /reload` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// How it ended.
    pub outcome: ReloadOutcome,
    /// What is wrong, each with place and remedy; only where it was refused.
    pub faults: Vec<String>,
    /// What holds now that did not before.
    pub changes: Vec<String>,
    /// What is written otherwise, and holds after a restart only.
    pub needs_restart: Vec<String>,
    /// What is right, but not safe.
    pub warnings: Vec<String>,
}

impl ReloadReport {
    /// Of an end of which there is nothing else to tell.
    pub fn of(outcome: ReloadOutcome) -> Self {
        Self {
            outcome,
            faults: Vec::new(),
            changes: Vec::new(),
            needs_restart: Vec::new(),
            warnings: Vec::new(),
        }
    }
}
