use std::fs;

use jiff::Timestamp;
use tokio::time::Instant as TokioInstant;
use tokio_util::sync::CancellationToken;

use super::super::follow::KeyFollower;
use super::super::load::load_now;
use super::super::{KeysConfig, WatchSettings};
use super::*;
use crate::metrics::{Metrics, SourceKind};

const LONG: Duration = Duration::from_secs(3600);

fn key(fingerprint: &str) -> String {
    format!(
        "[[key]]\nfingerprint = \"{fingerprint}\"\nalgorithm = \"AES-128-GCM\"\n\
         secret = \"hex:000102030405060708090a0b0c0d0e0f\"\n"
    )
}

fn of_portal(cooldown: Duration) -> (Metrics, Refresh) {
    let metrics = Metrics::new();
    let keys = metrics.key_set("default", &[SourceKind::Portal], Timestamp::UNIX_EPOCH);
    (metrics, Refresh::new(None, true, cooldown, Duration::from_secs(5), keys))
}

fn refetches(metrics: &Metrics) -> bool {
    metrics.encode(Timestamp::UNIX_EPOCH).contains("alewife_key_refetches_total{keyset=\"default\"} 1\n")
}

#[tokio::test]
async fn who_asks_for_the_keys_anew_has_them_when_the_wait_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    fs::write(&file, key("first")).unwrap();
    let config = KeysConfig {
        refetch_cooldown: Duration::ZERO,
        poll_interval: LONG,
        ..KeysConfig::of_file(file.clone())
    };
    let loaded = load_now(&config).unwrap();
    let settings =
        WatchSettings { events: false, stable_for: Duration::from_millis(1), ..WatchSettings::from(&config) };
    let follower = KeyFollower::new(&loaded, &Metrics::new(), settings).unwrap();
    let refresh = follower.refresh();
    let stop = CancellationToken::new();
    let running = tokio::spawn(follower.run(stop.clone()));
    for name in ["second", "third", "fourth"] {
        fs::write(&file, key(name)).unwrap();
        refresh.anew().await;
        assert!(loaded.store.snapshot().key(name).is_some(), "{name}");
    }
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn wait_for_a_look_that_never_comes_is_over_after_refetch_timeout() {
    let (_metrics, refresh) = of_portal(LONG);
    let begin = TokioInstant::now();
    refresh.anew().await;
    assert_eq!(begin.elapsed().as_secs(), 5);
    refresh.for_unknown_key().unwrap().await;
    assert_eq!(begin.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn all_messages_under_unknown_keys_wait_for_one_fetch() {
    let (metrics, refresh) = of_portal(LONG);
    let waiting: Vec<_> = (0..200).map(|_| refresh.for_unknown_key().unwrap()).collect();
    assert!(refetches(&metrics));
    let portal = refresh.portal().unwrap();
    // One wish for all of them.
    portal.wanted().await;
    assert!(timeout(Duration::from_millis(20), portal.wanted()).await.is_err());
    portal.rounds.end(portal.rounds.begin());
    for waits in waiting {
        waits.await;
    }
    assert!(refresh.for_unknown_key().is_none(), "within the cooldown nobody waits for what was looked for");
    assert!(refetches(&metrics));
}

#[tokio::test]
async fn more_messages_than_may_wait_are_answered_at_once() {
    let (_metrics, refresh) = of_portal(LONG);
    let waiting: Vec<_> = (0..MOST_WAITING).map(|_| refresh.for_unknown_key().unwrap()).collect();
    assert!(refresh.for_unknown_key().is_none());
    // Whoever goes away makes room.
    drop(waiting);
    assert!(refresh.for_unknown_key().is_some());
}

#[tokio::test]
async fn portal_that_wants_to_be_left_alone_is_not_asked_and_not_waited_for() {
    let (metrics, refresh) = of_portal(Duration::ZERO);
    let portal = refresh.portal().unwrap();
    portal.leave_alone_until(Some(Instant::now() + LONG));
    assert!(refresh.for_unknown_key().is_none());
    assert!(!refetches(&metrics));
    portal.leave_alone_until(None);
    assert!(refresh.for_unknown_key().is_some());
    assert!(refetches(&metrics));
}

#[tokio::test]
async fn set_without_a_portal_has_nobody_wait() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    fs::write(&file, key("first")).unwrap();
    let config = KeysConfig::of_file(file);
    let loaded = load_now(&config).unwrap();
    let follower = KeyFollower::new(&loaded, &Metrics::new(), WatchSettings::from(&config)).unwrap();
    assert!(follower.refresh().for_unknown_key().is_none());
}
