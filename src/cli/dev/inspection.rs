//! The inspector of what passes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::DevFault;
use crate::app::{App, Listening, about_proxy};
use crate::capture::Capture;
use crate::cli::keys::rotate;
use crate::inspector::{About, Inspector, InspectorState, Mask, ProxyAbout, Rotate};
use crate::keys::KeyStore;

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
        rotate: Rotate,
    ) -> Self {
        let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let proxies = app.proxies().map(|listening| about(&listening, &path, keys)).collect();
        let about = About { version: env!("CARGO_PKG_VERSION").to_owned(), proxies };
        let state = InspectorState {
            capture,
            about: Box::new(move || about.clone()),
            mask: Mask::none(),
            key_sets: Arc::clone(app.status()),
            can_act: true,
            rotate: Some(rotate),
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
    let (keys, key_file) = (keys.map(Arc::clone), file.to_str().map(str::to_owned));
    ProxyAbout { keys, key_file, ..about_proxy(listening) }
}

/// Gives back the new key once it seals, so that what is sent next is sealed with it.
pub(super) fn rotate_at(file: &Path, keys: Option<Arc<KeyStore>>) -> Rotate {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    Arc::new(move || {
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
