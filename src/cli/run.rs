//! `alewife run`: the sidecar.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Exit;
use super::{ConfigArg, complain, print};
use crate::app::{App, StartError, StopError};
use crate::config::Config;
use crate::document::{Fault, Faults};
use crate::metrics::Metrics;
use crate::proxy::{ProxyConfig, unfit_keys};
use crate::sources::{LoadedKeys, Refresh, load_all};
use crate::telemetry::{self, LogError};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
One line per listener goes to standard output once all of them are ready; the log goes to standard error. \
SIGHUP reads the key files again and asks the portals. SIGTERM or SIGINT stops: exchanges under way are finished within \
shutdown_grace; a second one ends at once.

Exit status: 0 after a clean stop, 64 for a wrong command line, 78 for a wrong configuration or key file, \
1 otherwise.

Example:
  alewife run --config config.toml")]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match sidecar(args) {
        Ok(()) => Exit::Success.into(),
        Err(error) => {
            complain(&error.to_string());
            error.exit().into()
        }
    }
}

/// Why the sidecar ended otherwise than by a clean stop.
#[derive(Debug, thiserror::Error)]
enum RunError {
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
}

impl RunError {
    fn exit(&self) -> Exit {
        match self {
            Self::Config(_) => Exit::WrongConfiguration,
            _ => Exit::Failure,
        }
    }
}

fn sidecar(args: &Args) -> Result<(), RunError> {
    let config = Config::load(&args.config.config)?;
    let keys = load_all(&config.key_sets)?;
    // A portal may bring other keys at any time.
    let (settled, open): (Vec<_>, Vec<_>) = keys.iter().partition(|keys| keys.config.portal.is_none());
    Faults::check(unfit(&config, &settled))?;
    let metrics = Arc::new(Metrics::new());
    let _log = telemetry::init(&config.log, metrics.log_lines_dropped.clone())?;
    for warning in config.warnings.iter().chain(keys.iter().flat_map(|keys| &keys.warnings)) {
        tracing::warn!("{}", warning.one_line());
    }
    for fault in unfit(&config, &open) {
        tracing::warn!("{}", fault.one_line());
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime)?;
    let served = runtime.block_on(serve(config, keys, metrics));
    // A key that is still being derived, or a name that is looked up, is not waited for.
    runtime.shutdown_background();
    served
}

/// Profiles for which these sets have no key.
fn unfit(config: &Config, sets: &[&LoadedKeys]) -> Vec<Fault> {
    let of_set = |keys: &&LoadedKeys| {
        let (ring, place) = (keys.store.snapshot(), keys.config.places());
        let of_proxy = |proxy| unfit_keys(proxy, &keys.config.name, &ring, &place);
        config.proxies.iter().flat_map(of_proxy).collect::<Vec<_>>()
    };
    sets.iter().flat_map(of_set).collect()
}

async fn serve(config: Config, keys: Vec<LoadedKeys>, metrics: Arc<Metrics>) -> Result<(), RunError> {
    // Registered before the first line says "ready": a signal sent right after it must not kill the process.
    let signals = Signals::register().map_err(RunError::Runtime)?;
    let app = App::start(config, keys, metrics).await?;
    announce(&app);
    let refreshes = app.refreshes();
    Ok(app.run_until(signals.until_stop(refreshes)).await?)
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
    // A closed standard output is no reason to stop serving.
    let _ = print(&lines);
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn register() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Ends with the first signal to stop; a second one ends the process.
    async fn until_stop(mut self, keys: Vec<Refresh>) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => break,
                _ = self.terminate.recv() => break,
                _ = self.hangup.recv() => keys.iter().for_each(Refresh::now),
            }
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
            complain("alewife: stopped at once by a second signal; exchanges under way are lost");
            std::process::exit(1);
        });
    }
}
