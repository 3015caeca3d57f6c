//! `alewife demo`: a kitchen, a sidecar in front of it, and one sealed order there and back, shown from all sides; or a
//! bridge of two sidecars, with a point of sale that knows nothing of encryption either.

mod bridge;
mod hints;
mod kitchen;
mod panels;
mod tour;
mod wire;

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
#[cfg(unix)]
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use rand::Rng;
use tempfile::TempDir;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use zeroize::Zeroizing;

use super::exit::Exit;
use super::paint::Paint;
use super::stop::StopSignals;
use super::{complain, print};
use crate::app::{App, StartError, StopError};
use crate::config::Config;
use crate::crypto::encoding::{base64_encode, hex_encode};
use crate::document::Faults;
use crate::keys::Key;
use crate::metrics::Metrics;
use crate::sources::{LoadedKeys, load_all};
use bridge::BridgeFault;
use kitchen::{Kitchen, Seen};
use tour::{Tour, TourFault};

/// The fingerprint of the key that seals.
const GCM: &str = "demo-gcm";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Starts a small kitchen that speaks plain HTTP and knows nothing of encryption, and the sidecar in front of it, on \
free ports of this machine, with freshly made keys in a temporary directory. Sends a sealed order and shows what \
went over the wire, what the application saw, what it answered, what went back and what the client opened. Then \
stays up until Ctrl-C and prints lines to copy. The directory and its keys are removed in the end.

With --bridge the client is plain as well, a point of sale with a sidecar of its own, and an order and a WebSocket \
message cross a line between the two sidecars on which somebody listens. What was heard there is shown.

Exit status: 0 if every step held, 1 otherwise.

Example:
  alewife demo --once")]
pub(super) struct Args {
    /// Shows two sidecars between a plain client and a plain kitchen
    #[arg(long)]
    bridge: bool,
    /// Ends after the exchange
    #[arg(long)]
    once: bool,
    /// The port of the sidecar that the client talks to; a free one unless given
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match demo(args) {
        Ok(()) => Exit::Success.into(),
        Err(fault) => {
            complain(&format!("alewife demo: {fault}"));
            Exit::Failure.into()
        }
    }
}

fn demo(args: &Args) -> Result<(), DemoFault> {
    let stage = Stage::set()?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(DemoFault::Runtime)?;
    let ended = runtime.block_on(async {
        // Registered before anything is printed: a signal sent right after it must leave no directory behind.
        let signals = StopSignals::register().map_err(DemoFault::Runtime)?;
        if args.bridge {
            bridge::perform(args, &stage, signals).await
        } else {
            perform(args, &stage, signals).await
        }
    });
    // Guests who still follow the kitchen's events are not waited for.
    runtime.shutdown_background();
    ended
}

async fn perform(args: &Args, stage: &Stage, signals: StopSignals) -> Result<(), DemoFault> {
    let (watcher, mut seen) = mpsc::unbounded_channel();
    let kitchen = Kitchen::open(watcher).await.map_err(DemoFault::Kitchen)?;
    let config = stage.configure(args.port, kitchen.address())?;
    let keys = load_all(&config.key_sets)?;
    let key = sealing_key(&keys)?;
    let (app, sidecar) = start(config, keys).await?;
    let mut result = Ok(());
    let show = async {
        result = show(args, stage, sidecar, &kitchen, &mut seen, &key).await;
        if result.is_ok() && !args.once {
            tell_until_stop(signals, &mut seen).await;
        }
    };
    app.run_until(show).await?;
    result
}

/// A sidecar of one proxy, and where that listens.
async fn start(config: Config, keys: Vec<LoadedKeys>) -> Result<(App, SocketAddr), DemoFault> {
    let app = App::start(config, keys, Arc::new(Metrics::new()), None).await?;
    let address = app.proxies().next().and_then(|proxy| proxy.address.inet()).ok_or(DemoFault::NoProxy)?;
    Ok((app, address))
}

async fn show(
    args: &Args,
    stage: &Stage,
    sidecar: SocketAddr,
    kitchen: &Kitchen,
    seen: &mut UnboundedReceiver<Seen>,
    key: &Arc<Key>,
) -> Result<(), DemoFault> {
    let paint = Paint::of_stdout();
    let tour = Tour::take(sidecar, kitchen, seen, key).await?;
    let (fingerprint, algorithm) = (&key.fingerprint, key.secret.algorithm());
    let mut text = format!(
        "A client orders: {}\nclient ══ sealed ({fingerprint}, {algorithm}) ══▶ sidecar {sidecar} ── plain ──▶ kitchen {}\n\n",
        tour::ORDER,
        kitchen.address()
    );
    text += &panels::render(&tour, paint);
    let checks = tour.checks();
    text += &panels::verdict(&checks, paint);
    if !args.once {
        text += &stage.hints(sidecar, paint)?;
    }
    // A closed standard output changes nothing about what held.
    let _ = print(&text);
    judge(&checks)
}

fn judge(checks: &[(&str, bool)]) -> Result<(), DemoFault> {
    if checks.iter().all(|(_, held)| *held) { Ok(()) } else { Err(DemoFault::NotHeld) }
}

fn sealing_key(keys: &[LoadedKeys]) -> Result<Arc<Key>, DemoFault> {
    let keys = keys.first().ok_or(DemoFault::NoKey)?;
    keys.store.snapshot().sealing_key(Timestamp::now()).cloned().ok_or(DemoFault::NoKey)
}

/// The temporary directory with the files of the demo; it goes with this.
struct Stage {
    directory: TempDir,
    ctr: Zeroizing<[u8; 32]>,
}

impl Stage {
    fn set() -> Result<Self, DemoFault> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("alewife-demo-");
        #[cfg(unix)]
        builder.permissions(fs::Permissions::from_mode(0o700));
        let directory = builder.tempdir().map_err(DemoFault::Stage)?;
        let (gcm, ctr) = (random_secret(), random_secret());
        let entry = |fingerprint, algorithm, secret: &[u8; 32]| {
            let secret = Zeroizing::new(base64_encode(secret));
            format!(
                "\n[[key]]\nfingerprint = \"{fingerprint}\"\nalgorithm = \"{algorithm}\"\nsecret = \"base64:{}\"\n",
                *secret
            )
        };
        let keys = Zeroizing::new(format!(
            "primary = \"{GCM}\"\n{}{}",
            *Zeroizing::new(entry(GCM, "AES-256-GCM", &gcm)),
            *Zeroizing::new(entry(hints::CTR, "AES-256-CTR", &ctr))
        ));
        let stage = Self { directory, ctr };
        write_private(&stage.keys(), keys.as_bytes()).map_err(DemoFault::Stage)?;
        Ok(stage)
    }

    fn keys(&self) -> PathBuf {
        self.at("keys.toml")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The configuration of the sidecar in front of the kitchen.
    fn configure(&self, port: u16, kitchen: SocketAddr) -> Result<Config, DemoFault> {
        self.write_config("kitchen", "mode = \"inbound\"", (Ipv4Addr::LOCALHOST, port).into(), kitchen)
    }

    /// Writes the configuration of a sidecar, in a file of its own, and reads it as `alewife run` would. `lines` say the
    /// mode and what else is not the default.
    fn write_config(
        &self,
        name: &str,
        lines: &str,
        listen: SocketAddr,
        upstream: SocketAddr,
    ) -> Result<Config, DemoFault> {
        let text = format!(
            "workers = 1\nshutdown_grace = \"2s\"\n\n[keys]\nfile = \"keys.toml\"\n\n[admin]\n\
             listen = \"127.0.0.1:0\"\n\n[[proxy]]\nname = \"{name}\"\n\
             listen = \"{listen}\"\nupstream = \"http://{upstream}\"\n{lines}\n"
        );
        let path = self.config(name);
        fs::write(&path, text).map_err(DemoFault::Stage)?;
        Ok(Config::load(&path)?)
    }

    fn config(&self, name: &str) -> PathBuf {
        self.at(&format!("{name}.config.toml"))
    }

    fn hints(&self, sidecar: SocketAddr, paint: Paint) -> Result<Zeroizing<String>, DemoFault> {
        let binary = std::env::current_exe().unwrap_or_else(|_| Path::new("alewife").to_owned());
        let send = hints::send_line(&binary, &self.keys(), sidecar);
        let curl = Zeroizing::new(hints::curl_line(&Zeroizing::new(hex_encode(&*self.ctr)), sidecar));
        Ok(Zeroizing::new(format!(
            "\n{}\n\n{send}\n\n{}\n{}\n\n{}\n\n{}\n",
            paint.title("Order something yourself, from another terminal:"),
            paint.title("Or with nothing but curl and openssl, in bash:"),
            paint.aside("(the key in it is a throw-away, made for this demo; a real one does not belong on a command line)"),
            *curl,
            paint.aside("The kitchen also has /menu, GET /orders and /events. Ctrl-C ends the demo."),
        )))
    }
}

fn random_secret() -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::rng().fill_bytes(&mut *bytes);
    bytes
}

/// A new file that nobody but its owner may ever read.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path)?.write_all(bytes)
}

/// Tells what the kitchen sees until a signal to stop.
async fn tell_until_stop(mut signals: StopSignals, seen: &mut UnboundedReceiver<Seen>) {
    loop {
        tokio::select! {
            () = signals.heard() => return,
            Some(seen) = seen.recv() => tell(&seen),
        }
    }
}

fn tell(seen: &Seen) {
    let body: Vec<String> = super::hexdump::readable(&seen.body, 1);
    let Seen { method, target, status, .. } = seen;
    let _ = print(&format!("kitchen: {method} {target} {} -> {}\n", body.concat(), status.as_u16()));
}

/// Why the demo did not show what it should.
#[derive(Debug, thiserror::Error)]
enum DemoFault {
    #[error(transparent)]
    Bridge(#[from] BridgeFault),
    #[error(transparent)]
    Files(#[from] Faults),
    #[error("the kitchen cannot open: {0}")]
    Kitchen(#[source] io::Error),
    #[error("no key seals")]
    NoKey,
    #[error("no proxy listens")]
    NoProxy,
    #[error("not every step held")]
    NotHeld,
    #[error("the runtime cannot be started: {0}")]
    Runtime(#[source] io::Error),
    #[error("the temporary directory: {0}")]
    Stage(#[source] io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Stop(#[from] StopError),
    #[error(transparent)]
    Tour(#[from] TourFault),
}
