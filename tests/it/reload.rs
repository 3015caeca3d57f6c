//! The key file is replaced in every way there is, and its keys are taken.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alewife::keys::KeyStore;
use alewife::metrics::Metrics;
use alewife::sources::{KeyFollower, KeysConfig, Refresh, WatchSettings, load_now};
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::ways::{Site, Way, rename_over};

/// So rare a poll is none: the events do it.
const NEVER: Duration = Duration::from_secs(3600);

/// Far beyond the two seconds that a reload may take: what fails it, fails for good.
const DEADLINE: Duration = Duration::from_secs(20);

/// A ring that follows its file.
struct Following {
    store: Arc<KeyStore>,
    metrics: Arc<Metrics>,
    refresh: Refresh,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Following {
    fn start(path: &Path, settings: WatchSettings) -> Self {
        Self::start_after(path, settings, || {})
    }

    /// Does `between` when the file was loaded and is not yet followed.
    fn start_after(path: &Path, settings: WatchSettings, between: impl FnOnce()) -> Self {
        let config = config(path);
        let loaded = load_now(&config).unwrap();
        between();
        let metrics = Arc::new(Metrics::new());
        let follower = KeyFollower::new(&loaded, &metrics, settings).unwrap();
        let refresh = follower.refresh();
        let stop = CancellationToken::new();
        let task = tokio::spawn(follower.run(stop.clone()));
        Self { store: loaded.store, metrics, refresh, stop, task }
    }

    fn sealing(&self) -> String {
        let ring = self.store.snapshot();
        ring.sealing_key(Timestamp::now()).unwrap().fingerprint.to_string()
    }

    async fn seals_with(&self, name: &str) {
        until(&format!("the key {name} to seal"), || self.sealing() == name).await;
    }

    fn count(&self, metric: &str) -> u64 {
        let text = self.metrics.encode(Timestamp::now());
        let line =
            text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ').map(str::to_owned));
        line.unwrap().parse().unwrap()
    }

    fn reloads(&self) -> u64 {
        self.count("alewife_key_reloads_total{keyset=\"default\"}")
    }

    fn failures(&self) -> u64 {
        self.count("alewife_key_reload_failures_total{keyset=\"default\"}")
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

fn config(path: &Path) -> KeysConfig {
    KeysConfig { poll_interval: NEVER, ..KeysConfig::of_file(path.to_owned()) }
}

/// Comes to rest quickly, so that a hundred rounds are over soon.
fn quick() -> WatchSettings {
    WatchSettings { stable_for: Duration::from_millis(10), poll_interval: NEVER, ..WatchSettings::default() }
}

/// As the product has it, but for the poll.
fn default_but_for_the_poll() -> WatchSettings {
    WatchSettings { poll_interval: NEVER, ..WatchSettings::default() }
}

fn name(round: usize) -> String {
    format!("key-{round:05}")
}

/// A key file whose one key is called `name`; texts for names of one length have one length.
fn key_file(name: &str) -> String {
    let secret = "000102030405060708090a0b0c0d0e0f";
    format!("[[key]]\nfingerprint = \"{name}\"\nalgorithm = \"AES-128-GCM\"\nsecret = \"hex:{secret}\"\n")
}

/// A directory with a good key file, "first".
fn simple() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    fs::write(&path, key_file("first")).unwrap();
    (directory, path)
}

async fn taken_again_and_again(way: Way, settings: WatchSettings, rounds: usize) {
    let mut site = Site::new(way, &key_file(&name(0)));
    let following = Following::start(&site.path(), settings);
    for round in 1..=rounds {
        site.change(&key_file(&name(round)));
        let what = format!("{way:?} to be taken in round {round}");
        until(&what, || following.sealing() == name(round)).await;
    }
}

macro_rules! a_hundred_times {
    ($($test:ident: $way:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $test() {
                taken_again_and_again(Way::$way, quick(), 100).await;
            }
        )+

        #[test]
        fn no_way_is_left_out() {
            let tried = [$(Way::$way),+];
            assert!(Way::ALL.iter().all(|way| tried.contains(way)));
        }
    };
}

a_hundred_times! {
    file_written_in_place_is_taken_a_hundred_times: WriteInPlace,
    file_written_in_pieces_is_taken_a_hundred_times: WriteInPieces,
    file_renamed_over_is_taken_a_hundred_times: AtomicRename,
    file_deleted_and_made_anew_is_taken_a_hundred_times: DeleteAndCreate,
    file_saved_by_an_editor_with_backup_is_taken_a_hundred_times: EditorBackup,
    swapped_kubernetes_mount_is_taken_a_hundred_times: KubernetesMount,
    linked_file_written_in_place_is_taken_a_hundred_times: LinkedFileWritten,
    linked_file_renamed_over_is_taken_a_hundred_times: LinkedFileSwapped,
    swapped_link_is_taken_a_hundred_times: LinkSwapped,
    swapped_link_behind_a_link_is_taken_a_hundred_times: ChainSwapped,
    swapped_parent_link_is_taken_a_hundred_times: ParentLinkSwapped,
    swapped_link_above_the_parent_is_taken_a_hundred_times: GrandparentLinkSwapped,
    swapped_parent_directory_is_taken_a_hundred_times: ParentDirectorySwapped,
    parent_directory_made_anew_is_taken_a_hundred_times: ParentDirectoryMadeAnew,
    file_in_a_directory_made_anew_is_taken_a_hundred_times: ParentDirectoryMadeAnewThenWritten,
    file_in_a_swapped_directory_is_taken_a_hundred_times: ParentDirectorySwappedThenWritten,
    last_of_many_changes_is_taken_a_hundred_times: ManyChanges,
}

#[tokio::test]
async fn every_way_is_taken_with_the_default_settings() {
    let mut tasks = tokio::task::JoinSet::new();
    for way in Way::ALL {
        tasks.spawn(taken_again_and_again(way, default_but_for_the_poll(), 3));
    }
    tasks.join_all().await;
}

#[tokio::test]
async fn every_way_is_taken_by_the_poll_alone() {
    let poll = WatchSettings { events: false, poll_interval: Duration::from_millis(10), ..quick() };
    for way in Way::ALL {
        taken_again_and_again(way, poll, 5).await;
    }
}

#[tokio::test]
async fn change_between_load_and_watch_is_taken() {
    let (_directory, path) = simple();
    let change = || fs::write(&path, key_file("second")).unwrap();
    let following = Following::start_after(&path, quick(), change);
    following.seals_with("second").await;
}

#[tokio::test]
async fn file_that_is_wrong_leaves_the_ring_and_is_counted_once() {
    let (_directory, path) = simple();
    let following = Following::start(&path, quick());
    let before = following.store.snapshot();
    rename_over(&path, "[[key]]\nfingerprint = 7\n");
    until("the refusal", || following.failures() == 1).await;
    assert!(Arc::ptr_eq(&before, &following.store.snapshot()));

    rename_over(&path, &key_file("second"));
    following.seals_with("second").await;
    until("the counts", || (following.reloads(), following.failures()) == (1, 1)).await;
}

#[tokio::test]
async fn file_that_is_away_leaves_the_ring_until_it_is_back() {
    let (_directory, path) = simple();
    let following = Following::start(&path, quick());
    fs::remove_file(&path).unwrap();
    until("the refusal", || following.failures() == 1).await;
    assert_eq!(following.sealing(), "first");

    fs::write(&path, key_file("second")).unwrap();
    following.seals_with("second").await;
}

#[tokio::test]
async fn directory_that_is_away_leaves_the_ring_until_it_is_back() {
    let root = tempfile::tempdir().unwrap();
    let (deep, path) = (root.path().join("very/deep"), root.path().join("very/deep/keys.toml"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(&path, key_file("first")).unwrap();
    let following = Following::start(&path, quick());
    fs::remove_dir_all(root.path().join("very")).unwrap();
    until("the refusal", || following.failures() == 1).await;
    assert_eq!(following.sealing(), "first");

    fs::create_dir_all(&deep).unwrap();
    fs::write(&path, key_file("second")).unwrap();
    following.seals_with("second").await;
}

#[tokio::test]
async fn file_that_everyone_may_write_is_refused_until_it_is_mended() {
    let (_directory, path) = simple();
    let following = Following::start(&path, quick());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    until("the refusal", || following.failures() == 1).await;

    fs::write(&path, key_file("second")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    following.seals_with("second").await;
}

#[tokio::test]
async fn same_content_written_again_is_no_reload() {
    let (_directory, path) = simple();
    let following = Following::start(&path, quick());
    for _ in 0..10 {
        rename_over(&path, &key_file("first"));
    }
    rename_over(&path, &key_file("second"));
    following.seals_with("second").await;
    until("the counts", || (following.reloads(), following.failures()) == (1, 0)).await;
}

#[tokio::test]
async fn refresh_reloads_an_unchanged_file() {
    let (_directory, path) = simple();
    let following = Following::start(&path, quick());
    for round in 1..=3 {
        following.refresh.now();
        until("the reload", || following.reloads() == round).await;
    }
    assert_eq!(following.sealing(), "first");
}

#[tokio::test]
async fn refresh_takes_a_change_that_no_event_told() {
    let (_directory, path) = simple();
    let following = Following::start(&path, WatchSettings { events: false, ..quick() });
    following.refresh.now();
    until("the first reload", || following.reloads() == 1).await;
    fs::write(&path, key_file("second")).unwrap();
    following.refresh.now();
    following.seals_with("second").await;
}

#[tokio::test]
async fn file_that_never_rests_is_taken_at_last() {
    let (_directory, path) = simple();
    let settings = WatchSettings {
        stable_for: Duration::from_millis(100),
        patience: Duration::from_millis(300),
        ..quick()
    };
    let following = Following::start(&path, settings);
    let stop = CancellationToken::new();
    let writer = std::thread::spawn({
        let (stop, path, next) = (stop.clone(), path.clone(), path.with_extension("next"));
        move || {
            while !stop.is_cancelled() {
                fs::write(&next, key_file("second")).unwrap();
                fs::rename(&next, &path).unwrap();
                std::thread::yield_now();
            }
        }
    });
    following.seals_with("second").await;
    stop.cancel();
    writer.join().unwrap();
}

#[tokio::test]
async fn exchange_under_way_keeps_its_ring() {
    let (_directory, path) = simple();
    let following = Following::start(&path, quick());
    let ring = following.store.snapshot();
    fs::write(&path, key_file("second")).unwrap();
    following.seals_with("second").await;
    assert!(ring.opening_key("first", Timestamp::now()).is_ok());
    assert!(following.store.snapshot().opening_key("first", Timestamp::now()).is_err());
}

#[tokio::test]
async fn stop_ends_the_reloader() {
    let (_directory, path) = simple();
    let following = Following::start(&path, quick());
    following.stop.cancel();
    timeout(DEADLINE, following.task).await.unwrap().unwrap();
}

#[test]
fn first_load_of_a_missing_file_is_a_fault_with_its_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("absent.toml");
    let faults = load_now(&config(&path)).err().unwrap();
    let fault = faults.iter().next().unwrap();
    assert_eq!(&*fault.file, path.to_str().unwrap());
    assert!(!fault.remedy.is_empty());
}
