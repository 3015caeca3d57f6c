//! A portal, followed while requests run: asked in turn, and whenever a message names a key that is not known.
//!
//! What does not come, or is not right, leaves the ring in force where it is.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::assembly::{Assembly, Refused, Taken};
use super::load::LoadedKeys;
use super::plain::{AfterRefusal, PlainTraffic};
use super::portal::{Answer, Backoff, FetchFault, PortalClient, Validator, jittered};
use super::refresh::{PortalRounds, Refresh};
use super::reload::tell_of_ring;
use super::state::SourceState;
use super::{CacheFault, KeysConfig, PortalSource};
use crate::document::Written;
use crate::keys::{Fingerprint, Roughly, read_document, switch_of};
use crate::metrics::{FetchOutcome, KeySetMetrics, SourceKind};

/// The cache is written anew for a document that was only confirmed when that is so much later.
const CACHE_PRECISION: Duration = Duration::from_secs(60);

/// Follows one portal.
pub(super) struct PortalFollower {
    portal: PortalSource,
    client: PortalClient,
    config: Arc<KeysConfig>,
    assembly: Arc<Assembly>,
    state: Arc<SourceState>,
    metrics: KeySetMetrics,
    backoff: Backoff,
    /// In a row.
    failures: u32,
    known: Option<Known>,
    /// What was told last of what is wrong; the same is not told again.
    told: Option<String>,
    /// The same of the cache.
    told_of_cache: Option<CacheFault>,
    /// The key that was told to end soon, and when.
    ending: Option<(Fingerprint, Timestamp)>,
}

/// The document in force.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) text: Arc<Zeroizing<String>>,
    /// What the portal calls it.
    pub(super) validator: Option<Validator>,
    /// When the cache was given it.
    pub(super) kept: Option<Instant>,
}

impl PortalFollower {
    /// Follows the portal, if the set has one. A document that the cache had is asked for only if there is another.
    pub(super) fn new(loaded: &LoadedKeys, metrics: KeySetMetrics) -> Option<Self> {
        let portal = loaded.config.portal.clone()?;
        let follower = Self {
            client: PortalClient::new(portal.client.clone()),
            config: Arc::clone(&loaded.config),
            assembly: Arc::clone(&loaded.assembly),
            state: Arc::clone(loaded.state(SourceKind::Portal)?),
            metrics,
            backoff: Backoff::new(portal.poll_interval),
            failures: 0,
            known: loaded.known.clone(),
            told: None,
            told_of_cache: None,
            ending: None,
            portal,
        };
        follower.tell_of_cache();
        Some(follower)
    }

    /// Says what the process begins with, if that is what the cache had.
    fn tell_of_cache(&self) {
        let (Some(known), Some(age)) = (&self.known, self.state.age(Timestamp::now())) else { return };
        let (keyset, url, age) = (&*self.config.name, self.state.name(), Roughly(age));
        tracing::info!(keyset, "begins with the cached keys of {url}, confirmed {age} ago");
        self.tell_of_switch(switch_of(&known.text, &self.portal.format));
    }

    /// Follows the portal for ever, beginning at once.
    pub(super) async fn run(mut self, refresh: Refresh) {
        let Some(rounds) = refresh.portal() else { return };
        let plain = PlainTraffic {
            keyset: Arc::clone(&self.config.name),
            assembly: Arc::clone(&self.assembly),
            state: Arc::clone(&self.state),
            max_stale: self.portal.max_stale,
        };
        let mut turn = pin!(sleep(Duration::ZERO));
        loop {
            let may_fetch = tokio::select! {
                () = &mut turn => true,
                () = rounds.wanted() => rounds.may_fetch(),
                () = plain.outlived() => {
                    plain.end().await;
                    self.known = None;
                    continue;
                }
            };
            // One without a fetch is for those who wait: there is nothing to wait for.
            let round = rounds.rounds.begin();
            if may_fetch {
                turn.set(sleep(self.fetch_guarding(rounds, &plain).await));
                self.tell_of_end();
            }
            rounds.rounds.end(round);
        }
    }

    /// The same as [`Self::fetch`], during which plain traffic may come to its end.
    async fn fetch_guarding(&mut self, rounds: &PortalRounds, plain: &PlainTraffic) -> Duration {
        let (wait, has_ended) = {
            let mut fetch = pin!(self.fetch(rounds));
            tokio::select! {
                wait = &mut fetch => (wait, false),
                () = plain.outlived() => {
                    plain.end().await;
                    (fetch.await, true)
                }
            }
        };
        if has_ended {
            // What the portal has is to be taken anew.
            self.known = None;
        }
        wait
    }

    /// Asks once, and says how long to wait for the next time.
    async fn fetch(&mut self, rounds: &PortalRounds) -> Duration {
        let validator = self.known.as_ref().and_then(|known| known.validator.as_ref());
        let outcome = match self.client.fetch(validator).await {
            Ok(Answer::Document { text, validator }) => self.take(Arc::new(text), validator).await,
            Ok(Answer::NotModified) => FetchOutcome::Unchanged,
            Err(fault) => {
                self.metrics.fetched(FetchOutcome::Failed);
                return self.fail(&fault, rounds);
            }
        };
        self.metrics.fetched(outcome);
        rounds.leave_alone_until(None);
        if outcome == FetchOutcome::Refused {
            self.failures = self.failures.saturating_add(1);
            return self.backoff.delay(self.failures, None, &mut rand::rng());
        }
        self.confirm().await;
        self.failures = 0;
        jittered(self.portal.poll_interval, &mut rand::rng())
    }

    /// Puts the keys of a document in force, if they are others than those of now, and right.
    async fn take(&mut self, text: Arc<Zeroizing<String>>, validator: Option<Validator>) -> FetchOutcome {
        if let Some(known) = self.known.as_mut().filter(|known| *known.text == *text) {
            known.validator = validator;
            return FetchOutcome::Unchanged;
        }
        let (config, assembly) = (Arc::clone(&self.config), Arc::clone(&self.assembly));
        let (name, format) = (self.portal.client.url.to_string(), self.portal.format.clone());
        let document = Arc::clone(&text);
        // Deriving keys may take seconds.
        let taking = spawn_blocking(move || {
            let taken = assembly.take(SourceKind::Portal, |derivations, now| {
                read_document(&document, &name, &format, config.policy(), now, derivations)
            });
            taken.map_err(|refused| (refused, AfterRefusal::of(&document, &format, &assembly)))
        });
        match taking.await {
            Ok(Ok(taken)) => {
                self.tell(&taken);
                self.known = Some(Known { text, validator, kept: None });
                FetchOutcome::Taken
            }
            Ok(Err((refused, plain))) => {
                self.refuse(&refused, plain);
                FetchOutcome::Refused
            }
            Err(_) => {
                // Only a defect leads here.
                self.metrics.reload_failed();
                tracing::error!("the reading of the portal's document broke off; the keys in force stay");
                FetchOutcome::Refused
            }
        }
    }

    /// The portal has what is in force.
    async fn confirm(&mut self) {
        let now = Timestamp::now();
        self.state.confirm(now);
        self.metrics.confirmed(SourceKind::Portal, now);
        if self.told.take().is_some() {
            tracing::info!(
                keyset = &*self.config.name,
                portal = self.state.name(),
                "the portal answers again"
            );
        }
        self.keep(now).await;
    }

    /// Has the cache hold the document as one of now.
    async fn keep(&mut self, now: Timestamp) {
        let (Some(cache), Some(known)) = (self.portal.cache.clone(), &mut self.known) else { return };
        if known.kept.is_some_and(|kept| kept.elapsed() < CACHE_PRECISION) {
            return;
        }
        let (text, validator) = (Arc::clone(&known.text), known.validator.clone());
        let url = self.portal.client.url.reveal();
        let stored = spawn_blocking(move || cache.store(&text, validator.as_ref(), now, &url));
        match stored.await {
            Ok(Ok(())) => {
                known.kept = Some(Instant::now());
                self.told_of_cache = None;
            }
            Ok(Err(fault)) => {
                if !self.told_of_cache.as_ref().is_some_and(|told| told.is_like(&fault)) {
                    let (keyset, remedy) = (&*self.config.name, fault.remedy());
                    tracing::error!(keyset, "the cache of the keys was not written: {fault}; {remedy}");
                }
                self.told_of_cache = Some(fault);
            }
            Err(_) => tracing::error!("the writing of the cache of the keys broke off"),
        }
    }

    fn tell(&self, taken: &Taken) {
        tell_of_ring(&self.config, &self.metrics, taken);
        self.tell_of_switch(taken.encryption);
    }

    fn tell_of_switch(&self, encryption: Option<bool>) {
        if encryption == Some(false) {
            let keyset = &*self.config.name;
            if self.portal.follow {
                tracing::warn!(
                    keyset,
                    "the portal says that this service is not secured: nothing is sealed now"
                );
            } else {
                tracing::warn!(
                    keyset,
                    "the portal says that this service is not secured: sealing goes on, unless follow_portal = true"
                );
            }
        }
    }

    fn refuse(&mut self, refused: &Refused, plain: AfterRefusal) {
        self.metrics.reload_failed();
        let what = refused.to_string();
        self.state.fail(Timestamp::now(), what.clone());
        let (keyset, faults) = (&*self.config.name, refused.count());
        if plain == AfterRefusal::Secured {
            // Or the document of before would be taken for the one in force when it comes again.
            self.known = None;
            tracing::warn!(
                keyset,
                "the portal's document is refused, but it says that this service is secured: everything is sealed from now on"
            );
        }
        if self.told.as_ref() == Some(&what) {
            return;
        }
        tracing::error!(keyset, faults, "the portal's document is refused, {}: {what}", self.standing());
        self.tell_of_plain();
        self.told = Some(what);
    }

    /// Says that the key that seals ends soon and that the portal has given none to follow.
    fn tell_of_end(&mut self) {
        let ending = self.assembly.ending(Timestamp::now());
        if let Some((key, until)) = &ending
            && self.ending != ending
        {
            tracing::warn!(
                keyset = &*self.config.name,
                "the key that seals ends at {until}, and nothing is there to seal in its place: {key}; have the portal give \
                 the next key"
            );
        }
        self.ending = ending;
    }

    /// Says that plain traffic passes although the portal says nothing good, if it does.
    fn tell_of_plain(&self) {
        if !self.assembly.is_secured() {
            tracing::warn!(
                keyset = &*self.config.name,
                max_stale = %Written(self.portal.max_stale),
                "plain traffic still passes, until the portal says otherwise or max_stale is over"
            );
        }
    }

    /// What a failure leaves.
    fn standing(&self) -> &'static str {
        if self.assembly.is_empty() { "and there are no keys yet" } else { "the keys in force stay" }
    }

    /// Says what went wrong, and how long to wait.
    fn fail(&mut self, fault: &FetchFault, rounds: &PortalRounds) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let asked = fault.retry_after();
        rounds.leave_alone_until(asked.map(|asked| Instant::now() + asked));
        let wait = self.backoff.delay(self.failures, asked, &mut rand::rng());
        let what = fault.to_string();
        self.state.fail(Timestamp::now(), what.clone());
        let (keyset, portal) = (&*self.config.name, self.state.name());
        if self.told.as_ref() == Some(&what) {
            tracing::debug!(keyset, portal, next = ?wait, "no answer from the portal, still: {what}");
        } else {
            tracing::warn!(
                keyset,
                portal,
                next = ?wait,
                "no answer from the portal, {}: {what}; {}",
                self.standing(),
                fault.remedy()
            );
            self.tell_of_plain();
            self.told = Some(what);
        }
        wait
    }
}
