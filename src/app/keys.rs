//! The key sets of the process, followed and told of.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{StartError, sources};
use crate::admin::{Conditions, KeySetStatus};
use crate::config::Config;
use crate::document::Fault;
use crate::keys::{Key, KeyStore};
use crate::metrics::{KeyUse, Metrics};
use crate::proxy::{KeyAccess, unfit_keys};
use crate::sources::{KeyFollower, KeysConfig, LoadedKeys, WatchSettings, first_keys};

/// One key set, and what follows its sources.
pub(super) struct KeySet {
    pub(super) keys: LoadedKeys,
    access: KeyAccess,
    /// Until it is begun.
    follower: Option<KeyFollower>,
    stop: CancellationToken,
}

impl KeySet {
    /// Nothing is followed before [`KeySet::begin`].
    pub(super) fn new(keys: LoadedKeys, metrics: &Metrics) -> Result<Self, StartError> {
        let settings = WatchSettings::from(&*keys.config);
        let follower = KeyFollower::new(&keys, metrics, settings).map_err(StartError::Watch)?;
        let access = KeyAccess { store: Arc::clone(&keys.store), refresh: follower.refresh() };
        Ok(Self { keys, access, follower: Some(follower), stop: CancellationToken::new() })
    }

    /// Follows the sources from now on.
    pub(super) fn begin(&mut self, tasks: &TaskTracker) {
        self.keys.put_in_force();
        if let Some(follower) = self.follower.take() {
            tasks.spawn(follower.run(self.stop.clone()));
        }
    }

    /// Follows them no longer; the keys stay in force.
    pub(super) fn end(&self) {
        self.stop.cancel();
    }

    pub(super) fn config(&self) -> &KeysConfig {
        &self.keys.config
    }

    /// As its proxies see it.
    pub(super) fn access(&self) -> &KeyAccess {
        &self.access
    }

    /// Waits for the portal's first answer where there is no key yet to seal with, for as long as one may take.
    pub(super) async fn first(&self) {
        let portal = self.config().portal.as_ref();
        let patience = portal.map_or(Duration::ZERO, |portal| portal.client.timeout);
        first_keys(&self.access.store, &self.access.refresh, patience).await;
    }
}

/// What readiness hangs on.
pub(super) fn conditions<'k>(sets: impl Iterator<Item = &'k KeySet>, now: Timestamp) -> Conditions {
    sets.fold(Conditions::new(), |conditions, set| {
        let keys = &set.keys;
        let conditions = conditions.requiring_key(&keys.config.name, Arc::clone(&keys.store));
        sources::required(conditions, keys, now)
    })
}

/// What `/status` tells of them.
pub(super) fn status<'k>(sets: impl Iterator<Item = &'k KeySet>) -> Vec<KeySetStatus> {
    let status = |set: &KeySet| {
        let keys = &set.keys;
        KeySetStatus::new(Arc::clone(&keys.config.name), Arc::clone(&keys.store), keys.config.observation)
            .with("sources", sources::report(keys))
    };
    sets.map(status).collect()
}

/// How often their keys are used.
pub(super) fn uses<'k>(
    sets: impl Iterator<Item = &'k KeySet>,
) -> impl Fn() -> Vec<KeyUse> + Send + Sync + 'static {
    let sets: Vec<_> =
        sets.map(|set| (Arc::clone(&set.config().name), Arc::clone(&set.keys.store))).collect();
    let of_set = |(name, store): &(Arc<str>, Arc<KeyStore>)| -> Vec<KeyUse> {
        let ring = store.snapshot();
        let of_key = |key: &Arc<Key>| {
            let usage = key.usage()?;
            let is_bounded = key.secret.algorithm().is_authenticated();
            Some(KeyUse {
                keyset: Arc::clone(name),
                key: key.fingerprint.short(),
                seals: usage.sealed().count,
                opens: usage.opened().count,
                seal_limit: is_bounded.then(|| usage.limit().most),
            })
        };
        ring.keys().filter_map(of_key).collect()
    };
    move || sets.iter().flat_map(of_set).collect()
}

/// Profiles for which these sets have no key.
pub fn unfit<'k>(config: &Config, sets: impl IntoIterator<Item = &'k LoadedKeys>) -> Vec<Fault> {
    let of_set = |keys: &LoadedKeys| {
        let (ring, place) = (keys.ring(), keys.config.places());
        let of_proxy = |proxy| unfit_keys(proxy, &keys.config.name, &ring, &place);
        config.proxies.iter().flat_map(of_proxy).collect::<Vec<_>>()
    };
    sets.into_iter().flat_map(of_set).collect()
}
