//! The key file is replaced in every way there is, and its keys are taken.

use std::fs;
use std::time::Duration;

use alewife::sources::watch::{WatchSettings, WatchedFile};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::ways::{Site, Way};

/// Events do it, not the poll.
const NEVER: Duration = Duration::from_secs(3600);

/// Far beyond the two seconds that a reload may take: what fails it, fails for good.
const DEADLINE: Duration = Duration::from_secs(20);

async fn taken_again_and_again(way: Way, settings: WatchSettings, rounds: usize) {
    let text = |round: usize| format!("round {round:05}");
    let mut site = Site::new(way, &text(0));
    let (out, mut read) = watch::channel(String::new());
    let mut file = WatchedFile::new(&site.path(), settings).unwrap();
    tokio::spawn(async move {
        loop {
            let change = file.changed().await;
            let Ok(text) = fs::read_to_string(file.path()) else { continue };
            if change.still_holds(file.path()) {
                out.send_replace(text);
            }
        }
    });
    for round in 0..=rounds {
        if round > 0 {
            site.change(&text(round));
        }
        let taken = timeout(DEADLINE, read.wait_for(|read| *read == text(round))).await;
        taken.unwrap_or_else(|_| panic!("{way:?}: not taken in round {round}")).unwrap();
    }
}

fn quick() -> WatchSettings {
    WatchSettings { stable_for: Duration::from_millis(10), poll_interval: NEVER, ..WatchSettings::default() }
}

#[tokio::test]
async fn every_way_a_hundred_times() {
    for way in Way::ALL {
        let t = std::time::Instant::now();
        taken_again_and_again(way, quick(), 100).await;
        println!("{way:?} {:?}", t.elapsed());
    }
}
