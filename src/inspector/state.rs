//! What the inspector shows and may do.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::guard::Guard;
use super::mask::{Mask, Shown};
use crate::admin::Status;
use crate::capture::{Capture, Captured, Direction};
use crate::keys::KeyStore;
use crate::profile::Profile;

/// Makes a new key that seals; gives back its fingerprint, or why there is none. May block.
pub type Rotate = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// What the inspector is made of.
pub struct InspectorState {
    /// What was captured.
    pub capture: Arc<Capture>,
    /// What is running now.
    pub about: Box<dyn Fn() -> About + Send + Sync>,
    /// What `/status` tells of the key sets.
    pub key_sets: Arc<Status>,
    /// What of it is not shown.
    pub mask: Mask,
    /// Whether it may send requests, plan faults and rotate keys, and not only show.
    pub can_act: bool,
    /// Makes a new key, if that can be done.
    pub rotate: Option<Rotate>,
}

impl fmt::Debug for InspectorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InspectorState").field("can_act", &self.can_act).finish_non_exhaustive()
    }
}

/// What is running.
#[derive(Clone)]
pub struct About {
    /// The version of the program.
    pub version: String,
    /// Its proxies, in the order of the configuration.
    pub proxies: Vec<ProxyAbout>,
}

/// One proxy.
#[derive(Clone)]
pub struct ProxyAbout {
    /// What exchanges call it.
    pub name: Arc<str>,
    /// Which side is sealed.
    pub mode: Direction,
    /// Where it listens, as it is shown.
    pub address: String,
    /// Where it listens, if plain HTTP over TCP is spoken there: without it, nothing can be sent again.
    pub reach: Option<SocketAddr>,
    /// The URL of where it hands on to.
    pub upstream: String,
    /// The name of its wire format.
    pub profile: String,
    /// The wire format; without it nothing is sealed.
    pub wire: Option<Profile>,
    /// Its keys.
    pub keys: Option<Arc<KeyStore>>,
    /// The key file, for lines that are copied.
    pub key_file: Option<String>,
}

/// The state, and what serving it takes.
pub(super) struct Serving {
    pub(super) state: InspectorState,
    pub(super) guard: Guard,
    pub(super) stop: CancellationToken,
    /// The doctor takes a whole core.
    pub(super) doctor: Arc<Semaphore>,
}

impl Serving {
    pub(super) fn new(state: InspectorState, guard: Guard, stop: CancellationToken) -> Self {
        Self { state, guard, stop, doctor: Arc::new(Semaphore::new(1)) }
    }

    pub(super) fn capture(&self) -> &Arc<Capture> {
        &self.state.capture
    }

    /// All that may be shown of an exchange.
    pub(super) fn shown(&self, id: u64) -> Option<Shown<Captured>> {
        Some(self.state.mask.captured(self.capture().get(id)?))
    }

    pub(super) fn proxy(&self, name: &str) -> Option<ProxyAbout> {
        (self.state.about)().proxies.into_iter().find(|proxy| &*proxy.name == name)
    }
}
