//! `alewife dev`: a sidecar for the application that is being written, without a configuration file, that shows what passes.

mod announcement;
mod application;
mod inspection;
mod key;
mod keyboard;
mod keys;
mod lines;
mod settings;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;

use super::exit::Exit;
use super::paint::Paint;
use super::stop::StopSignals;
use super::{complain, log, print};
use crate::app::{App, StartError, StopError, unfit};
use crate::capture::{Capture, CaptureLimits};
use crate::config::Config;
use crate::document::Faults;
use crate::inspector::{Inspector, InspectorError};
use crate::metrics::Metrics;
use crate::sources::{LoadedKeys, load_all};
use crate::telemetry::LogError;
use announcement::Announcement;
use inspection::Inspection;
use key::{DevelopmentKey, KeyFault};
use keyboard::Keyboard;
use keys::Keys;
use lines::Printer;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Puts a sidecar before an application on this machine, without a configuration file, and prints a line for each exchange: \
when it ended, method, path, status, bytes of plaintext asked and answered, how long it took, key and algorithm; and why, \
where it failed. Prints as well a line to paste that sends something. An application that is not up yet is waited for, while \
requests are taken already.

Unless --keys names a key file, a key for development is made once and kept in dev-keys.toml in \
$XDG_STATE_HOME/alewife or ~/.local/state/alewife. It is not for production, and neither is this command: it listens on \
this machine only, and `alewife run` is for all else. Ctrl-C ends it.

On a terminal single keys work: o opens the inspector in a browser (that of BROWSER, if it is set), r rotates the key, c clears, \
h lists the keys, q quits.

Exit status: 0 when it was told to end, 64 for a wrong command line, 78 for a wrong key file, 1 otherwise.

Examples:
  alewife dev --to localhost:3000
  alewife dev --to https://peer.example --outbound --keys keys.toml")]
pub(super) struct Args {
    /// The application, or with --outbound the peer: HOST:PORT, a URL, or unix:/PATH
    #[arg(long, value_name = "HOST:PORT|URL")]
    to: String,
    /// What messages look like, as `alewife profiles` lists them; ale unless given
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The key file; one for development unless given
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Seals the requests of a plain application for a peer, rather than opening those of sealed clients
    #[arg(long)]
    outbound: bool,
    /// Where requests are taken, on this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7080", value_parser = settings::loopback)]
    listen: SocketAddr,
    /// Where the inspector is, on this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7090", value_parser = settings::loopback)]
    inspect: SocketAddr,
    /// Has no inspector
    #[arg(long, conflicts_with = "inspect")]
    no_inspect: bool,
    /// How many exchanges the inspector keeps at most, and no more than 64 MiB of them
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    keep: u32,
}

impl Args {
    /// Where the inspector is to be, if anywhere.
    fn inspector(&self) -> Option<SocketAddr> {
        (!self.no_inspect).then_some(self.inspect)
    }

    fn limits(&self) -> CaptureLimits {
        let limits = CaptureLimits::default();
        CaptureLimits { exchanges: usize::try_from(self.keep).unwrap_or(limits.exchanges), ..limits }
    }
}

pub(super) fn run(args: &Args) -> ExitCode {
    match dev(args) {
        Ok(()) => Exit::Success.into(),
        Err(fault) => {
            fault.lines().iter().for_each(|line| complain(line));
            fault.exit().into()
        }
    }
}

fn dev(args: &Args) -> Result<(), DevFault> {
    if args.listen.port() != 0 && args.inspector() == Some(args.listen) {
        return Err(DevFault::SameAddress(args.listen));
    }
    let key = match &args.keys {
        Some(_) => None,
        None => Some(DevelopmentKey::provide()?),
    };
    let file = key.as_ref().map(|key| &key.file).or(args.keys.as_ref()).cloned().unwrap_or_default();
    let config = settings::config(args, &file)?;
    let keys = load_all(&config.key_sets)?;
    let mut misfits = unfit(&config, &keys);
    if key.is_some() {
        misfits.iter_mut().for_each(settings::needs_key);
    }
    Faults::check(misfits)?;
    let metrics = Arc::new(Metrics::new());
    let _log = log::start(&config, &keys, &metrics)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(DevFault::System)?;
    let ended = runtime.block_on(serve(args, config, keys, metrics, key.as_ref()));
    // A standard output that takes nothing, or a name that is looked up, is not waited for.
    runtime.shutdown_background();
    let printer = ended?;
    printer.finish();
    Ok(())
}

async fn serve(
    args: &Args,
    config: Config,
    keys: Vec<LoadedKeys>,
    metrics: Arc<Metrics>,
    key: Option<&DevelopmentKey>,
) -> Result<Printer, DevFault> {
    // Registered before anything is printed: a signal sent right after it must not cut exchanges.
    let mut signals = StopSignals::register().map_err(DevFault::System)?;
    let store = keys.first().map(|keys| Arc::clone(&keys.store));
    let sealing = keys.first().and_then(|keys| keys.ring().sealing_key(Timestamp::now()).cloned());
    let capture = Capture::new(args.limits());
    let app = App::start(config, keys, metrics, Some(Arc::clone(&capture))).await?;
    let inspector = inspection::bind(args.inspector()).await?;
    let proxy = app.proxies().next().ok_or(DevFault::NoProxy)?;
    let upstream = proxy.config.routes.iter().next().map(|route| route.upstream.clone());
    let keyboard = Keyboard::open();
    let announcement = Announcement {
        args,
        url: proxy.address.url(false),
        upstream: proxy.config.routes.destination(),
        inspector: inspector.as_ref().map(Inspector::url),
        sealing: sealing.as_deref(),
        key,
        takes_keys: keyboard.is_some(),
    };
    let paint = Paint::of_stdout();
    let text = announcement.text(paint);
    // A closed standard output is no reason to stop serving.
    let _ = print(&text);
    let file = announcement.file();
    let rotate = inspection::rotate_at(file, store.clone());
    let keys = keyboard.map(|keyboard| Keys {
        keyboard,
        paint,
        announcement: text,
        inspector: inspector.as_ref().map(Inspector::url),
        rotate: Arc::clone(&rotate),
        capture: Arc::clone(&capture),
    });
    let inspection = inspector.map(|inspector| {
        Inspection::begin(inspector, &app, Arc::clone(&capture), file, store.as_ref(), rotate)
    });
    let printer = Printer::start(&capture).map_err(DevFault::System)?;
    let events = capture.listen();
    let application = tokio::spawn(async move {
        if let Some(upstream) = upstream {
            application::watch(&upstream, events).await;
        }
    });
    let stop = async {
        match keys {
            None => signals.heard().await,
            Some(keys) => tokio::select! {
                () = signals.heard() => {}
                () = keys.obeyed() => {}
            },
        }
    };
    let ended = app.run_until(stop).await;
    application.abort();
    if let Some(inspection) = inspection {
        inspection.end().await;
    }
    match ended {
        // Who writes an application leaves WebSockets and streams open, and knows that they end with this.
        Ok(()) | Err(StopError::GraceExceeded) => Ok(printer),
        Err(error) => Err(error.into()),
    }
}

/// Why it did not serve.
#[derive(Debug, thiserror::Error)]
enum DevFault {
    #[error(transparent)]
    Key(#[from] KeyFault),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{0}; --inspect takes another address, --no-inspect none")]
    Inspector(InspectorError),
    #[error("no proxy listens")]
    NoProxy,
    #[error("--inspect and --listen are both {0}; give one of them another address")]
    SameAddress(SocketAddr),
    #[error(transparent)]
    Settings(#[from] Faults),
    #[error(transparent)]
    Start(StartError),
    #[error(transparent)]
    Stop(#[from] StopError),
    #[error("the system refuses: {0}")]
    System(#[source] io::Error),
    #[error("port {0} is taken; --listen takes another")]
    Taken(u16),
}

impl From<StartError> for DevFault {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Bind { ref source, .. } if source.is_taken() => {
                let port = source.address.inet().map(|address| address.port());
                port.map_or(Self::Start(error), Self::Taken)
            }
            error => Self::Start(error),
        }
    }
}

impl DevFault {
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Settings(faults) => faults.iter().map(settings::told).collect(),
            fault => vec![format!("alewife dev: {fault}")],
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::SameAddress(_) => Exit::Usage,
            Self::Settings(faults) if faults.iter().all(|fault| settings::flag(fault).is_some()) => {
                Exit::Usage
            }
            Self::Settings(_) => Exit::WrongConfiguration,
            _ => Exit::Failure,
        }
    }
}
