//! From the first request to the last.

use std::ops::ControlFlow;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::application::Application;
use super::slot::Slot;
use super::upstreams::{Awaited, UpstreamAway};
use super::worker;
use super::{App, StopError};
use crate::admin::Reload;

/// How long workers that have nothing left to do may take to end.
const NOTICING: Duration = Duration::from_secs(5);

/// What is left to an application at the least, however long its last requests took.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How the end came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How the application ended, if this process started it.
    pub application: Option<ExitStatus>,
}

impl App {
    /// Serves until `stop` is done, then ends what is under way within the grace.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), StopError> {
        let orders = self.orders();
        let stopping = async {
            stop.await;
            orders.stop();
        };
        let (ended, ()) = tokio::join!(self.run(None, async |_: &Self| Ok::<_, Unserved>(None)), stopping);
        ended.map(drop).map_err(|Unserved(error)| error)
    }

    /// Serves until it is told to stop, or until the application ends that `start` starts once it is served. Then what is
    /// under way is finished within the grace: with the requests to that application first, next it ends itself, and what it
    /// calls meanwhile is served until then.
    ///
    /// Before that it waits for as long as `patience` until every upstream can be connected to, if that is asked for.
    pub async fn run<E: From<StopError> + From<UpstreamAway>>(
        mut self,
        patience: Option<Duration>,
        start: impl AsyncFnOnce(&Self) -> Result<Option<Application>, E>,
    ) -> Result<Ended, E> {
        if let Some(patience) = patience {
            match self.await_upstreams(patience).await {
                Awaited::There => {}
                Awaited::Away(away) => {
                    let _ = self.end(None).await;
                    return Err(away.into());
                }
                Awaited::Stopped => return Ok(self.end(None).await?),
            }
        }
        self.serves = true;
        self.slots.iter_mut().for_each(Slot::open);
        self.readiness.listeners_bound();
        let mut application = match start(&self).await {
            Ok(application) => application,
            Err(error) => {
                let _ = self.end(None).await;
                return Err(error);
            }
        };
        self.supervisor.ready(&self.summary());
        self.carry_out_orders(application.as_mut()).await;
        Ok(self.end(application).await?)
    }

    /// Until the one to stop, or until there is no application any more.
    async fn carry_out_orders(&mut self, mut application: Option<&mut Application>) {
        let (mut pulse, stop) = (Pulse::of(self), self.given.stop.clone());
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                status = ended(&mut application) => return has_ended(status),
                Some(reload) = self.given.reloads.recv() => {
                    if self.carry_out(reload, &mut application, &mut pulse).await.is_break() {
                        return;
                    }
                }
                () = pulse.due() => pulse.beat(self).await,
            }
        }
    }

    /// Breaks off where a stop or the end of the application comes first: whatever is read may take for ever.
    pub(super) async fn carry_out(
        &mut self,
        Reload { why, told }: Reload,
        application: &mut Option<&mut Application>,
        pulse: &mut Pulse,
    ) -> ControlFlow<()> {
        let stop = self.given.stop.clone();
        let prepared = {
            let mut preparing = pin!(self.read_anew(why));
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return ControlFlow::Break(()),
                    status = ended(application) => {
                        has_ended(status);
                        return ControlFlow::Break(());
                    }
                    prepared = &mut preparing => break prepared,
                    () = pulse.due() => pulse.beat(self).await,
                }
            }
        };
        let report = self.conclude(why, prepared);
        // Whoever asked may have gone.
        let _ = told.map(|told| told.send(report));
        ControlFlow::Continue(())
    }

    async fn end(mut self, mut application: Option<Application>) -> Result<Ended, StopError> {
        self.readiness.stopping();
        self.supervisor.stopping();
        // Who waits for a reload is told that none comes any more.
        self.given.stop.cancel();
        self.given.reloads.close();
        while self.given.reloads.try_recv().is_ok() {}
        if !self.timing.delay.is_zero() && application.as_ref().is_none_or(Application::runs) {
            tracing::info!(delay = ?self.timing.delay, "stopping: not ready any more, new work is still taken");
            let mut application = application.as_mut();
            tokio::select! {
                () = sleep(self.timing.delay) => {}
                _ = ended(&mut application) => {}
            }
        }
        tracing::info!(grace = ?self.timing.grace, "stopping: exchanges under way are finished");
        let deadline = Instant::now() + self.timing.grace;
        let slots = std::mem::take(&mut self.slots);
        // What the application calls is served for as long as it runs; whoever calls it is served by it first.
        let waits_for_application = |slot: &Slot| application.is_some() && !slot.is_inbound();
        let (later, first): (Vec<_>, Vec<_>) = slots.into_iter().partition(waits_for_application);
        let mut is_clean = drain(first, deadline).await;
        let status = match &mut application {
            Some(application) => {
                Some(end_application(application, deadline.max(Instant::now() + LAST_WORDS)).await)
            }
            None => None,
        };
        is_clean &= drain(later, deadline).await;
        self.windows.cancel();
        self.key_sets.iter().for_each(|set| set.end());
        // All connections have ended, or were cut: what is left to the workers is to notice.
        let deadline = deadline.max(Instant::now() + NOTICING);
        let joined = worker::join(std::mem::take(&mut self.workers), deadline).await;
        self.admin.stop.cancel();
        self.admin.tasks.close();
        self.admin.tasks.wait().await;
        self.tasks.close();
        self.tasks.wait().await;
        joined?;
        match (is_clean, status) {
            (false, None) => Err(StopError::GraceExceeded),
            (false, Some(_)) => {
                // The process ends as the application did.
                tracing::error!("{}", StopError::GraceExceeded);
                Ok(Ended { application: status })
            }
            (true, status) => Ok(Ended { application: status }),
        }
    }
}

/// Nobody is waited for there.
struct Unserved(StopError);

impl From<StopError> for Unserved {
    fn from(error: StopError) -> Self {
        Self(error)
    }
}

impl From<UpstreamAway> for Unserved {
    fn from(_: UpstreamAway) -> Self {
        Self(StopError::GraceExceeded)
    }
}

/// All at once; whether nothing had to be cut.
async fn drain(slots: Vec<Slot>, deadline: Instant) -> bool {
    slots.iter().for_each(Slot::say_stop);
    let mut is_clean = true;
    for slot in slots {
        is_clean &= slot.drain(deadline).await;
    }
    is_clean
}

/// Asks it to end, and kills it at `deadline`.
async fn end_application(application: &mut Application, deadline: Instant) -> ExitStatus {
    application.handle().signal(Signal::TERM);
    if let Ok(status) = timeout_at(deadline, application.ended()).await {
        return status;
    }
    tracing::warn!("the application did not end within shutdown_grace and is killed");
    application.handle().signal(Signal::KILL);
    application.ended().await
}

fn has_ended(status: ExitStatus) {
    tracing::info!(%status, "the application has ended");
}

/// Never, where there is none.
async fn ended(application: &mut Option<&mut Application>) -> ExitStatus {
    match application {
        Some(application) => application.ended().await,
        None => std::future::pending().await,
    }
}

/// Says to the supervisor that the process is alive, for as long as each worker gets round to answering.
pub(super) struct Pulse {
    interval: Option<Duration>,
    next: Instant,
}

impl Pulse {
    pub(super) fn of(app: &App) -> Self {
        Self { interval: app.supervisor.interval(), next: Instant::now() }
    }

    async fn due(&self) {
        match self.interval {
            Some(_) => sleep_until(self.next).await,
            None => std::future::pending().await,
        }
    }

    async fn beat(&mut self, app: &App) {
        let Some(interval) = self.interval else { return };
        self.next = Instant::now() + interval;
        for worker in &app.workers {
            if !matches!(timeout_at(self.next, worker.pulse()).await, Ok(true)) {
                tracing::error!(
                    "a worker does not answer: the supervisor is not told that the process is alive"
                );
                return;
            }
        }
        app.supervisor.alive();
    }
}
