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

    /// The same, in which the key that is named seals; and the key that seals.
    pub(super) fn sealing_ring(
        &self,
        named: Option<&Fingerprint>,
        now: Timestamp,
    ) -> Result<(KeyRing, Arc<Key>), KeyFault> {
        let ring = self.ring(now)?;
        let Some(named) = named else {
            let key = ring.sealing_key(now).cloned().ok_or_else(|| self.no_sealing_key())?;
            return Ok((ring, key));
        };
        let unavailable = |fault| KeyFault::Unavailable { file: self.name(), named: named.clone(), fault };
        let key = ring.opening_key(named.as_str(), now).cloned().map_err(unavailable)?;
        Ok((ring.led_by(&key), key))
    }

    /// What is wrong with a file of which no key may seal.
    pub(super) fn no_sealing_key(&self) -> KeyFault {
        KeyFault::NoSealingKey { file: self.name() }
    }

    fn name(&self) -> String {
        self.keys.display().to_string()
    }

    /// The key that seals: the one that is named, else the ring's choice.
    pub(super) fn sealing_key(
        &self,
        named: Option<&Fingerprint>,
        now: Timestamp,
    ) -> Result<Arc<Key>, KeyFault> {
        Ok(self.sealing_ring(named, now)?.1)
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyFault {
    /// The key file is wrong.
    #[error(transparent)]
    File(#[from] Faults),
    /// None is valid now.
    #[error("{file}: no key of the file is valid for sealing now; `alewife keygen` makes one to append")]
    NoSealingKey { file: String },
    /// The one that was named cannot be used.
    #[error("{file}: {named}: {fault}; {}", remedy(*fault))]
    Unavailable { file: String, named: Fingerprint, fault: KeyUnavailable },
}

fn remedy(fault: KeyUnavailable) -> &'static str {
    match fault {
        KeyUnavailable::Expired => "name another one with --fingerprint, or leave that out",
        KeyUnavailable::NotYetValid => "wait for its valid_after, or leave --fingerprint out",
        KeyUnavailable::Unknown => "append its entry to the file, or leave --fingerprint out",
    }
}
