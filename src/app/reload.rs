//! Another configuration in the place of the one in force, while requests run.
//!
//! All of it is read, checked and made ready first: key files are read, addresses are bound. Whatever is wrong with any of
//! it leaves everything as it was. Then it is put in force without a wait in between.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::keys::{self, KeySet, unfit};
use super::slot::Slot;
use super::tls::Tls;
use super::{App, StartError};
use crate::admin::{ReloadReport, Why};
use crate::config::Config;
use crate::document::{Fault, Faults};
use crate::keys::KeyStore;
use crate::metrics::ReloadOutcome;
use crate::net::{Listener, Stop};
use crate::proxy::{Limits, ProxyCommon, ProxyConfig};
use crate::sources::{KeysConfig, LoadedKeys, load_beside, load_now};

/// How long a listener that was ours may take to be gone.
const LEAVING: Duration = Duration::from_secs(1);

/// As many faults as the log tells.
const MOST_FAULTS_TOLD: usize = 10;

/// What is to be put in force.
pub(super) struct Prepared {
    config: Config,
    /// The key sets in the order of the configuration.
    key_sets: Vec<Succession>,
    /// The proxies in the order of the configuration.
    proxies: Vec<(ProxyCommon, Tls, Behind)>,
    changes: Vec<String>,
}

/// What becomes of a key set.
enum Succession {
    /// The one in that place stays.
    Stays(usize),
    /// This one comes; in the place of the one there, if there is one of that name.
    Comes(Box<KeySet>),
}

/// Where a proxy listens.
enum Behind {
    /// Where the slot in that place does.
    Standing(usize),
    Fresh(Box<Listener>, Stop),
}

/// Why nothing has changed.
pub(super) enum NotPrepared {
    Faults(Faults),
    Start(StartError),
}

impl From<Faults> for NotPrepared {
    fn from(faults: Faults) -> Self {
        Self::Faults(faults)
    }
}

impl From<StartError> for NotPrepared {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl NotPrepared {
    fn told(&self) -> Vec<String> {
        match self {
            Self::Faults(faults) => faults.iter().map(Fault::one_line).collect(),
            Self::Start(error) => vec![error.to_string()],
        }
    }
}

impl App {
    /// Reads the configuration anew and makes it ready, or says what is wrong with it; changes nothing. The keys are looked
    /// at again in any case. None where there is nothing to be read.
    ///
    /// May be broken off.
    pub(super) async fn read_anew(&self, why: Why) -> Option<Result<Prepared, NotPrepared>> {
        if why != Why::File {
            self.key_sets.iter().for_each(|set| set.access().refresh.now());
        }
        let source = self.source.clone()?;
        // Before it serves, the supervisor waits to be told that.
        if self.serves {
            self.supervisor.reloading();
        }
        Some(match spawn_blocking(move || (source.load)()).await {
            Ok(Ok(config)) => self.prepare(config).await,
            Ok(Err(faults)) => Err(faults.into()),
            Err(_broke_off) => Err(StartError::ReloadBroke.into()),
        })
    }

    /// Puts in force what was made ready, or says why that is nothing.
    pub(super) fn conclude(
        &mut self,
        why: Why,
        prepared: Option<Result<Prepared, NotPrepared>>,
    ) -> ReloadReport {
        let report = match prepared {
            None => return ReloadReport::of(ReloadOutcome::Unchanged),
            Some(Ok(prepared)) => self.put_in_force(prepared),
            Some(Err(fault)) => self.refuse(&fault),
        };
        self.tell(why, &report);
        if self.serves {
            self.supervisor.ready(&self.summary());
        }
        report
    }

    fn refuse(&self, fault: &NotPrepared) -> ReloadReport {
        let report = ReloadReport { faults: fault.told(), ..ReloadReport::of(ReloadOutcome::Refused) };
        self.configuration.note(&report, None);
        report
    }

    fn tell(&self, why: Why, report: &ReloadReport) {
        self.metrics.config.reloaded(report.outcome);
        let why = why.label();
        report.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        if !report.needs_restart.is_empty() {
            let what = report.needs_restart.join(", ");
            tracing::warn!(
                why,
                "written otherwise than it was at the start, and holds after a restart only: {what}"
            );
        }
        match report.outcome {
            ReloadOutcome::Refused => {
                let told: Vec<_> = report.faults.iter().take(MOST_FAULTS_TOLD).map(String::as_str).collect();
                let (faults, told) = (report.faults.len(), told.join(" | "));
                tracing::error!(why, faults, "configuration refused, the one in force stays: {told}");
            }
            ReloadOutcome::Swapped => {
                let changes = match &*report.changes {
                    [] => "no proxy and no key set changed".to_owned(),
                    changes => changes.join(", "),
                };
                tracing::info!(why, "configuration reloaded: {changes}");
            }
            ReloadOutcome::Unchanged => tracing::info!(why, "the configuration says what it said"),
        }
    }

    /// Makes everything ready, and changes nothing.
    async fn prepare(&self, config: Config) -> Result<Prepared, NotPrepared> {
        let mut changes = Vec::new();
        let key_sets = self.prepare_keys(&config, &mut changes).await?;
        let sets = || key_sets.iter().map(|succession| succession.set(&self.key_sets));
        Faults::check(unfit(
            &config,
            sets().map(|set| &set.keys).filter(|keys| keys.config.portal.is_none()),
        ))?;
        let mut proxies = Vec::new();
        for proxy in &config.proxies {
            let behind = match self.slots.iter().position(|slot| stands_there(slot, proxy)) {
                Some(place) => Behind::Standing(place),
                None => Behind::Fresh(Box::new(self.bind(proxy).await?), Stop::default()),
            };
            let (stop, limits) = match &behind {
                Behind::Standing(place) => {
                    let slot = &self.slots[*place];
                    (slot.stop(), Arc::clone(slot.common().limits()))
                }
                Behind::Fresh(_, stop) => {
                    let metrics = self.metrics.proxy(&proxy.name);
                    (stop, Limits::new(Arc::clone(&proxy.name), &proxy.limits, metrics))
                }
            };
            let access =
                |name: &str| sets().find(|set| *set.config().name == *name).map(|set| set.access().clone());
            let common = ProxyCommon::new(
                Arc::new(proxy.clone()),
                access,
                Arc::clone(&self.budget),
                limits,
                stop,
                Arc::clone(&self.reuses),
                &self.migrations,
            );
            let common = common.ok_or_else(|| StartError::NoKeys { proxy: Arc::clone(&proxy.name) })?;
            let common = common.kept_in(self.capture.clone());
            let predecessor = self.slots.iter().find(|slot| slot.config().name == proxy.name);
            changes.extend(change_of(proxy, predecessor));
            let common = match predecessor {
                Some(predecessor) => common.succeeding(predecessor.common()),
                None => common,
            };
            let (common, tls) = Tls::of(common, &self.metrics)?;
            proxies.push((common, tls, behind));
        }
        let goes = |slot: &&Slot| config.proxies.iter().all(|proxy| proxy.name != slot.config().name);
        changes
            .extend(self.slots.iter().filter(goes).map(|slot| format!("proxy {} ends", slot.config().name)));
        Ok(Prepared { config, key_sets, proxies, changes })
    }

    /// An address that is taken may be that of a proxy that has just ended, whose listener still looks after those who were
    /// connecting.
    async fn bind(&self, proxy: &ProxyConfig) -> Result<Listener, StartError> {
        let deadline = Instant::now() + LEAVING;
        loop {
            match self.passed.listener(&proxy.listen) {
                Ok(listener) => return Ok(listener),
                Err(fault) if fault.is_taken() && Instant::now() < deadline => sleep(LEAVING / 20).await,
                Err(source) => return Err(StartError::Bind { proxy: Arc::clone(&proxy.name), source }),
            }
        }
    }

    async fn prepare_keys(
        &self,
        config: &Config,
        changes: &mut Vec<String>,
    ) -> Result<Vec<Succession>, NotPrepared> {
        let mut successions = Vec::new();
        for set in &config.key_sets {
            let place = self.key_sets.iter().position(|known| known.config().name == set.name);
            let in_force = place.map(|place| &self.key_sets[place]);
            if let (Some(place), Some(_)) = (place, in_force.filter(|known| known.config() == set)) {
                successions.push(Succession::Stays(place));
                continue;
            }
            let store = in_force.map(|known| Arc::clone(&known.keys.store));
            let verb = if in_force.is_some() { "changed" } else { "begins" };
            changes.push(format!("key set {} {verb}", set.name));
            let keys = load(set.clone(), store).await?;
            successions.push(Succession::Comes(Box::new(KeySet::new(keys, &self.metrics)?)));
        }
        let goes = |known: &&KeySet| config.key_sets.iter().all(|set| set.name != known.config().name);
        let gone = self.key_sets.iter().filter(goes);
        changes.extend(gone.map(|set| format!("key set {} ends", set.config().name)));
        Ok(successions)
    }

    /// Nothing here can fail, and nothing waits.
    fn put_in_force(&mut self, prepared: Prepared) -> ReloadReport {
        let Prepared { config, key_sets, proxies, changes } = prepared;
        let warnings = config.warnings.iter().map(Fault::one_line).collect();
        let is_same = changes.is_empty() && config.digest == self.configuration.digest();
        let outcome = if is_same { ReloadOutcome::Unchanged } else { ReloadOutcome::Swapped };
        let needs_restart = self.fixed.differences(&config);
        let report = ReloadReport { changes, needs_restart, warnings, ..ReloadReport::of(outcome) };
        super::descriptors::provide(&config);
        self.swap_keys(key_sets);
        let gone_slots = self.swap_proxies(proxies);
        self.tell_of_proxies();
        self.timing = super::Timing::of(&config);
        self.readiness.hangs_on(keys::conditions(self.key_sets.iter(), Timestamp::now()));
        self.status.tells_of(keys::status(self.key_sets.iter()));
        self.metrics.asks_of_keys(keys::uses(self.key_sets.iter()));
        self.watch_windows();
        let deadline = Instant::now() + self.timing.grace;
        gone_slots.iter().for_each(Slot::say_stop);
        self.tasks.spawn(async move {
            for slot in gone_slots {
                slot.drain(deadline).await;
            }
        });
        self.configuration.note(&report, Some(&config.digest));
        report
    }

    /// Sets that are gone are followed no longer. Their keys last as long as something that began under them.
    fn swap_keys(&mut self, successions: Vec<Succession>) {
        let mut known: Vec<_> = std::mem::take(&mut self.key_sets).into_iter().map(Some).collect();
        let mut new = Vec::new();
        for succession in successions {
            match succession {
                Succession::Stays(place) => new.extend(known[place].take()),
                Succession::Comes(set) => {
                    let mut set = *set;
                    let is_of_name = |known: &Option<KeySet>| {
                        known.as_ref().is_some_and(|known| known.config().name == set.config().name)
                    };
                    if let Some(place) = known.iter().position(is_of_name)
                        && let Some(predecessor) = known[place].take()
                    {
                        predecessor.end();
                    }
                    set.begin(&self.tasks);
                    new.push(set);
                }
            }
        }
        self.key_sets = new;
        known.iter().flatten().for_each(KeySet::end);
    }

    /// Gives back those behind which no proxy stands any more.
    fn swap_proxies(&mut self, proxies: Vec<(ProxyCommon, Tls, Behind)>) -> Vec<Slot> {
        let mut known: Vec<_> = std::mem::take(&mut self.slots).into_iter().map(Some).collect();
        for (common, tls, behind) in proxies {
            let certificates = tls.begin(&self.tasks);
            match behind {
                Behind::Standing(place) => {
                    if let Some(mut slot) = known[place].take() {
                        slot.succeed(common, certificates, &self.metrics);
                        self.slots.push(slot);
                    }
                }
                Behind::Fresh(listener, stop) => {
                    let mut slot =
                        Slot::new(*listener, common, stop, certificates, &self.workers, &self.metrics);
                    if self.serves {
                        slot.open();
                    }
                    self.slots.push(slot);
                }
            }
        }
        known.into_iter().flatten().collect()
    }
}

impl Succession {
    fn set<'s>(&'s self, known: &'s [KeySet]) -> &'s KeySet {
        match self {
            Self::Stays(place) => &known[*place],
            Self::Comes(set) => set,
        }
    }
}

/// On a thread that may block: keys may have to be derived.
async fn load(config: KeysConfig, in_use: Option<Arc<KeyStore>>) -> Result<LoadedKeys, NotPrepared> {
    let loading = spawn_blocking(move || match &in_use {
        Some(store) => load_beside(&config, store),
        None => load_now(&config),
    });
    Ok(loading.await.map_err(|_broke_off| StartError::ReloadBroke)??)
}

/// Whether the slot listens where the proxy is to. Under port 0 each proxy has an address of its own.
fn stands_there(slot: &Slot, proxy: &ProxyConfig) -> bool {
    let known = slot.config();
    let is_any = proxy.listen.inet().is_some_and(|address| address.port() == 0);
    known.listen == proxy.listen && (!is_any || known.name == proxy.name)
}

fn change_of(proxy: &ProxyConfig, predecessor: Option<&Slot>) -> Option<String> {
    let name = &proxy.name;
    let Some(predecessor) = predecessor else { return Some(format!("proxy {name} begins")) };
    if predecessor.config().is_as(proxy) {
        return None;
    }
    let forgets = predecessor.common().would_forget(proxy);
    let and = if forgets { ", and its replay window begins anew" } else { "" };
    Some(format!("proxy {name} changed{and}"))
}
