//! What the key file's source needs to know; filled by `config/`.

use std::path::PathBuf;
use std::time::Duration;

/// `[keys]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysConfig {
    /// The key file.
    pub file: PathBuf,
    /// The grace that opening grants at both ends of a window.
    pub clock_skew: Duration,
    /// Whether keys under CFB and CTR are refused.
    pub require_authenticated: bool,
    /// How long after its `valid_after` a key begins to seal.
    pub seal_delay: Duration,
    /// How long the keys are not read again because a peer refused one.
    pub refetch_cooldown: Duration,
    /// The slow poll that stands behind file events.
    pub poll_interval: Duration,
    /// How long a key must not have been used before it counts as safe to retire.
    pub observation: Duration,
}

impl KeysConfig {
    /// What the ring must satisfy.
    pub fn policy(&self) -> crate::keys::RingPolicy {
        crate::keys::RingPolicy {
            require_authenticated: self.require_authenticated,
            clock_skew: self.clock_skew,
            seal_delay: self.seal_delay,
        }
    }
}
