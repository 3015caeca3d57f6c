//! One listener, and the proxy that serves its connections on all workers.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::tls::Followed;
use super::worker::{Handed, Place, Worker};
use crate::metrics::Metrics;
use crate::net::{DoorTerms, ListenAddress, Listener, Stop};
use crate::proxy::{Mode, Proxy, ProxyCommon, ProxyConfig};

/// See the module. The listener stays where it is whatever happens to the proxy.
pub(super) struct Slot {
    address: ListenAddress,
    common: ProxyCommon,
    /// What the listener goes by.
    door: Arc<ArcSwap<DoorTerms>>,
    /// One for each worker.
    inlets: Vec<UnboundedSender<Handed>>,
    /// Says to the listener and to each connection that it is over.
    stop: Stop,
    /// Ends each connection at once.
    cut: CancellationToken,
    /// Each connection from its acceptance on.
    connections: TaskTracker,
    certificates: Followed,
    /// As long as connections wait in the kernel's queue.
    closed: Option<Listener>,
    /// Accepts them.
    accepting: Option<JoinHandle<()>>,
}

impl Slot {
    /// The proxy `common` behind `listener`, on `workers`. Nothing is accepted before [`Slot::open`].
    pub(super) fn new(
        listener: Listener,
        common: ProxyCommon,
        stop: Stop,
        certificates: Followed,
        workers: &[Worker],
        metrics: &Metrics,
    ) -> Self {
        let (cut, mut inlets) = (CancellationToken::new(), Vec::new());
        for worker in workers {
            let (inlet, outlet) = mpsc::unbounded_channel();
            inlets.push(inlet);
            worker.serve(Place { proxy: Proxy::new(&common, metrics), outlet, cut: cut.clone() });
        }
        Self {
            address: listener.address().clone(),
            door: Arc::new(ArcSwap::from_pointee(common.door_terms())),
            common,
            inlets,
            stop,
            cut,
            connections: TaskTracker::new(),
            certificates,
            closed: Some(listener),
            accepting: None,
        }
    }

    /// Accepts from now on.
    pub(super) fn open(&mut self) {
        let Some(listener) = self.closed.take() else { return };
        let (inlets, connections) = (self.inlets.clone(), self.connections.clone());
        let (door, stop) = (self.common.door(Arc::clone(&self.door)), self.stop.clone());
        self.accepting = Some(tokio::spawn(async move {
            let mut turn = inlets.iter().cycle();
            let hand_over = |accepted| {
                if let Some(worker) = turn.next() {
                    // A worker that is gone has panicked, and the process is on its way down.
                    let _ = worker.send(Handed::Connection(accepted, connections.token()));
                }
            };
            listener.run(hand_over, door, stop).await;
        }));
    }

    /// Has `common` serve from the next request on.
    pub(super) fn succeed(&mut self, common: ProxyCommon, certificates: Followed, metrics: &Metrics) {
        let config = common.config();
        common.limits().change(&config.name, &config.limits, metrics.proxy(&config.name));
        let common = common.following(&self.common);
        self.door.store(Arc::new(common.door_terms()));
        for inlet in &self.inlets {
            let successor = Handed::Successor(Box::new(Proxy::new(&common, metrics)));
            let _ = inlet.send(successor);
        }
        self.common = common;
        self.certificates = certificates;
    }

    /// Where it really listens.
    pub(super) fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// The proxy's settings.
    pub(super) fn config(&self) -> &Arc<ProxyConfig> {
        self.common.config()
    }

    /// The proxy as it is.
    pub(super) fn common(&self) -> &ProxyCommon {
        &self.common
    }

    /// What says to its connections that it is over.
    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Whether the application is behind it, and not in front.
    pub(super) fn is_inbound(&self) -> bool {
        matches!(self.config().mode, Mode::Inbound(_))
    }

    /// Takes nothing new from now on, and tells clients to go.
    pub(super) fn say_stop(&self) {
        self.stop.say();
    }

    /// Ends when all connections have ended, or at `deadline`, which cuts what is left; whether nothing had to be cut.
    pub(super) async fn drain(self, deadline: Instant) -> bool {
        let Self { inlets, stop, cut, connections, accepting, .. } = self;
        stop.say();
        if let Some(accepting) = accepting {
            let _ = accepting.await;
        }
        drop(inlets);
        connections.close();
        let clean = timeout_at(deadline, connections.wait()).await.is_ok();
        if !clean {
            cut.cancel();
            connections.wait().await;
        }
        clean
    }
}
