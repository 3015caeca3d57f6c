//! Builds what a configuration says, runs it, and ends it without losing a request.
//!
//! One thread controls: it accepts, answers the admin listener, follows the key file and waits for signals. Each
//! worker is a thread with a runtime of its own and its own connections to the applications; the connections that
//! were accepted are handed to the workers in turn.

mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin::{
    AdminConfig, AdminError, AdminServer, AdminState, DEFAULT_KEY_SET, KeySetStatus, Readiness, Status,
};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::net::{BindError, HeldBudget, Listener, Stop};
use crate::proxy::{IvReuses, Proxy, ProxyCommon, ProxyConfig};
use crate::sources::{KeyReloader, LoadedKeys, Refresh, WatchSettings};
use worker::Worker;

/// A sidecar whose listeners are bound.
pub struct App {
    proxies: Vec<Listening>,
    admin: Option<SocketAddr>,
    refresh: Refresh,
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

/// One proxy as it listens.
pub struct Listening {
    /// Its settings.
    pub config: Arc<ProxyConfig>,
    /// Its address, with the real port.
    pub address: SocketAddr,
}

impl App {
    /// Binds every listener and starts the workers. Nothing is served before [`App::run_until`].
    pub async fn start(config: Config, keys: LoadedKeys, metrics: Arc<Metrics>) -> Result<Self, StartError> {
        let stop = Stop::default();
        let readiness = Arc::new(Readiness::new().requiring_key(DEFAULT_KEY_SET, Arc::clone(&keys.store)));
        metrics.key_ring_loaded(keys.store.snapshot().len(), Timestamp::now());
        let admin = match config.admin {
            Some(listen) => Some(AdminServer::bind(&AdminConfig { listen }).await?),
            None => None,
        };
        let settings = WatchSettings { poll_interval: config.keys.poll_interval, ..WatchSettings::default() };
        let reloader = KeyReloader::new(&config.keys, &keys, Arc::clone(&metrics), settings)
            .map_err(StartError::Watch)?;
        let mut app = Self {
            proxies: Vec::new(),
            admin: admin.as_ref().map(AdminServer::address),
            refresh: reloader.refresh(),
            readiness: Arc::clone(&readiness),
            reuses: Arc::default(),
            workers: Vec::new(),
            tasks: JoinSet::new(),
            admin_task: JoinSet::new(),
            stop: stop.clone(),
            admin_stop: CancellationToken::new(),
            grace: config.shutdown_grace,
        };
        app.start_proxies(&config, &keys, &metrics)?;
        app.tasks.spawn(reloader.run(stop.token().clone()));
        if let Some(admin) = admin {
            let status = Status::of(vec![KeySetStatus::new(
                DEFAULT_KEY_SET.into(),
                Arc::clone(&keys.store),
                config.keys.observation,
            )]);
            let state = AdminState { readiness, metrics, status };
            app.admin_task.spawn(admin.serve(state, app.admin_stop.clone()));
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

    /// Has the key file read again.
    pub fn refresh(&self) -> Refresh {
        self.refresh.clone()
    }

    /// Who repeats IVs, as far as was noted.
    pub fn iv_reuses(&self) -> Arc<IvReuses> {
        Arc::clone(&self.reuses)
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

    fn start_proxies(
        &mut self,
        config: &Config,
        keys: &LoadedKeys,
        metrics: &Arc<Metrics>,
    ) -> Result<(), StartError> {
        let budget = HeldBudget::new(config.max_held, metrics.held_bytes.clone());
        let mut listeners = Vec::new();
        for proxy in &config.proxies {
            let listener = Listener::bind(proxy.listen)
                .map_err(|source| StartError::Bind { proxy: Arc::clone(&proxy.name), source })?;
            let config = Arc::new(proxy.clone());
            let common = ProxyCommon::new(
                Arc::clone(&config),
                Arc::clone(&keys.store),
                self.refresh.clone(),
                Arc::clone(&budget),
                self.stop.clone(),
                Arc::clone(&self.reuses),
            );
            self.proxies.push(Listening { config, address: listener.address() });
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
        for (listener, _, inlets) in listeners {
            self.tasks.spawn(listener.run(inlets, self.stop.clone()));
        }
        Ok(())
    }
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
    /// The key file cannot be followed.
    #[error("the key file cannot be watched: {0}")]
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
