//! Builds what a configuration says, runs it, and ends it without losing a request.
//!
//! One thread controls: it accepts, answers the admin listener, follows the sources of the keys and waits for signals. Each
//! worker is a thread with a runtime of its own and its own connections to the applications; the connections that
//! were accepted are handed to the workers in turn.

mod reuses;
mod sources;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin::{AdminConfig, AdminError, AdminServer, AdminState, KeySetStatus, Readiness, Status};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::net::{
    Accepted, BindError, HeldBudget, ListenAddress, Listener, ListenerTlsFault, Stop, TlsAcceptor,
};
use crate::proxy::{IvReuses, KeyAccess, OutlivedWindow, Proxy, ProxyCommon, ProxyConfig};
use crate::sources::{
    CertificateFollower, Certificates, KeyFollower, LoadedKeys, Refresh, WatchSettings, first_keys,
};
use worker::Worker;

/// A sidecar whose listeners are bound.
pub struct App {
    proxies: Vec<Listening>,
    admin: Option<SocketAddr>,
    key_sets: Vec<KeySet>,
    readiness: Arc<Readiness>,
    reuses: Arc<IvReuses>,
    workers: Vec<Worker>,
    /// Accepts, follows the keys; ended by `stop`.
    tasks: JoinSet<()>,
    admin_task: JoinSet<()>,
    stop: Stop,
    admin_stop: CancellationToken,
    grace: Duration,
}

/// Where a worker takes the connections of one listener.
type Inlet = UnboundedSender<Accepted>;

/// One key set as its proxies see it.
struct KeySet {
    name: Arc<str>,
    access: KeyAccess,
}

/// One proxy as it listens.
pub struct Listening {
    /// Its settings.
    pub config: Arc<ProxyConfig>,
    /// Its address, with the real port.
    pub address: ListenAddress,
}

impl App {
    /// Binds every listener and starts the workers. Nothing is served before [`App::run_until`].
    ///
    /// Where there is no key yet to seal with, it waits for the portal's first answer, for as long as one may take.
    pub async fn start(
        config: Config,
        keys: Vec<LoadedKeys>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let stop = Stop::default();
        let now = Timestamp::now();
        let readiness = keys.iter().fold(Readiness::new(), |readiness, keys| {
            let readiness = readiness.requiring_key(&keys.config.name, Arc::clone(&keys.store));
            sources::required(readiness, keys, now)
        });
        let readiness = Arc::new(readiness);
        let admin = match config.admin {
            Some(listen) => Some(AdminServer::bind(&AdminConfig { listen }).await?),
            None => None,
        };
        let mut app = Self {
            proxies: Vec::new(),
            admin: admin.as_ref().map(AdminServer::address),
            key_sets: Vec::new(),
            readiness: Arc::clone(&readiness),
            reuses: Arc::default(),
            workers: Vec::new(),
            tasks: JoinSet::new(),
            admin_task: JoinSet::new(),
            stop: stop.clone(),
            admin_stop: CancellationToken::new(),
            grace: config.shutdown_grace,
        };
        for keys in &keys {
            app.follow(keys, &metrics)?;
        }
        let listeners = app.start_proxies(&config, &metrics)?;
        if let Some(admin) = admin {
            let status = Status::of(keys.iter().map(status_of).collect())
                .with("iv_reuses", reuses::report(Arc::clone(&app.reuses)));
            let state = AdminState { readiness, metrics, status };
            app.admin_task.spawn(admin.serve(state, app.admin_stop.clone()));
        }
        app.await_keys(&keys).await;
        app.warn_of_outlived_windows(&keys);
        for (listener, inlets) in listeners {
            app.tasks.spawn(listener.run(inlets, stop.clone()));
        }
        Ok(app)
    }

    /// The proxies, in the order of the configuration.
    pub fn proxies(&self) -> &[Listening] {
        &self.proxies
    }

    /// Where the admin listener is, if there is one.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// For having the sources of all keys looked at again.
    pub fn refreshes(&self) -> Vec<Refresh> {
        self.key_sets.iter().map(|set| set.access.refresh.clone()).collect()
    }

    /// Serves until `stop` is done, then ends what is under way within the grace.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), StopError> {
        self.readiness.listeners_bound();
        stop.await;
        self.readiness.stopping();
        tracing::info!(grace = ?self.grace, "stopping: exchanges under way are finished");
        self.stop.say();
        while self.tasks.join_next().await.is_some() {}
        let ended = worker::join(self.workers, self.grace).await;
        self.admin_stop.cancel();
        while self.admin_task.join_next().await.is_some() {}
        ended
    }

    /// Follows the sources of one key set from now on.
    fn follow(&mut self, keys: &LoadedKeys, metrics: &Metrics) -> Result<(), StartError> {
        let settings = WatchSettings::from(&*keys.config);
        let follower = KeyFollower::new(keys, metrics, settings).map_err(StartError::Watch)?;
        self.key_sets.push(KeySet {
            name: Arc::clone(&keys.config.name),
            access: KeyAccess { store: Arc::clone(&keys.store), refresh: follower.refresh() },
        });
        self.tasks.spawn(follower.run(self.stop.token().clone()));
        Ok(())
    }

    async fn await_keys(&self, keys: &[LoadedKeys]) {
        for (set, keys) in self.key_sets.iter().zip(keys) {
            let patience = keys.config.portal.as_ref().map_or(Duration::ZERO, |portal| portal.client.timeout);
            first_keys(&set.access.store, &set.access.refresh, patience).await;
        }
    }

    /// Messages carry no time, so a replay window that a key outlives leaves recordings that open.
    fn warn_of_outlived_windows(&mut self, keys: &[LoadedKeys]) {
        for proxy in self.proxies.iter().filter(|proxy| proxy.config.replay.is_some()) {
            let used = proxy.config.routes.key_sets();
            for keys in keys.iter().filter(|keys| used.contains(&&keys.config.name)) {
                // Before the first look, so that no ring comes in between unseen.
                let mut changes = keys.changes();
                let (config, store, stop) =
                    (Arc::clone(&proxy.config), Arc::clone(&keys.store), self.stop.token().clone());
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
                self.tasks.spawn(async move { stop.run_until_cancelled(looks).await.unwrap_or_default() });
            }
        }
    }

    /// How the listener of a proxy shakes hands, if it speaks TLS.
    fn tls(&mut self, config: &ProxyConfig, metrics: &Metrics) -> Result<Option<TlsAcceptor>, StartError> {
        let Some(settings) = &config.tls else { return Ok(None) };
        let unusable = |fault| StartError::Tls { proxy: Arc::clone(&config.name), fault };
        let acceptor = TlsAcceptor::new(settings).map_err(unusable)?;
        self.follow_certificates(
            config,
            Certificates::Listener(settings.clone(), acceptor.clone()),
            metrics,
        )?;
        Ok(Some(acceptor))
    }

    /// Follows the files of certificates from now on.
    fn follow_certificates(
        &mut self,
        config: &ProxyConfig,
        certificates: Certificates,
        metrics: &Metrics,
    ) -> Result<(), StartError> {
        let metrics = metrics.certificates(&config.name);
        let watch = WatchSettings::default();
        let follower = CertificateFollower::new(&config.name, certificates, metrics, watch);
        self.tasks.spawn(follower.map_err(StartError::Watch)?.run(self.stop.token().clone()));
        Ok(())
    }

    fn keys(&self, name: &str) -> Option<KeyAccess> {
        self.key_sets.iter().find(|set| *set.name == *name).map(|set| set.access.clone())
    }

    fn start_proxies(
        &mut self,
        config: &Config,
        metrics: &Arc<Metrics>,
    ) -> Result<Vec<(Listener, Vec<Inlet>)>, StartError> {
        let budget = HeldBudget::new(config.max_held, metrics.held_bytes.clone());
        let mut listeners = Vec::new();
        for proxy in &config.proxies {
            let listener = Listener::bind(&proxy.listen)
                .map_err(|source| StartError::Bind { proxy: Arc::clone(&proxy.name), source })?;
            let config = Arc::new(proxy.clone());
            let common = ProxyCommon::new(
                Arc::clone(&config),
                |name| self.keys(name),
                Arc::clone(&budget),
                self.stop.clone(),
                Arc::clone(&self.reuses),
            );
            let common = common.ok_or_else(|| StartError::NoKeys { proxy: Arc::clone(&proxy.name) })?;
            let common = common.under_tls(self.tls(&config, metrics)?);
            for (upstream, tls) in common.upstream_tls() {
                let Some(settings) = upstream.tls.clone() else { continue };
                let address = upstream.address.clone();
                let certificates = Certificates::Upstream(address, settings, tls.clone());
                self.follow_certificates(&config, certificates, metrics)?;
            }
            self.proxies.push(Listening { config, address: listener.address().clone() });
            listeners.push((listener, common, Vec::new()));
        }
        for number in 0..config.workers.get() {
            let mut proxies = Vec::new();
            for (_, common, inlets) in &mut listeners {
                let (inlet, accepted) = tokio::sync::mpsc::unbounded_channel();
                inlets.push(inlet);
                proxies.push((Proxy::new(common, metrics), accepted));
            }
            self.workers.push(Worker::start(number, proxies).map_err(StartError::Worker)?);
        }
        Ok(listeners.into_iter().map(|(listener, _, inlets)| (listener, inlets)).collect())
    }
}

fn status_of(keys: &LoadedKeys) -> KeySetStatus {
    KeySetStatus::new(Arc::clone(&keys.config.name), Arc::clone(&keys.store), keys.config.observation)
        .with("sources", sources::report(keys))
}

/// Why the sidecar did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The admin listener could not be bound.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A proxy's listener could not be bound.
    #[error("proxy {proxy}: {source}; proxy.{proxy}.listen takes another address")]
    Bind {
        /// The proxy's name.
        proxy: Arc<str>,
        /// The address, and what the system said.
        source: BindError,
    },
    /// The keys of a proxy were not handed over.
    #[error("proxy {proxy}: its key set was not loaded")]
    NoKeys {
        /// The proxy's name.
        proxy: Arc<str>,
    },
    /// A listener cannot speak TLS.
    #[error("proxy {proxy}: {fault}")]
    Tls {
        /// The proxy's name.
        proxy: Arc<str>,
        /// What is wrong with its certificates.
        fault: ListenerTlsFault,
    },
    /// A file of keys or certificates cannot be followed.
    #[error("a file of keys or certificates cannot be watched: {0}")]
    Watch(#[source] std::io::Error),
    /// A thread could not be made.
    #[error("a worker could not be started: {0}")]
    Worker(#[source] std::io::Error),
}

/// Why a stop was not clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// Exchanges under way did not end in time and were cut.
    #[error("exchanges under way did not end within shutdown_grace and were cut")]
    GraceExceeded,
    /// A worker panicked.
    #[error("a worker broke down")]
    WorkerBroke,
}
