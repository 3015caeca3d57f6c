//! Whether the upstreams can be connected to.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::App;
use super::end::Pulse;
use super::slot::Slot;
use crate::admin::Application;
use crate::net::{ConnectFault, reach};
use crate::proxy::Upstream;

/// From one attempt to the next.
const PAUSE: Duration = Duration::from_millis(200);

/// How the wait for the upstreams ended.
pub(super) enum Awaited {
    /// All of them are there.
    There,
    Away(UpstreamAway),
    /// A stop was asked for meanwhile.
    Stopped,
}

/// An upstream that was waited for in vain.
#[derive(Debug, thiserror::Error)]
#[error("proxy {proxy}: the upstream {upstream} cannot be connected to after {patience:?}: {fault}")]
pub struct UpstreamAway {
    /// The proxy's name.
    pub proxy: Arc<str>,
    /// Where nobody answers.
    pub upstream: String,
    /// How long it was waited for.
    pub patience: Duration,
    /// What came of the last attempt.
    pub fault: ConnectFault,
}

impl App {
    /// Waits until every upstream can be connected to, or a stop is asked for.
    pub(super) async fn await_upstreams(&mut self, patience: Duration) -> Awaited {
        let (deadline, stop) = (Instant::now() + patience, self.given.stop.clone());
        loop {
            let upstreams = self.upstreams();
            let reload = tokio::select! {
                biased;
                () = stop.cancelled() => return Awaited::Stopped,
                Some(reload) = self.given.reloads.recv() => reload,
                away = first_away(upstreams, deadline, patience) => {
                    return away.map_or(Awaited::There, Awaited::Away);
                }
            };
            // What is written now may name others.
            if self.carry_out(reload, &mut None, &mut Pulse::of(self)).await.is_break() {
                return Awaited::Stopped;
            }
        }
    }

    /// Each upstream once, with the first proxy that it belongs to.
    pub(super) fn upstreams(&self) -> Vec<(Arc<str>, Upstream)> {
        distinct(self.slots.iter())
    }

    /// The applications: what is behind an outbound proxy is somebody else's.
    pub(super) fn applications(&self) -> Vec<Application> {
        let mut applications: Vec<Application> = Vec::new();
        for (proxy, upstream) in distinct(self.slots.iter().filter(|slot| slot.is_inbound())) {
            let (shown, address) = (upstream.to_string(), upstream.address);
            // One that is trusted in two ways is still in one place.
            if applications.iter().all(|known| known.upstream != shown) {
                applications.push(Application { proxy, upstream: shown, address });
            }
        }
        applications
    }
}

/// Waits for each of them; gives back one that has not come by `deadline`.
async fn first_away(
    upstreams: Vec<(Arc<str>, Upstream)>,
    deadline: Instant,
    patience: Duration,
) -> Option<UpstreamAway> {
    for (proxy, upstream) in upstreams {
        if let Err(fault) = await_upstream(&proxy, &upstream, deadline).await {
            return Some(UpstreamAway { proxy, upstream: upstream.to_string(), patience, fault });
        }
    }
    None
}

fn distinct<'s>(slots: impl Iterator<Item = &'s Slot>) -> Vec<(Arc<str>, Upstream)> {
    let mut known: Vec<(Arc<str>, Upstream)> = Vec::new();
    for config in slots.map(Slot::config) {
        for route in config.routes.iter() {
            if known.iter().all(|(_, upstream)| *upstream != route.upstream) {
                known.push((Arc::clone(&config.name), route.upstream.clone()));
            }
        }
    }
    known
}

async fn await_upstream(proxy: &str, upstream: &Upstream, deadline: Instant) -> Result<(), ConnectFault> {
    let mut is_told = false;
    loop {
        let attempt = timeout_at(deadline, reach(&upstream.address)).await;
        let fault = match attempt {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(fault)) => fault,
            Err(_elapsed) => return Err(ConnectFault::TimedOut),
        };
        if !std::mem::replace(&mut is_told, true) {
            tracing::info!(proxy, %upstream, error = %fault, "waiting for the upstream");
        }
        if Instant::now() + PAUSE >= deadline {
            return Err(fault);
        }
        sleep(PAUSE).await;
    }
}
