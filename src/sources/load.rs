//! The keys that the process starts with: what is on this machine, without asking anybody.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::assembly::{Assembly, Parts};
use super::key_file::{self, KeyFileError};
use super::poll::Known;
use super::portal::{Answer, FetchFault, PortalClient};
use super::state::SourceState;
use super::{CacheFault, CacheFile, Cached, KeysConfig, PortalSource};
use crate::document::{Fault, Faults};
use crate::keys::{
    Company, Derivations, Key, KeyRing, KeyStore, OnSealLimit, ParsedRing, SealLimit, SealMark, SourceKeys,
    read_document, read_key_file,
};
use crate::metrics::SourceKind;

/// Reads the key file and the cache of the portal's document, for the start of the process. A file that is wrong is a
/// fault; a cache that is wrong is a warning, since the portal will be asked. Without any keys the ring is empty.
pub fn load_now(config: &KeysConfig) -> Result<LoadedKeys, Faults> {
    load(config, None)
}

/// The same for a set that is configured anew while `store` is in use: nothing changes in there before
/// [`LoadedKeys::put_in_force`].
pub fn load_beside(config: &KeysConfig, store: &Arc<KeyStore>) -> Result<LoadedKeys, Faults> {
    load(config, Some(store))
}

fn load(config: &KeysConfig, in_use: Option<&Arc<KeyStore>>) -> Result<LoadedKeys, Faults> {
    let now = Timestamp::now();
    let config = Arc::new(config.clone());
    let mut parts = Parts::default();
    let mut warnings = Vec::new();
    let (file, file_digest) = match &config.file {
        None => (None, FileDigest::default()),
        Some(path) => {
            let read = key_file::read(path);
            let digest = FileDigest::default().seeing(&read);
            parts.read(SourceKind::File, |derivations| parse(&config, path, read, derivations, now))?;
            (Some(SourceState::confirmed_at(SourceKind::File, &path.display().to_string(), now)), digest)
        }
    };
    let mut known = None;
    let portal = config.portal.as_ref().map(|portal| {
        let state = SourceState::new(SourceKind::Portal, &portal.client.url.to_string());
        match cached(portal, &config, &mut parts, now) {
            Ok(Some(cached)) => {
                state.recall(cached.fetched_at);
                let text = Arc::new(cached.document);
                known = Some(Known { text, validator: cached.validator, kept: None });
            }
            Ok(None) => {}
            Err(warning) => warnings.extend(warning.0),
        }
        state
    });
    let ParsedRing { ring, warnings: of_ring } = parts.ring(&config, now)?;
    if !ring.is_empty() {
        warnings.extend(of_ring);
    }
    let (store, pending) = match in_use {
        None => (Arc::new(KeyStore::telling(ring, now, tell_of_seals)), None),
        Some(store) => (Arc::clone(store), Some(ring)),
    };
    let assembly = Arc::new(Assembly::new(Arc::clone(&config), Arc::clone(&store), parts));
    let states = file.into_iter().chain(portal).map(Arc::new).collect();
    Ok(LoadedKeys { config, store, pending, warnings, assembly, states, file_digest, known })
}

/// What the log says of a key that nears its limit.
fn tell_of_seals(key: &Key, mark: SealMark, limit: SealLimit) {
    let what = match (mark, limit.on_limit) {
        (SealMark::Near, _) => "a key has sealed three quarters of what it may: rotate",
        (SealMark::Reached, OnSealLimit::Warn) => "a key has sealed all that it may and goes on: rotate now",
        (SealMark::Reached, OnSealLimit::Refuse) => "a key has sealed all that it may and seals nothing new",
    };
    tracing::warn!(key = key.fingerprint.as_str(), seal_limit = limit.most, "{what}");
}

/// The keys of all sets, or all that is wrong with them.
pub fn load_all(sets: &[KeysConfig]) -> Result<Vec<LoadedKeys>, Faults> {
    let mut loaded = Vec::new();
    let mut faults: Option<Faults> = None;
    for set in sets {
        match (load_now(set), &mut faults) {
            (Ok(keys), _) => loaded.push(keys),
            (Err(more), Some(faults)) => faults.extend(more),
            (Err(first), None) => faults = Some(first),
        }
    }
    faults.map_or(Ok(loaded), Err)
}

/// The ring of one set as its key file has it now. Beside a portal, which is not asked, the file is not held to be all
/// there is.
pub fn file_now(config: &KeysConfig) -> Result<ParsedRing, Faults> {
    let now = Timestamp::now();
    parts_of_file(config, now)?.ring(config, now)
}

/// The ring of one set as its sources have it now, the portal asked once. For commands: nothing is followed, and no
/// cache is looked at.
pub async fn ask_now(config: &KeysConfig) -> Result<ParsedRing, Faults> {
    let now = Timestamp::now();
    let mut parts = parts_of_file(config, now)?;
    if let Some(portal) = &config.portal {
        let name = portal.client.url.to_string();
        let answer = PortalClient::new(portal.client.clone()).fetch(None).await;
        let text = match answer {
            Ok(Answer::Document { text, .. }) => text,
            Ok(Answer::NotModified) => return Err(no_answer(&name, &FetchFault::NotModifiedUnasked)),
            Err(fault) => return Err(no_answer(&name, &fault)),
        };
        parts.read(SourceKind::Portal, |derivations| {
            read_document(&text, &name, &portal.format, config.policy(), now, derivations)
        })?;
    }
    parts.ring(config, now)
}

fn parts_of_file(config: &KeysConfig, now: Timestamp) -> Result<Parts, Faults> {
    let mut parts = Parts::default();
    if let Some(path) = &config.file {
        let read = key_file::read(path);
        parts.read(SourceKind::File, |derivations| parse(config, path, read, derivations, now))?;
    }
    Ok(parts)
}

fn no_answer(name: &str, fault: &FetchFault) -> Faults {
    let (problem, remedy) = (format!("no answer: {fault}"), fault.remedy().to_owned());
    Fault { file: name.into(), place: None, key_path: String::new(), problem, remedy }.into()
}

/// The ring that the process starts with.
pub struct LoadedKeys {
    /// What the set is called and where its keys come from.
    pub config: Arc<KeysConfig>,
    /// The ring, where the followers will swap it.
    pub store: Arc<KeyStore>,
    /// The ring that is still to be swapped in.
    pending: Option<KeyRing>,
    /// What looks odd about it.
    pub warnings: Vec<Fault>,
    pub(super) assembly: Arc<Assembly>,
    pub(super) states: Vec<Arc<SourceState>>,
    pub(super) file_digest: FileDigest,
    /// The document that the cache had.
    pub(super) known: Option<Known>,
}

impl LoadedKeys {
    /// The ring that holds, or will once it is put in force.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.pending.as_ref().map_or_else(|| self.store.snapshot(), |pending| Arc::new(pending.clone()))
    }

    /// Swaps the ring in: what is under way goes on, and the accounts of keys that stay do so too. Where a portal has still to
    /// say what there is, the keys in force stay until then.
    pub fn put_in_force(&mut self) {
        let now = Timestamp::now();
        let Some(ring) = self.pending.take() else { return };
        if self.config.portal.is_none() || ring.sealing_key(now).is_some() {
            self.store.swap(ring, now);
        }
    }

    /// The sources, file first, as `/status` tells of them.
    pub fn sources(&self) -> &[Arc<SourceState>] {
        &self.states
    }

    /// Hears of each ring that is put in force from now on, by how many there were.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.assembly.changes()
    }

    pub(super) fn state(&self, kind: SourceKind) -> Option<&Arc<SourceState>> {
        self.states.iter().find(|state| state.kind() == kind)
    }
}

/// Why a start goes on without its cache.
struct NoCache(Vec<Fault>);

impl NoCache {
    fn because(cache: &CacheFile, fault: &CacheFault) -> Self {
        let file = cache.path.display().to_string().into();
        let problem = format!("the cache of the portal's keys is not used: {fault}");
        let remedy = fault.remedy().to_owned();
        Self(vec![Fault { file, place: None, key_path: String::new(), problem, remedy }])
    }
}

fn cached(
    portal: &PortalSource,
    config: &KeysConfig,
    parts: &mut Parts,
    now: Timestamp,
) -> Result<Option<Cached>, NoCache> {
    let Some(cache) = &portal.cache else { return Ok(None) };
    let url = portal.client.url.reveal();
    let loaded = cache.load(&url, now, portal.max_stale);
    let Some(cached) = loaded.map_err(|fault| NoCache::because(cache, &fault))? else { return Ok(None) };
    let name = format!("{} (cached)", portal.client.url);
    let read = |derivations: &mut Derivations| {
        read_document(&cached.document, &name, &portal.format, config.policy(), now, derivations)
    };
    let faults = |faults: Faults| NoCache(faults.iter().cloned().collect());
    parts.read(SourceKind::Portal, read).map_err(faults)?;
    // Right alone, and wrong beside the file: the file stands, and the portal is asked.
    if let Err(wrong) = parts.ring(config, now) {
        parts.drop_portal();
        return Err(faults(wrong));
    }
    Ok(Some(cached))
}

/// What was read of the key file, as keys.
pub(super) fn parse(
    config: &KeysConfig,
    path: &Path,
    read: Result<Zeroizing<String>, KeyFileError>,
    derivations: &mut Derivations,
    now: Timestamp,
) -> Result<SourceKeys, Faults> {
    let name = path.display().to_string();
    let text = read.map_err(|error| error.into_fault(&name))?;
    let company = if config.portal.is_some() { Company::Others } else { Company::Alone };
    read_key_file(&text, &name, config.document.as_ref(), company, config.policy(), now, derivations)
}

/// Tells one content of the key file, or one cause of there being none, from another without keeping it.
#[derive(Clone, Default)]
pub(super) struct FileDigest {
    hasher: RandomState,
    seen: Option<u64>,
}

impl FileDigest {
    /// Having seen this.
    pub(super) fn seeing(self, read: &Result<Zeroizing<String>, KeyFileError>) -> Self {
        let seen = Some(self.of(read));
        Self { seen, ..self }
    }

    /// Whether this is what was seen last.
    pub(super) fn has_seen(&self, read: &Result<Zeroizing<String>, KeyFileError>) -> bool {
        self.seen == Some(self.of(read))
    }

    /// Having seen nothing: whatever comes is new.
    pub(super) fn forgetful(&self) -> Self {
        Self { seen: None, ..self.clone() }
    }

    fn of(&self, read: &Result<Zeroizing<String>, KeyFileError>) -> u64 {
        self.hasher.hash_one(read.as_ref().map(|text| text.as_str()).map_err(ToString::to_string))
    }
}
