//! The inspector of what passes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::DevFault;
use crate::app::{App, Listening};
use crate::capture::{Capture, Direction};
use crate::cli::keys::rotate;
use crate::inspector::{About, Inspector, InspectorState, ProxyAbout, Rotate};
use crate::keys::KeyStore;
use crate::proxy::{Mode, RouteConfig};

/// How long a new key may take from the file into the ring.
const TAKING: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// The inspector as it runs.
pub(super) struct Inspection {
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Inspection {
    /// Serves `capture` at `inspector`, with the keys of `file`, which are those in `keys`.
    pub(super) fn begin(
        inspector: Inspector,
        app: &App,
        capture: Arc<Capture>,
        file: &Path,
        keys: Option<&Arc<KeyStore>>,
    ) -> Self {
        let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let proxies = app.proxies().map(|listening| about(&listening, &path, keys)).collect();
        let state = InspectorState {
            capture,
            about: About { version: env!("CARGO_PKG_VERSION").to_owned(), proxies },
            key_sets: Arc::clone(app.status()),
            can_act: true,
            rotate: Some(rotate_at(path, keys.map(Arc::clone))),
        };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(inspector.serve(state, stop.clone()));
        Self { stop, serving }
    }

    /// Ends the replies under way.
    pub(super) async fn end(self) {
        self.stop.cancel();
        let _ = self.serving.await;
    }
}

/// Binds it where it is asked for.
pub(super) async fn bind(address: Option<SocketAddr>) -> Result<Option<Inspector>, DevFault> {
    match address {
        None => Ok(None),
        Some(address) => Ok(Some(Inspector::bind(address).await.map_err(DevFault::Inspector)?)),
    }
}

fn about(listening: &Listening, file: &Path, keys: Option<&Arc<KeyStore>>) -> ProxyAbout {
    let config = &listening.config;
    let profile = config.routes.iter().find_map(RouteConfig::profile);
    ProxyAbout {
        name: Arc::clone(&config.name),
        mode: match config.mode {
            Mode::Inbound(_) => Direction::Inbound,
            Mode::Outbound(_) => Direction::Outbound,
        },
        address: listening.address.to_string(),
        reach: listening.address.inet(),
        upstream: config.routes.destination(),
        profile: profile.map_or_else(|| "none".to_owned(), |profile| profile.name().to_string()),
        wire: profile.cloned(),
        keys: keys.map(Arc::clone),
        key_file: file.to_str().map(str::to_owned),
    }
}

/// Gives back the new key once it seals, so that what is sent next is sealed with it.
fn rotate_at(file: PathBuf, keys: Option<Arc<KeyStore>>) -> Rotate {
    Box::new(move || {
        let fingerprint = rotate::at_once(&file)?;
        let seals = |keys: &KeyStore| {
            let ring = keys.snapshot();
            ring.sealing_key(Timestamp::now()).is_some_and(|key| key.fingerprint == fingerprint)
        };
        let deadline = Instant::now() + TAKING;
        while keys.as_deref().is_some_and(|keys| !seals(keys)) {
            if Instant::now() >= deadline {
                return Err(format!("{fingerprint} stands in {}, but does not seal yet", file.display()));
            }
            std::thread::sleep(LOOK);
        }
        Ok(fingerprint.to_string())
    })
}
