//! What the sources of one key set have said last, put together to the ring in force.
//!
//! A source hands in what it has read; the ring of all of them is built whole, checked, and swapped in. Whatever is
//! wrong with it leaves the ring in force where it is, and what was said before stays said.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::KeysConfig;
use crate::document::{Fault, Faults};
use crate::keys::{self, Derivations, Fingerprint, KeyRing, KeyStore, ParsedRing, SourceKeys, StepBack};
use crate::metrics::SourceKind;

/// The sources of one key set and the store that their ring goes to.
pub(super) struct Assembly {
    config: Arc<KeysConfig>,
    store: Arc<KeyStore>,
    /// Locked by threads that may block, for as long as keys are read and derived; no request ever waits for it.
    parts: Mutex<Parts>,
    /// Counts the rings that were put in force.
    changes: watch::Sender<u64>,
}

/// What each source has said last.
#[derive(Default)]
pub(super) struct Parts {
    file: Option<SourceKeys>,
    portal: Option<SourceKeys>,
    derivations: Derivations,
}

/// A ring that was put in force.
pub(super) struct Taken {
    pub(super) keys: usize,
    pub(super) sealing: Option<String>,
    /// The portal's switch, where the source has one.
    pub(super) encryption: Option<bool>,
    pub(super) warnings: Vec<Fault>,
}

/// Why what a source says is not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// Something is wrong with it, alone or beside the other sources.
    Faults(Faults),
    /// It is right in itself, but would leave nothing to seal with, or an older key.
    StepBack(StepBack),
}

impl From<Faults> for Refused {
    fn from(faults: Faults) -> Self {
        Self::Faults(faults)
    }
}

/// A key that ends before this, with none to follow, is worth a warning.
const SOON: Duration = Duration::from_secs(60 * 60);

/// As many faults as a log line bears.
pub(super) const MOST_FAULTS_TOLD: usize = 10;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faults(faults) => {
                let told: Vec<_> = faults.iter().take(MOST_FAULTS_TOLD).map(Fault::one_line).collect();
                f.write_str(&told.join(" | "))
            }
            Self::StepBack(step) => step.fmt(f),
        }
    }
}

impl Refused {
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Faults(faults) => faults.iter().len(),
            Self::StepBack(_) => 1,
        }
    }
}

impl Assembly {
    pub(super) fn new(config: Arc<KeysConfig>, store: Arc<KeyStore>, parts: Parts) -> Self {
        Self { config, store, parts: Mutex::new(parts), changes: watch::Sender::default() }
    }

    /// Hears of each ring that is put in force from now on.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Has `read` read what a source says and, if all of it is right together with the other source, puts it in force.
    /// To be called where it may block.
    pub(super) fn take(
        &self,
        kind: SourceKind,
        read: impl FnOnce(&mut Derivations, Timestamp) -> Result<SourceKeys, Faults>,
    ) -> Result<Taken, Refused> {
        let now = Timestamp::now();
        let mut parts = self.lock();
        let said = read(&mut parts.derivations, now)?;
        let ParsedRing { ring, warnings } = parts.merged_with(kind, &said, &self.config, now)?;
        if kind == SourceKind::Portal
            && let Some(step) = self.store.snapshot().refuses(&ring, now)
        {
            return Err(Refused::StepBack(step));
        }
        let sealing = ring.sealing_key(now).map(|key| key.fingerprint.to_string());
        let taken = Taken { keys: ring.len(), sealing, encryption: said.encryption, warnings };
        parts.put(kind, said);
        self.store.swap(ring, now);
        self.changes.send_modify(|count| *count += 1);
        Ok(taken)
    }

    /// Whether all traffic is sealed.
    pub(super) fn is_secured(&self) -> bool {
        self.store.snapshot().encryption()
    }

    /// Whether there is no key yet.
    pub(super) fn is_empty(&self) -> bool {
        self.store.snapshot().is_empty()
    }

    /// The name of the key that seals and its end, if that is soon and no key follows.
    pub(super) fn ending(&self, now: Timestamp) -> Option<(Fingerprint, Timestamp)> {
        let ring = self.store.snapshot();
        let (key, until) = ring.ends_without_successor(now, SOON)?;
        Some((key.fingerprint.clone(), until))
    }

    /// Has everything sealed until the portal says anew that the service is not secured. To be called where it may block.
    pub(super) fn secure(&self) {
        let mut parts = self.lock();
        // Or the next change of the key file would bring it back.
        if let Some(portal) = &mut parts.portal {
            portal.encryption = None;
        }
        let ring = KeyRing::clone(&self.store.snapshot()).with_encryption(true);
        self.store.swap(ring, Timestamp::now());
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        // A panic under the lock leaves what was said before.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parts {
    /// Has `read` read what a source says, for the start of the process.
    pub(super) fn read(
        &mut self,
        kind: SourceKind,
        read: impl FnOnce(&mut Derivations) -> Result<SourceKeys, Faults>,
    ) -> Result<(), Faults> {
        let said = read(&mut self.derivations)?;
        self.put(kind, said);
        Ok(())
    }

    /// The ring of what all sources have said; an empty one where none has.
    pub(super) fn ring(&self, config: &KeysConfig, now: Timestamp) -> Result<ParsedRing, Faults> {
        merge(self.file.as_ref(), self.portal.as_ref(), config, now)
    }

    /// Forgets what the portal has said.
    pub(super) fn drop_portal(&mut self) {
        self.portal = None;
    }

    fn merged_with(
        &self,
        kind: SourceKind,
        said: &SourceKeys,
        config: &KeysConfig,
        now: Timestamp,
    ) -> Result<ParsedRing, Faults> {
        match kind {
            SourceKind::File => merge(Some(said), self.portal.as_ref(), config, now),
            SourceKind::Portal => merge(self.file.as_ref(), Some(said), config, now),
        }
    }

    fn put(&mut self, kind: SourceKind, said: SourceKeys) {
        match kind {
            SourceKind::File => self.file = Some(said),
            SourceKind::Portal => self.portal = Some(said),
        }
        // What was derived for a document that was refused stays until then, or each poll would derive it anew.
        let Self { file, portal, derivations } = self;
        let in_use: Vec<_> = file.iter().chain(portal.iter()).collect();
        derivations.retain(&in_use);
    }
}

/// File first. While the portal has not said anything yet, the file is not held to be all there is. The switch is the
/// portal's alone: a document that was saved as a key file says how things were.
fn merge(
    file: Option<&SourceKeys>,
    portal: Option<&SourceKeys>,
    config: &KeysConfig,
    now: Timestamp,
) -> Result<ParsedRing, Faults> {
    let sources: Vec<_> = file.into_iter().chain(portal).collect();
    let merge = if config.portal.is_some() && portal.is_none() { keys::merge_some } else { keys::merge };
    let ParsedRing { ring, warnings } = merge(&sources, config.policy(), now)?;
    let follows = config.portal.as_ref().is_some_and(|portal| portal.follow);
    let is_off = portal.is_some_and(|portal| portal.encryption == Some(false));
    Ok(ParsedRing { ring: ring.with_encryption(!(follows && is_off)), warnings })
}
