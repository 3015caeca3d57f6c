//! The log: what is written, how it looks, and that writing it never holds up the proxy.
//!
//! Lines go to standard error: text on a terminal, one flat JSON object each otherwise. Only this project's
//! own targets follow the configured level; every other crate is held at `warn` whatever the level, since
//! HTTP libraries print headers and bodies at `trace`. Records of the `log` crate are not collected at all.
//! `RUST_LOG` is not read: it could undo that.
//!
//! Exchanges write `access_limit` lines a second at most, and as many more of those that went wrong; how many were left out
//! is counted, and said in a line.
//!
//! A blocked standard error must not stall the proxy. Lines wait in a buffer of [`CAPACITY`] bytes that a
//! thread of its own writes out; when it is full, lines are given up and counted, and a line says how many
//! once writing goes on.

mod json;
mod lines;
mod sampling;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing::Dispatch;
use tracing::dispatcher;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

use json::Json;
use lines::{Lines, Queue};
use sampling::{AccessLimit, LeftOut};

/// The target of the one line per exchange.
pub const ACCESS_TARGET: &str = "alewife::access";

/// Bytes of lines that may wait for standard error.
pub const CAPACITY: usize = 1 << 20;

/// Far more than a busy service writes, and less than would flood whatever collects the lines.
const ACCESS_LIMIT: NonZeroU32 = NonZeroU32::new(10_000).expect("it is not 0");

/// The prefix of every target of this project.
const OWN_TARGETS: &str = "alewife";

/// How long the end of the process waits for a standard error that takes nothing.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// The `[log]` table, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The least severe level that is written.
    pub level: Level,
    /// How a line looks.
    pub format: LogFormat,
    /// Whether each exchange gets its line.
    pub access: bool,
    /// How many lines exchanges may write in a second; none for as many as there are.
    pub access_limit: Option<NonZeroU32>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: Level::Info, format: LogFormat::Auto, access: true, access_limit: Some(ACCESS_LIMIT) }
    }
}

/// The least severe level that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Nothing.
    Off,
    /// What was lost.
    Error,
    /// What needs a look.
    Warn,
    /// What an operator wants to see.
    #[default]
    Info,
    /// What explains a decision.
    Debug,
    /// Everything.
    Trace,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => Self::OFF,
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// Text; coloured on a terminal, unless `NO_COLOR` is set.
    Text,
    /// One flat JSON object per line.
    Json,
}

/// Starts the log of this process; `dropped` counts the lines that are given up, `left_out` those beyond the limit of
/// the access log.
///
/// The guard writes out what still waits when it is dropped, so it lives until the end of `main`.
pub fn init(config: &LogConfig, dropped: Counter, left_out: Counter) -> Result<LogGuard, LogError> {
    let look = Look::choose(
        config.format,
        io::stderr().is_terminal(),
        std::env::var_os("NO_COLOR").as_deref(),
        std::env::var_os("TERM").as_deref(),
    );
    let left_out = LeftOut::new(left_out);
    let queue = Arc::new(Queue::new(CAPACITY, dropped, Arc::clone(&left_out)));
    let dispatch = dispatch(config, look, &queue, left_out);
    dispatcher::set_global_default(dispatch.clone()).map_err(|_| LogError::AlreadyStarted)?;
    lines::spawn(Arc::clone(&queue), dispatch, io::stderr()).map_err(LogError::NoThread)?;
    Ok(LogGuard { queue })
}

/// Why the log did not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The process has a log already.
    #[error("the log of this process was started before")]
    AlreadyStarted,
    /// The thread that writes could not be made.
    #[error("the thread that writes the log could not be started: {0}")]
    NoThread(#[source] io::Error),
}

/// Ends the log when dropped: writes out what waits, for at most a second.
#[must_use = "lines that wait are written out when this is dropped"]
pub struct LogGuard {
    queue: Arc<Queue>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.queue.finish(FLUSH_LIMIT);
    }
}

/// How a line looks once the surroundings are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Json,
    Text { colour: bool },
}

impl Look {
    fn choose(format: LogFormat, terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> Self {
        let refused = no_color.is_some_and(|value| !value.is_empty()) || term == Some(OsStr::new("dumb"));
        match format {
            LogFormat::Json => Self::Json,
            LogFormat::Auto if !terminal => Self::Json,
            LogFormat::Auto | LogFormat::Text => Self::Text { colour: terminal && !refused },
        }
    }
}

/// Which targets may write at which level; the first of this module's promises is kept here.
fn targets(config: &LogConfig) -> Targets {
    let level = LevelFilter::from(config.level);
    let targets = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target(OWN_TARGETS, level);
    if config.access { targets } else { targets.with_target(ACCESS_TARGET, LevelFilter::OFF) }
}

fn dispatch(config: &LogConfig, look: Look, queue: &Arc<Queue>, left_out: Arc<LeftOut>) -> Dispatch {
    // Reporting a failure to write would itself write to standard error, and panic where that is closed.
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(Lines::new(Arc::clone(queue)))
        .log_internal_errors(false);
    let layer = match look {
        Look::Json => layer.with_ansi(false).event_format(Json).boxed(),
        Look::Text { colour } => layer.with_ansi(colour).boxed(),
    };
    let limit = AccessLimit::new(config.access_limit, left_out);
    Dispatch::new(tracing_subscriber::registry().with(layer).with(limit).with(targets(config)))
}
