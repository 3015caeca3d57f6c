//! Builds what a configuration says, runs it, changes it while it runs, and ends it without losing a request.
//!
//! One thread controls: it accepts, answers the admin listener, follows the sources of the keys and carries out orders. Each
//! worker is a thread with a runtime of its own and its own connections to the applications; the connections that
//! were accepted are handed to the workers in turn.

mod application;
mod configuration;
mod descriptors;
mod end;
mod error;
mod fixed;
#[cfg(feature = "inspector")]
mod inspection;
#[cfg(not(feature = "inspector"))]
#[path = "inspection_absent.rs"]
mod inspection;
mod keys;
mod listeners;
mod migrations;
mod passed;
mod process;
mod reload;
mod reuses;
mod slot;
mod sources;
mod supervisor;
mod tls;
mod upstreams;
mod worker;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{
    AdminServer, AdminState, Applications, Given, Orders, Readiness, Reload, Status, Why, orders,
};
use crate::capture::Capture;
use crate::config::{Config, ConfigDigest};
use crate::metrics::Metrics;
use crate::net::{HeldBudget, ListenAddress, Stop};
use crate::proxy::{IvReuses, KeyAccess, Limits, Migrations, OutlivedWindow, ProxyCommon, ProxyConfig};
use crate::sources::{LoadedKeys, WatchSettings, WatchedFile};
pub use application::{Application, ApplicationError, ApplicationHandle, exit_code};
use configuration::Configuration;
pub use configuration::Source;
pub use end::Ended;
pub use error::{StartError, StopError};
use fixed::Fixed;
use inspection::Inspection;
#[cfg(feature = "inspector")]
pub use inspection::about_proxy;
use keys::KeySet;
pub use keys::unfit;
use listeners::Listeners;
use passed::Passed;
use slot::Slot;
pub use supervisor::Supervisor;
use tls::Tls;
pub use upstreams::UpstreamAway;
use worker::Worker;

/// A sidecar whose listeners are bound.
pub struct App {
    passed: Passed,
    slots: Vec<Slot>,
    key_sets: Vec<KeySet>,
    workers: Vec<Worker>,
    timing: Timing,
    /// Whether what is bound is served.
    serves: bool,
    fixed: Fixed,
    configuration: Configuration,
    source: Option<Arc<Source>>,
    readiness: Arc<Readiness>,
    status: Arc<Status>,
    listeners: Arc<Listeners>,
    applications: Arc<Applications>,
    metrics: Arc<Metrics>,
    budget: Arc<HeldBudget>,
    reuses: Arc<IvReuses>,
    migrations: Arc<Migrations>,
    /// Where exchanges are kept for a developer, if they are.
    capture: Option<Arc<Capture>>,
    /// Ends what warns of replay windows that keys outlive, for the configuration in force.
    windows: CancellationToken,
    /// Everything else that runs beside.
    tasks: TaskTracker,
    orders: Orders,
    given: Given,
    supervisor: Supervisor,
    admin: Admin,
}

/// The admin listeners as they run.
#[derive(Default)]
struct Admin {
    address: Option<SocketAddr>,
    probes: Option<SocketAddr>,
    /// The file that says where the inspector is.
    url_file: Option<PathBuf>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// How long the end may take.
#[derive(Clone, Copy)]
struct Timing {
    delay: Duration,
    grace: Duration,
}

impl Timing {
    fn of(config: &Config) -> Self {
        Self { delay: config.shutdown_delay, grace: config.shutdown_grace }
    }
}

/// One proxy as it listens.
pub struct Listening {
    /// Its settings.
    pub config: Arc<ProxyConfig>,
    /// Its address, with the real port.
    pub address: ListenAddress,
}

impl App {
    /// Binds every listener and starts the workers. Nothing is accepted before [`App::run`].
    ///
    /// Where there is no key yet to seal with, it waits for the portal's first answer, for as long as one may take. The
    /// exchanges of every proxy are kept in `capture`, if there is one.
    pub async fn start(
        config: Config,
        keys: Vec<LoadedKeys>,
        metrics: Arc<Metrics>,
        capture: Option<Arc<Capture>>,
    ) -> Result<Self, StartError> {
        descriptors::provide(&config);
        let admin = AdminServer::bind(&config.admin).await?;
        let inspection = Inspection::bind(&config).await?;
        let capture = capture.or(inspection.as_ref().map(Inspection::capture));
        let mut key_sets = Vec::new();
        for keys in keys {
            key_sets.push(KeySet::new(keys, &metrics)?);
        }
        let readiness = Readiness::under(keys::conditions(key_sets.iter(), Timestamp::now()));
        let (reuses, configuration) = (Arc::<IvReuses>::default(), Configuration::of_start(&config));
        let (told, of_file) = (Arc::clone(&reuses), configuration.clone());
        let migrations = Arc::new(Migrations::new(Arc::clone(&metrics)));
        let listeners = Arc::<Listeners>::default();
        let status = Status::of(keys::status(key_sets.iter()))
            .with("listeners", listeners::report(Arc::clone(&listeners)))
            .with("iv_reuses", reuses::report(told))
            .with("migration", migrations::report(Arc::clone(&migrations)))
            .with("configuration", move |_| of_file.report());
        metrics.asks_of_process(process::figures());
        metrics.asks_of_keys(keys::uses(key_sets.iter()));
        let (orders, given) = orders();
        let mut app = Self {
            passed: Passed::of_environment(),
            slots: Vec::new(),
            key_sets,
            workers: Vec::new(),
            timing: Timing::of(&config),
            serves: false,
            fixed: Fixed::of(&config),
            configuration,
            source: None,
            readiness: Arc::new(readiness),
            status: Arc::new(status),
            listeners,
            applications: Arc::default(),
            budget: HeldBudget::new(config.max_held, metrics.held_bytes.clone()),
            metrics,
            reuses,
            migrations,
            capture,
            windows: CancellationToken::new(),
            tasks: TaskTracker::new(),
            orders,
            given,
            supervisor: Supervisor::default(),
            admin: Admin { address: admin.address(), probes: admin.probes(), ..Admin::default() },
        };
        app.start_proxies(&config)?;
        app.serve_admin(admin);
        if let Some(inspection) = inspection {
            app.admin.url_file = Some(inspection.begin(&app)?);
        }
        for set in &mut app.key_sets {
            set.begin(&app.tasks);
        }
        for set in &app.key_sets {
            set.first().await;
        }
        app.watch_windows();
        Ok(app)
    }

    /// The same, whose configuration is read anew from `source` when somebody asks for that, or when the file changes.
    pub fn reading(mut self, source: Source) -> Result<Self, StartError> {
        let mut watched =
            WatchedFile::new(&source.path, WatchSettings::default()).map_err(StartError::Watch)?;
        self.configuration.is_at(source.path.clone());
        let (path, orders) = (source.path.clone(), self.orders.clone());
        self.source = Some(Arc::new(source));
        let mut seen = Some(self.configuration.digest());
        self.tasks.spawn(async move {
            loop {
                let change = tokio::select! {
                    change = watched.changed() => change,
                    // Nobody takes orders any more.
                    () = orders.closed() => return,
                };
                let digest = ConfigDigest::of_file(&path);
                if !change.still_holds(&path) {
                    watched.nudge().raise();
                } else if digest != seen {
                    seen = digest;
                    let _ = orders.reload(Reload { why: Why::File, told: None }).await;
                }
            }
        });
        Ok(self)
    }

    /// The same, that tells `supervisor` how it fares.
    pub fn supervised_by(self, supervisor: Supervisor) -> Self {
        Self { supervisor, ..self }
    }

    /// The proxies, in the order of the configuration.
    pub fn proxies(&self) -> impl Iterator<Item = Listening> {
        self.slots
            .iter()
            .map(|slot| Listening { config: Arc::clone(slot.config()), address: slot.address().clone() })
    }

    /// What it tells of itself.
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Where the admin listener is, if there is one.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin.address
    }

    /// Where the one for probes is that stands apart, if there is one.
    pub fn probes(&self) -> Option<SocketAddr> {
        self.admin.probes
    }

    /// The file that says where the inspector is, if there is one.
    pub fn inspector_file(&self) -> Option<&Path> {
        self.admin.url_file.as_deref()
    }

    /// Where it is told what to do.
    pub fn orders(&self) -> Orders {
        self.orders.clone()
    }

    fn start_proxies(&mut self, config: &Config) -> Result<(), StartError> {
        let mut bound = Vec::new();
        for proxy in &config.proxies {
            let listener = self
                .passed
                .listener(&proxy.listen)
                .map_err(|source| StartError::Bind { proxy: Arc::clone(&proxy.name), source })?;
            let stop = Stop::default();
            let common = ProxyCommon::new(
                Arc::new(proxy.clone()),
                |name| self.access(name),
                Arc::clone(&self.budget),
                Limits::new(Arc::clone(&proxy.name), &proxy.limits, self.metrics.proxy(&proxy.name)),
                &stop,
                Arc::clone(&self.reuses),
                &self.migrations,
            );
            let common = common.ok_or_else(|| StartError::NoKeys { proxy: Arc::clone(&proxy.name) })?;
            let common = common.kept_in(self.capture.clone());
            let (common, tls) = Tls::of(common, &self.metrics)?;
            bound.push((listener, common, stop, tls));
        }
        for number in 0..config.workers.get() {
            self.workers.push(Worker::start(number).map_err(StartError::Worker)?);
        }
        for (listener, common, stop, tls) in bound {
            self.slots.push(Slot::new(
                listener,
                common,
                stop,
                tls.begin(&self.tasks),
                &self.workers,
                &self.metrics,
            ));
        }
        self.tell_of_proxies();
        Ok(())
    }

    /// Has the admin listener tell of the proxies that are in force now.
    fn tell_of_proxies(&self) {
        self.listeners.are(&self.slots, &self.metrics);
        self.applications.are(self.applications());
    }

    fn serve_admin(&self, server: AdminServer) {
        let state = AdminState {
            readiness: Arc::clone(&self.readiness),
            applications: Arc::clone(&self.applications),
            metrics: Arc::clone(&self.metrics),
            status: Arc::clone(&self.status),
            orders: self.orders.clone(),
        };
        self.admin.tasks.spawn(server.serve(state, self.admin.stop.clone()));
    }

    /// Messages carry no time, so a replay window that a key outlives leaves recordings that open.
    fn watch_windows(&mut self) {
        self.windows.cancel();
        self.windows = CancellationToken::new();
        for config in self.slots.iter().map(Slot::config).filter(|config| config.replay.is_some()) {
            let used = config.routes.key_sets();
            for keys in
                self.key_sets.iter().map(|set| &set.keys).filter(|keys| used.contains(&&keys.config.name))
            {
                // Before the first look, so that no ring comes in between unseen.
                let mut changes = keys.changes();
                let (config, store, until) =
                    (Arc::clone(config), Arc::clone(&keys.store), self.windows.clone());
                let mut window = OutlivedWindow::default();
                let mut look = move || {
                    if let Some(warning) = window.warning(&config, &store.snapshot(), Timestamp::now()) {
                        tracing::warn!("{warning}");
                    }
                };
                look();
                let looks = async move {
                    while changes.changed().await.is_ok() {
                        look();
                    }
                };
                self.tasks.spawn(async move { until.run_until_cancelled(looks).await.unwrap_or_default() });
            }
        }
    }

    fn access(&self, name: &str) -> Option<KeyAccess> {
        self.key_sets.iter().find(|set| *set.config().name == *name).map(|set| set.access().clone())
    }

    /// In a few words, for the supervisor.
    fn summary(&self) -> String {
        let keys: usize = self.key_sets.iter().map(|set| set.keys.store.snapshot().len()).sum();
        format!("proxies: {}, keys: {keys}", self.slots.len())
    }
}
