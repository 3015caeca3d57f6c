//! One worker: a thread, a current-thread runtime, and the connections that fall to it.

use std::io;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::StopError;
use crate::net::Accepted;
use crate::proxy::Proxy;

/// A running worker. It ends by itself once its listeners are closed and its connections have ended.
pub(super) struct Worker {
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<()>,
    cut: CancellationToken,
}

impl Worker {
    /// Starts the thread; each proxy gets the connections that come out of its channel.
    pub(super) fn start(
        number: usize,
        proxies: Vec<(Proxy, UnboundedReceiver<Accepted>)>,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (ending, ended) = oneshot::channel();
        let cut = CancellationToken::new();
        let until = cut.clone();
        let thread = Builder::new().name(format!("worker-{number}")).spawn(move || {
            runtime.block_on(until.run_until_cancelled(serve(proxies)));
            // Blocking name look-ups may still be under way; nobody waits for them.
            runtime.shutdown_background();
            let _ = ending.send(());
        })?;
        Ok(Self { thread, ended, cut })
    }
}

/// Waits for the workers to end, for at most `grace`; cuts what is still under way then.
pub(super) async fn join(workers: Vec<Worker>, grace: Duration) -> Result<(), StopError> {
    let deadline = tokio::time::Instant::now() + grace;
    let mut result = Ok(());
    for Worker { thread, mut ended, cut } in workers {
        if timeout_at(deadline, &mut ended).await.is_err() {
            result = Err(StopError::GraceExceeded);
            cut.cancel();
            let _ = ended.await;
        }
        if thread.join().is_err() {
            result = Err(StopError::WorkerBroke);
        }
    }
    result
}

async fn serve(proxies: Vec<(Proxy, UnboundedReceiver<Accepted>)>) {
    let connections = TaskTracker::new();
    let accepting: Vec<_> = proxies
        .into_iter()
        .map(|(proxy, inlet)| connections.spawn(take(proxy, inlet, connections.clone())))
        .collect();
    drop(accepting);
    connections.close();
    connections.wait().await;
}

async fn take(proxy: Proxy, mut inlet: UnboundedReceiver<Accepted>, connections: TaskTracker) {
    while let Some(accepted) = inlet.recv().await {
        connections.spawn(proxy.serve(accepted));
    }
}
