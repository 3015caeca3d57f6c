use std::fs;
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use super::*;

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

/// A loaded file that is then given `text` and reloaded; what the log says to that.
async fn log_of_reload(text: &str, times: usize) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    fs::write(&file, key("first")).unwrap();
    let config = KeysConfig {
        file: file.clone(),
        clock_skew: Duration::ZERO,
        require_authenticated: false,
        seal_delay: Duration::from_secs(60),
        refetch_cooldown: Duration::from_secs(10),
        poll_interval: Duration::from_secs(3600),
        observation: Duration::from_secs(24 * 3600),
    };
    let loaded = load_now(&config).unwrap();
    let metrics = Arc::new(Metrics::new());
    let settings = WatchSettings { events: false, ..WatchSettings::from(&config) };
    let mut reloader = KeyReloader::new(&config, &loaded, metrics, settings).unwrap();
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
        reloader.reload(Change::Restless).await;
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
    assert!(log.contains("INFO") && log.contains("keys reloaded keys=1 sealing=\"second\""), "{log}");
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
    fs::write(&file, "half").unwrap();
    let config = KeysConfig {
        file,
        clock_skew: Duration::ZERO,
        require_authenticated: false,
        seal_delay: Duration::from_secs(60),
        refetch_cooldown: Duration::from_secs(10),
        poll_interval: Duration::from_secs(3600),
        observation: Duration::from_secs(24 * 3600),
    };
    let attempt = Attempt { config: Arc::new(config), hasher: RandomState::new(), seen: None };
    assert!(matches!(attempt.load(before), Outcome::Overtaken));
}

/// A reloader of a file with one key, and the file.
fn follower(cooldown: Duration) -> (tempfile::TempDir, std::path::PathBuf, Arc<KeyStore>, KeyReloader) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    fs::write(&file, key("first")).unwrap();
    let config = KeysConfig {
        file: file.clone(),
        clock_skew: Duration::ZERO,
        require_authenticated: false,
        seal_delay: Duration::ZERO,
        refetch_cooldown: cooldown,
        poll_interval: Duration::from_secs(3600),
        observation: Duration::from_secs(24 * 3600),
    };
    let loaded = load_now(&config).unwrap();
    let stable_for = Duration::from_millis(1);
    let settings = WatchSettings { events: false, stable_for, ..WatchSettings::from(&config) };
    let reloader = KeyReloader::new(&config, &loaded, Arc::new(Metrics::new()), settings).unwrap();
    (directory, file, loaded.store, reloader)
}

#[tokio::test]
async fn who_asks_for_the_keys_anew_has_them_when_the_wait_is_over() {
    let (_directory, file, store, reloader) = follower(Duration::ZERO);
    let refresh = reloader.refresh();
    let stop = CancellationToken::new();
    let running = tokio::spawn(reloader.run(stop.clone()));
    for name in ["second", "third", "fourth"] {
        fs::write(&file, key(name)).unwrap();
        refresh.anew().await;
        assert!(store.snapshot().key(name).is_some(), "{name}");
    }
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn within_the_cooldown_all_who_ask_get_one_reading() {
    let (_directory, _file, _store, reloader) = follower(Duration::from_secs(3600));
    let refresh = reloader.refresh();
    assert_eq!([refresh.ask(), refresh.ask(), refresh.clone().ask()], [1, 1, 1]);
    // One that has begun already may have read the file before the key was refused.
    let (_directory, _file, _store, other) = follower(Duration::from_secs(3600));
    let refresh = other.refresh();
    refresh.readings.begin();
    assert_eq!(refresh.ask(), 2);
}

#[tokio::test(start_paused = true)]
async fn wait_for_a_reading_that_never_comes_is_over_after_five_seconds() {
    let (_directory, _file, _store, reloader) = follower(Duration::from_secs(3600));
    let begin = tokio::time::Instant::now();
    reloader.refresh().anew().await;
    assert_eq!(begin.elapsed().as_secs(), 5);
}
