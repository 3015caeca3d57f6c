//! What the process can be told to do while it runs, and what came of it.

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::metrics::ReloadOutcome;

/// Something to be done. Orders are carried out one after the other.
#[derive(Debug)]
pub enum Order {
    /// Read the configuration and the keys anew.
    Reload {
        /// Who asked.
        why: Why,
        /// Who waits for what comes of it.
        told: Option<oneshot::Sender<ReloadReport>>,
    },
    /// End, once what is under way has ended.
    Stop,
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
pub type Orders = mpsc::Sender<Order>;

/// As many orders as may wait.
const MOST_WAITING: usize = 16;

/// A way for orders to go, and where they come out.
pub fn orders() -> (Orders, mpsc::Receiver<Order>) {
    mpsc::channel(MOST_WAITING)
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
