//! `alewife run`: the sidecar.

mod signals;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::duration::positive;
use super::exit::Exit;
use super::{ConfigArg, complain, log, print};
use crate::app::{
    App, Application, ApplicationError, Source, StartError, StopError, Supervisor, UpstreamAway, exit_code,
    unfit,
};
use crate::config::Config;
use crate::document::Faults;
use crate::metrics::Metrics;
use crate::proxy::ProxyConfig;
use crate::sources::{LoadedKeys, load_all};
use crate::telemetry::LogError;
use signals::{Signals, Started};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
One line per listener goes to standard output once all of them are ready; the log goes to standard error. \
The configuration and the key files are read again when they change, and with SIGHUP, which also asks the portals. SIGTERM or \
SIGINT stops: shutdown_delay later nothing new is taken, and exchanges under way are finished within shutdown_grace; a \
second one ends at once.

With a COMMAND the application is started once the sidecar is ready, and the sidecar ends with it and with its exit status, or \
128 and the number of the signal that ended it. SIGTERM and SIGINT then finish the requests to the application, end it by \
SIGTERM, and last what it sends out. SIGQUIT, SIGUSR1, SIGUSR2 and SIGWINCH are handed on to it; SIGHUP is the sidecar's.

Exit status: that of COMMAND if there is one; else 0 after a clean stop, 64 for a wrong command line, 78 for a wrong \
configuration or key file, 127 if COMMAND cannot be started, 1 otherwise.

Examples:
  alewife run --config config.toml
  alewife run --config config.toml -- node server.mjs")]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Waits until every upstream can be connected to before anything is served; 60s, or as long as is said
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60s",
        value_parser = positive,
        conflicts_with = "command"
    )]
    wait_for_upstream: Option<Duration>,
    /// The application, and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match sidecar(args) {
        Ok(code) => code,
        Err(error) => {
            complain(&error.to_string());
            error.exit()
        }
    }
}

/// Why the sidecar ended otherwise than by a clean stop.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("alewife: {0}")]
    Application(#[from] ApplicationError),
    #[error(transparent)]
    Config(#[from] Faults),
    #[error("alewife: {0}")]
    Log(#[from] LogError),
    #[error("alewife: the runtime cannot be started: {0}")]
    Runtime(#[source] io::Error),
    #[error("alewife: {0}")]
    Start(#[from] StartError),
    #[error("alewife: {0}")]
    Stop(#[from] StopError),
    #[error("alewife: {0}")]
    Upstream(#[from] UpstreamAway),
}

impl RunError {
    fn exit(&self) -> ExitCode {
        match self {
            Self::Application(_) => Exit::NotStarted.into(),
            Self::Config(_) => Exit::WrongConfiguration.into(),
            _ => Exit::Failure.into(),
        }
    }
}

fn sidecar(args: &Args) -> Result<ExitCode, RunError> {
    let config = Config::load(&args.config.config)?;
    let keys = load_all(&config.key_sets)?;
    // A portal may bring other keys at any time.
    let (settled, open): (Vec<_>, Vec<_>) = keys.iter().partition(|keys| keys.config.portal.is_none());
    Faults::check(unfit(&config, settled))?;
    let metrics = Arc::new(Metrics::new());
    let _log = log::start(&config, &keys, &metrics)?;
    for fault in unfit(&config, open) {
        tracing::warn!("{}", fault.one_line());
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime)?;
    let served = runtime.block_on(serve(args, config, keys, metrics));
    // A key that is still being derived, or a name that is looked up, is not waited for.
    runtime.shutdown_background();
    served
}

async fn serve(
    args: &Args,
    config: Config,
    keys: Vec<LoadedKeys>,
    metrics: Arc<Metrics>,
) -> Result<ExitCode, RunError> {
    // Registered before the first line says "ready": a signal sent right after it must not kill the process.
    let signals = Signals::register().map_err(RunError::Runtime)?;
    let path = args.config.config.clone();
    let load = {
        let path = path.clone();
        Box::new(move || Config::load(&path))
    };
    let app = App::start(config, keys, metrics, None).await?;
    let app = app.reading(Source { path, load })?.supervised_by(Supervisor::of_environment());
    let started = Started::default();
    let signals = tokio::spawn(signals.carry_out(app.orders(), Arc::clone(&started)));
    let ended = app
        .run(args.wait_for_upstream, async |app: &App| -> Result<_, RunError> {
            announce(app);
            if args.command.is_empty() {
                return Ok(None);
            }
            let application = Application::start(&args.command)?;
            *started.lock().unwrap_or_else(PoisonError::into_inner) = Some(application.handle());
            Ok(Some(application))
        })
        .await;
    signals.abort();
    Ok(ended?.application.map_or(ExitCode::SUCCESS, |status| exit_code(status).into()))
}

fn announce(app: &App) {
    let mut lines = String::new();
    for proxy in app.proxies() {
        let ProxyConfig { name, mode, routes, tls, .. } = &*proxy.config;
        let url = proxy.address.url(tls.is_some());
        lines += &format!("proxy {name}: {mode} on {url}, upstream {}\n", routes.destination());
    }
    if let Some(admin) = app.admin() {
        lines += &format!("admin: http://{admin}\n");
    }
    if let Some(probes) = app.probes() {
        lines += &format!("probes: http://{probes}\n");
    }
    if let Some(file) = app.inspector_file() {
        // Whoever knows the address sees everything, so it is in the file alone.
        lines += &format!("inspector: its address stands in {}\n", file.display());
    }
    // A closed standard output is no reason to stop serving.
    let _ = print(&lines);
}
