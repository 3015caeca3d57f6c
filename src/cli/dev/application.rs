//! Whether the application is up.

use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::capture::{Event, Summary};
use crate::cli::print;
use crate::metrics::Outcome;
use crate::net::reach;
use crate::proxy::Upstream;

/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says when it is not up, and when it is again: at the start, and whenever an exchange finds that it has gone.
pub(super) async fn watch(upstream: &Upstream, mut events: Receiver<Event>) {
    loop {
        wait_for(upstream).await;
        // What failed before it was there is no news.
        events = events.resubscribe();
        loop {
            match events.recv().await {
                Ok(Event::Exchange(summary)) if is_gone(&summary) => break,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// Whether no connection came about, or the one that there was broke.
fn is_gone(summary: &Summary) -> bool {
    let gone = [Outcome::UpstreamRefused, Outcome::UpstreamBroke].map(Outcome::label);
    summary.done && summary.outcome.is_some_and(|outcome| gone.contains(&outcome))
}

/// Returns once it is up. If it is not so yet, says so once, and says when it is.
async fn wait_for(upstream: &Upstream) {
    let mut is_told = false;
    while !matches!(timeout(PATIENCE, reach(&upstream.address)).await, Ok(Ok(()))) {
        if !std::mem::replace(&mut is_told, true) {
            say(format!("waiting for {upstream} …\n")).await;
        }
        sleep(PAUSE).await;
    }
    if is_told {
        say(format!("{upstream} is there\n")).await;
    }
}

/// Prints without holding up what is served, should nobody read.
async fn say(text: String) {
    let _ = spawn_blocking(move || print(&text)).await;
}
