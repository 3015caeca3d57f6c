//! What a running sidecar tells of itself on `/status`, asked for.

use std::time::Duration;

use http::StatusCode;

use super::ask::{self, Question, Target, Unanswered};
use crate::admin::StatusReport;

/// More than any sidecar has to tell.
const LARGEST: u64 = 64 * 1024 * 1024;

/// As text and read. `agent` asks.
pub(super) fn told(
    admin: Target,
    agent: &'static str,
    timeout: Duration,
) -> Result<(String, StatusReport), Untold> {
    let answer = ask::ask(admin, Question { page: "/status", agent, largest: LARGEST }, timeout)?;
    if answer.status != StatusCode::OK {
        return Err(Untold::Status { status: answer.status, reasons: answer.reasons() });
    }
    let report = serde_json::from_str(&answer.body).map_err(|_| Untold::NoReport)?;
    Ok((answer.body, report))
}

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub(super) enum Untold {
    #[error("the answer is not an Alewife's status")]
    NoReport,
    #[error("{status}{reasons}")]
    Status { status: StatusCode, reasons: String },
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}
