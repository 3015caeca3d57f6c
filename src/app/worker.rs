//! One worker: a thread, a current-thread runtime, and the connections that fall to it.

use std::io;
use std::thread::{Builder, JoinHandle};

use tokio::runtime;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::StopError;
use crate::net::Accepted;
use crate::proxy::Proxy;

/// A running worker. It ends by itself once nobody can give it anything more and its connections have ended.
pub(super) struct Worker {
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<()>,
    cut: CancellationToken,
    tasks: UnboundedSender<Task>,
}

/// What a worker is given to do.
enum Task {
    /// Say that it gets round to doing something.
    Answer(oneshot::Sender<()>),
    /// Serve what comes out of a place.
    Serve(Place),
}

/// Where a worker takes the connections of one listener.
pub(super) struct Place {
    /// What serves them at first.
    pub(super) proxy: Proxy,
    /// Where they come out.
    pub(super) outlet: UnboundedReceiver<Handed>,
    /// Ends all of them at once.
    pub(super) cut: CancellationToken,
}

/// What a worker is handed.
pub(super) enum Handed {
    /// A connection, which counts as one of its listener's from now on.
    Connection(Accepted, TaskTrackerToken),
    /// What serves from the next request on.
    Successor(Box<Proxy>),
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(number: usize) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (ending, ended) = oneshot::channel();
        let (tasks, given) = mpsc::unbounded_channel();
        let cut = CancellationToken::new();
        let until = cut.clone();
        let thread = Builder::new().name(format!("worker-{number}")).spawn(move || {
            runtime.block_on(until.run_until_cancelled(work(given)));
            // Blocking name look-ups may still be under way; nobody waits for them.
            runtime.shutdown_background();
            let _ = ending.send(());
        })?;
        Ok(Self { thread, ended, cut, tasks })
    }

    /// Has it serve what comes out of `place`.
    pub(super) fn serve(&self, place: Place) {
        // A worker that is gone has panicked, and the process is on its way down.
        let _ = self.tasks.send(Task::Serve(place));
    }

    /// Ends once it has got round to doing something; with `false` if it is gone.
    pub(super) fn pulse(&self) -> impl Future<Output = bool> + use<> {
        let (answer, answered) = oneshot::channel();
        let asked = self.tasks.send(Task::Answer(answer)).is_ok();
        async move { asked && answered.await.is_ok() }
    }
}

/// Waits for the workers to end, until `deadline` at most; cuts what is still under way then.
pub(super) async fn join(workers: Vec<Worker>, deadline: Instant) -> Result<(), StopError> {
    let mut result = Ok(());
    let workers: Vec<_> =
        workers.into_iter().map(|Worker { thread, ended, cut, .. }| (thread, ended, cut)).collect();
    for (thread, mut ended, cut) in workers {
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

async fn work(mut tasks: UnboundedReceiver<Task>) {
    let connections = TaskTracker::new();
    while let Some(task) = tasks.recv().await {
        match task {
            // Whoever asked may have given up.
            Task::Answer(answer) => drop(answer.send(())),
            Task::Serve(place) => drop(connections.spawn(serve(place, connections.clone()))),
        }
    }
    connections.close();
    connections.wait().await;
}

async fn serve(place: Place, connections: TaskTracker) {
    let Place { mut proxy, mut outlet, cut } = place;
    while let Some(handed) = outlet.recv().await {
        match handed {
            Handed::Connection(accepted, counted) => {
                let (serving, cut) = (proxy.serve(accepted), cut.clone());
                connections.spawn(async move {
                    cut.run_until_cancelled(serving).await;
                    drop(counted);
                });
            }
            Handed::Successor(successor) => proxy.succeed(*successor),
        }
    }
}
