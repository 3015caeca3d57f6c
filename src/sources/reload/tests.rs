use std::fs;
use std::io::{self, Write};
use std::sync::Mutex;
use std::time::Duration;

use super::super::assembly::MOST_FAULTS_TOLD;
use super::super::load::load_now;
use super::*;
use crate::metrics::Metrics;

const SECRET: &str = "f0e1d2c3b4a5968778695a4b3c2d1e0f";

/// What was logged, one string.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn config(file: &std::path::Path) -> KeysConfig {
    KeysConfig { poll_interval: Duration::from_secs(3600), ..KeysConfig::of_file(file.to_owned()) }
}

/// One who follows the file, and how it is asked.
fn follower(loaded: &LoadedKeys) -> (FileFollower, Refresh) {
    let metrics = Metrics::new().key_set("default", &[SourceKind::File], Timestamp::now());
    let settings = WatchSettings { events: false, ..WatchSettings::from(&*loaded.config) };
    let follower = FileFollower::new(loaded, metrics.clone(), settings).unwrap().unwrap();
    let refresh = Refresh::new(Some(follower.nudge()), false, Duration::ZERO, Duration::ZERO, metrics);
    (follower, refresh)
}

/// A loaded file that is then given `text` and reloaded; what the log says to that.
async fn log_of_reload(text: &str, times: usize) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    fs::write(&file, key("first")).unwrap();
    let loaded = load_now(&config(&file)).unwrap();
    let (mut follower, refresh) = follower(&loaded);
    fs::write(&file, text).unwrap();

    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for _ in 0..times {
        follower.reload(Change::Restless, refresh.file().unwrap()).await;
    }
    let text = log.text();
    assert!(!text.contains(SECRET), "{text}");
    text
}

fn key(fingerprint: &str) -> String {
    format!(
        "[[key]]\nfingerprint = \"{fingerprint}\"\nalgorithm = \"AES-128-GCM\"\nsecret = \"hex:{SECRET}\"\n"
    )
}

#[tokio::test]
async fn reload_is_one_line_with_count_and_sealing_key() {
    let log = log_of_reload(&key("second"), 1).await;
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(
        log.contains("INFO") && log.contains("keys reloaded keyset=\"default\" keys=1 sealing=\"second\""),
        "{log}"
    );
}

#[tokio::test]
async fn refusal_is_one_line_with_every_fault() {
    let log = log_of_reload(&key("two words").replace("AES-128-GCM", "ROT-13"), 1).await;
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("ERROR") && log.contains("key file refused, the keys in force stay"), "{log}");
    assert!(log.contains("keys.toml:2:") && log.contains("keys.toml:3:"), "{log}");
}

#[tokio::test]
async fn refusal_with_very_many_faults_tells_the_first_and_counts_the_rest() {
    let log = log_of_reload(&key("two words").repeat(1000), 1).await;
    assert_eq!(log.lines().count(), 1);
    assert_eq!(log.matches("remedy: ").count(), MOST_FAULTS_TOLD, "{log}");
    assert!(log.contains("faults="), "{log}");
}

#[tokio::test]
async fn refused_file_that_stays_as_it_is_is_told_once() {
    let log = log_of_reload("wrong", 3).await;
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[tokio::test]
async fn unchanged_file_is_not_told() {
    assert_eq!(log_of_reload(&key("first"), 3).await, "");
}

#[tokio::test]
async fn file_that_changed_while_it_was_read_is_left_for_the_next_round() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    fs::write(&file, key("first")).unwrap();
    let before = Change::AtRest(super::super::watch::Version::of(&file));
    let loaded = load_now(&config(&file)).unwrap();
    let (mut follower, refresh) = follower(&loaded);
    fs::write(&file, "half").unwrap();
    let rounds = refresh.file().unwrap();
    let wanted = rounds.rounds.ask(Duration::ZERO).round();
    follower.reload(before, rounds).await;
    assert!(!rounds.rounds.has_ended(wanted), "what may be half of something ends no reading");
    assert_eq!(follower.state.failure(), None);
    follower.reload(Change::Restless, rounds).await;
    assert!(rounds.rounds.has_ended(wanted));
    assert!(follower.state.failure().is_some());
}

#[tokio::test]
async fn file_that_was_refused_is_not_confirmed_by_staying_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    fs::write(&file, key("first")).unwrap();
    let loaded = load_now(&config(&file)).unwrap();
    let (mut follower, refresh) = follower(&loaded);
    fs::write(&file, "wrong").unwrap();
    for _ in 0..2 {
        follower.reload(Change::Restless, refresh.file().unwrap()).await;
        assert!(follower.state.failure().is_some_and(|failure| failure.what.contains("not TOML")));
    }
    fs::write(&file, key("second")).unwrap();
    follower.reload(Change::Restless, refresh.file().unwrap()).await;
    assert_eq!(follower.state.failure(), None);
}
