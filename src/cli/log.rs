//! The log of a command that serves.

use crate::config::Config;
use crate::metrics::Metrics;
use crate::sources::LoadedKeys;
use crate::telemetry::{self, LogError, LogGuard};

/// Starts it with what `metrics` counts of it, and with what is right in the configuration and the key files, but not safe.
pub(super) fn start(config: &Config, keys: &[LoadedKeys], metrics: &Metrics) -> Result<LogGuard, LogError> {
    let guard = telemetry::init(
        &config.log,
        metrics.log_lines_dropped.clone(),
        metrics.access_lines_left_out.clone(),
    )?;
    for warning in config.warnings.iter().chain(keys.iter().flat_map(|keys| &keys.warnings)) {
        tracing::warn!("{}", warning.one_line());
    }
    Ok(guard)
}
