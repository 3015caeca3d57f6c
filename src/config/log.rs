//! `[log]`: what is logged and how.

use tracing::level_filters::LevelFilter;

/// `[log]`, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The least urgent level that is written.
    pub level: LevelFilter,
    /// How a line looks.
    pub format: LogFormat,
    /// Whether each exchange is a line.
    pub access: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: LevelFilter::INFO, format: LogFormat::Auto, access: true }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One JSON object.
    Json,
    /// Text for people.
    Text,
}
