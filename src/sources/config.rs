//! What the sources of one key set need to know; filled by `config/`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::CacheFile;
use super::portal::PortalConfig;
use crate::keys::{DocumentFormat, RingPolicy, SealLimit};
use crate::metrics::SourceKind;

/// `[keys]` or `[keyset.NAME]`, checked: it has a file, a portal, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysConfig {
    /// What proxies, logs and metrics call the set: `default` for `[keys]`.
    pub name: Arc<str>,
    /// The key file.
    pub file: Option<PathBuf>,
    /// How a key file is laid out that is a portal's document.
    pub document: Option<DocumentFormat>,
    /// The portal.
    pub portal: Option<PortalSource>,
    /// The grace that opening grants at both ends of a window.
    pub clock_skew: Duration,
    /// Whether keys under CFB and CTR are refused.
    pub require_authenticated: bool,
    /// How long after its `valid_after` a key begins to seal.
    pub seal_delay: Duration,
    /// How long the keys are not looked for again because a message was refused or names an unknown key.
    pub refetch_cooldown: Duration,
    /// How long a message waits while they are looked for.
    pub refetch_timeout: Duration,
    /// The slow poll of the file that stands behind file events.
    pub poll_interval: Duration,
    /// How long a key must not have been used before it counts as safe to retire.
    pub observation: Duration,
    /// How many messages a GCM key may seal.
    pub seal_limit: SealLimit,
}

impl KeysConfig {
    /// The name of the set that `[keys]` describes.
    pub const DEFAULT_NAME: &'static str = "default";

    /// A set of that name with the usual settings, which has no source yet.
    pub fn named(name: &str) -> Self {
        let RingPolicy { require_authenticated, clock_skew, seal_delay, .. } = RingPolicy::default();
        Self {
            name: name.into(),
            file: None,
            document: None,
            portal: None,
            clock_skew,
            require_authenticated,
            seal_delay,
            refetch_cooldown: Duration::from_secs(10),
            refetch_timeout: Duration::from_secs(5),
            poll_interval: Duration::from_secs(30),
            observation: Duration::from_secs(24 * 60 * 60),
            seal_limit: SealLimit::default(),
        }
    }

    /// The default set, from a key file alone.
    pub fn of_file(file: PathBuf) -> Self {
        Self { file: Some(file), ..Self::named(Self::DEFAULT_NAME) }
    }

    /// What the ring must satisfy.
    pub fn policy(&self) -> RingPolicy {
        RingPolicy {
            require_authenticated: self.require_authenticated,
            clock_skew: self.clock_skew,
            seal_delay: self.seal_delay,
            seal_limit: self.seal_limit,
        }
    }

    /// The file and the portal, as a person would be told of them.
    pub fn places(&self) -> String {
        let file = self.file.as_ref().map(|file| file.display().to_string());
        let portal = self.portal.as_ref().map(|portal| portal.client.url.to_string());
        file.into_iter().chain(portal).collect::<Vec<_>>().join(" and ")
    }

    /// What the keys come from, in the order in which they are put together.
    pub fn sources(&self) -> Vec<SourceKind> {
        let file = self.file.as_ref().map(|_| SourceKind::File);
        file.into_iter().chain(self.portal.as_ref().map(|_| SourceKind::Portal)).collect()
    }
}

/// `[keys.portal]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalSource {
    /// Where the document is and how it is asked for.
    pub client: PortalConfig,
    /// How it is laid out.
    pub format: DocumentFormat,
    /// From one fetch to the next; each wait varies by a tenth.
    pub poll_interval: Duration,
    /// Where the last good document is kept for a start without the portal.
    pub cache: Option<CacheFile>,
    /// How long a document is good that cannot be confirmed.
    pub max_stale: Duration,
    /// Whether the process counts as not ready beyond that.
    pub unready_when_stale: bool,
    /// Whether nothing is sealed any more where the portal says that the service is not secured.
    pub follow: bool,
}
