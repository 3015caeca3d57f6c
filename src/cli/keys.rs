//! The keys of the commands that seal or open one message.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::document::Faults;
use crate::keys::{Fingerprint, Key, KeyRing, KeyUnavailable, RingPolicy};
use crate::sources::key_file;

/// The `--keys` of those commands.
#[derive(Debug, clap::Args)]
pub(super) struct KeysArg {
    /// The key file
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
}

impl KeysArg {
    /// The ring that the file makes.
    pub(super) fn ring(&self, now: Timestamp) -> Result<KeyRing, KeyFault> {
        Ok(key_file::load(&self.keys, RingPolicy::default(), now)?.ring)
    }

    /// The key that seals: the one that is named, else the ring's choice.
    pub(super) fn sealing_key(
        &self,
        named: Option<&Fingerprint>,
        now: Timestamp,
    ) -> Result<Arc<Key>, KeyFault> {
        let ring = self.ring(now)?;
        match named {
            Some(named) => ring
                .opening_key(named.as_str(), now)
                .cloned()
                .map_err(|fault| KeyFault::Unavailable { named: named.clone(), fault }),
            None => ring.sealing_key(now).cloned().ok_or(KeyFault::NoSealingKey),
        }
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyFault {
    /// The key file is wrong.
    #[error(transparent)]
    File(#[from] Faults),
    /// None is valid now.
    #[error("no key of the file is valid for sealing now")]
    NoSealingKey,
    /// The one that was named cannot be used.
    #[error("{named}: {fault}")]
    Unavailable { named: Fingerprint, fault: KeyUnavailable },
}
