use std::path::PathBuf;

use notify::event::{
    AccessKind, AccessMode, CreateKind, DataChange, Event, EventKind, Flag, MetadataKind, ModifyKind,
    RemoveKind, RenameMode,
};

use super::lookout::{Lookout, Round, Signal};
use super::*;

fn quick() -> WatchSettings {
    WatchSettings { stable_for: Duration::from_millis(10), ..WatchSettings::default() }
}

/// A signal that knows the names on the way to `path`.
fn signal_of(path: &Path) -> Arc<Signal> {
    let signal = Arc::new(Signal::new());
    Lookout::new(path.to_owned(), Arc::clone(&signal), true).look(Round::First);
    signal
}

#[test]
fn changes_of_names_on_the_way_concern_and_others_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    let signal = signal_of(&path);
    let kinds = [
        EventKind::Access(AccessKind::Close(AccessMode::Write)),
        EventKind::Create(CreateKind::File),
        EventKind::Modify(ModifyKind::Data(DataChange::Any)),
        EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
        EventKind::Modify(ModifyKind::Name(RenameMode::To)),
        EventKind::Remove(RemoveKind::File),
    ];
    for kind in kinds {
        let event = |path: PathBuf| Event::new(kind).add_path(path);
        assert!(signal.concerns(&event(path.clone())), "{kind:?}");
        assert!(signal.concerns(&event(directory.path().to_owned())), "{kind:?}");
        assert!(!signal.concerns(&event(directory.path().join("other"))), "{kind:?}");
    }
}

#[test]
fn reading_the_file_does_not_concern() {
    let path = Path::new("/keys.toml");
    let signal = signal_of(path);
    for kind in [AccessKind::Open(AccessMode::Any), AccessKind::Read, AccessKind::Close(AccessMode::Read)] {
        let event = Event::new(EventKind::Access(kind)).add_path(path.to_owned());
        assert!(!signal.concerns(&event), "{kind:?}");
    }
}

#[test]
fn lost_events_concern() {
    let signal = signal_of(Path::new("/keys.toml"));
    assert!(signal.concerns(&Event::new(EventKind::Other).set_flag(Flag::Rescan)));
}

#[tokio::test]
async fn version_at_rest_holds_until_the_file_changes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    std::fs::write(&path, "one").unwrap();
    let mut file = WatchedFile::new(&path, quick()).unwrap();
    let change = file.changed().await;
    assert!(matches!(change, Change::AtRest(_)));
    assert!(change.still_holds(&path));
    std::fs::write(&path, "longer").unwrap();
    assert!(!change.still_holds(&path));
}

#[tokio::test]
async fn file_that_is_absent_is_at_rest() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    let mut file = WatchedFile::new(&path, quick()).unwrap();
    let change = file.changed().await;
    assert_eq!(change, Change::AtRest(Version::of(&path)));
}

#[tokio::test]
async fn lookout_without_events_polls_each_second() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = WatchedFile::new(&directory.path().join("keys.toml"), quick()).unwrap();
    lock(&file.lookout).give_events_up();
    file.look(Round::First).await;
    assert_eq!(file.poll_interval, POLL_WITHOUT_EVENTS);
}

#[cfg(target_os = "linux")]
#[test]
fn watches_on_swapped_directories_end() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let live = root.join("live");
    std::fs::create_dir(&live).unwrap();
    let mut lookout = Lookout::new(live.join("keys.toml"), Arc::new(Signal::new()), true);
    for round in 0..20 {
        lookout.look(Round::First);
        std::fs::rename(&live, root.join(format!("last{round}"))).unwrap();
        std::fs::create_dir(&live).unwrap();
    }
    comes_to_watch(&mut lookout, &live);
    for round in 0..20 {
        assert!(!is_watched(&root.join(format!("last{round}"))), "{round}");
    }
}

/// Many file systems give the new directory the inode of the old, so that it looks like the same.
#[cfg(target_os = "linux")]
#[test]
fn directory_made_anew_is_watched_again() {
    let directory = tempfile::tempdir().unwrap();
    let live = directory.path().canonicalize().unwrap().join("live");
    std::fs::create_dir(&live).unwrap();
    let mut lookout = Lookout::new(live.join("keys.toml"), Arc::new(Signal::new()), true);
    for _ in 0..20 {
        comes_to_watch(&mut lookout, &live);
        std::fs::remove_dir(&live).unwrap();
        std::fs::create_dir(&live).unwrap();
        assert!(!is_watched(&live));
    }
    comes_to_watch(&mut lookout, &live);
}

/// One look need not do: when the watcher learns late of a rename, it ends its new watch for it. The hint that
/// it raises with that leads to another look.
#[cfg(target_os = "linux")]
fn comes_to_watch(lookout: &mut Lookout, directory: &Path) {
    let watched = (0..1000).any(|_| {
        lookout.look(Round::First);
        is_watched(directory)
    });
    assert!(watched);
}

/// Whether some inotify instance of this process watches the directory.
#[cfg(target_os = "linux")]
fn is_watched(directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(" ino:{:x} ", std::fs::metadata(directory).unwrap().ino());
    let infos = std::fs::read_dir("/proc/self/fdinfo").unwrap();
    let texts = infos.filter_map(|info| std::fs::read_to_string(info.unwrap().path()).ok());
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .any(|line| line.starts_with("inotify") && line.contains(&inode))
}
