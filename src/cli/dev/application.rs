//! Whether the application is up.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::cli::print;
use crate::net::reach;
use crate::proxy::Upstream;

/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns once it is up. If it is not so yet, says so once, and says when it is.
pub(super) async fn wait_for(upstream: &Upstream) {
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
