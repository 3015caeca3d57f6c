//! Watches on every directory of a file's route, and what a look at the file tells.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use notify::event::{AccessKind, AccessMode};
use notify::{ErrorKind, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::route::{DirectoryId, Route};

/// inotify watches a directory, not a path, and `notify` gives a watch up when the directory is moved or
/// removed, which it may learn after the path was watched anew. So all of them are set again at each hint;
/// elsewhere a watch is on the path and stays.
const WATCHES_GET_LOST: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The blocking half of a watched file: traces its route, keeps the watches on it, stamps the file.
///
/// Why no change is lost. A look first traces the route, then sets the watches, then stamps the file; the
/// file is read after two equal looks in a row. A change after the watches of the first of them raises a
/// hint. A change before that is seen by the second, as another route or another stamp, or, if it is too
/// quick for the stamp's clock, at the latest by the read that comes after both. So whatever is not in
/// what was read raises a hint, and the next round reads it.
pub(super) struct Lookout {
    path: PathBuf,
    signal: Arc<Signal>,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeMap<PathBuf, DirectoryId>,
    sight: Sight,
    warned: bool,
}

impl Lookout {
    /// A lookout for the absolute `path`, on events if there are any to be had.
    pub(super) fn new(path: PathBuf, signal: Arc<Signal>, events: bool) -> Self {
        let sight = if events { Sight::Full } else { Sight::PollOnly };
        let mut lookout =
            Self { path, signal, watcher: None, watched: BTreeMap::new(), sight, warned: false };
        if events {
            let signal = Arc::clone(&lookout.signal);
            match notify::recommended_watcher(move |event| signal.receive(event)) {
                Ok(watcher) => lookout.watcher = Some(watcher),
                Err(error) => lookout.lose_sight(&error),
            }
        }
        lookout
    }

    /// Traces, watches and stamps, in this order. `round` says whether all watches are set again.
    pub(super) fn look(&mut self, round: Round) -> Look {
        let route = Route::trace(&self.path);
        if let Some(watcher) = &mut self.watcher {
            // First the names, so that no event of a new watch is taken for foreign.
            self.signal.names.store(Arc::new(route.names.clone()));
            let again = round == Round::First && WATCHES_GET_LOST;
            match arm(watcher, &mut self.watched, &route, again) {
                Ok(()) => self.sight = Sight::Full,
                Err(error) => self.lose_sight(&error),
            }
        }
        Look { version: Version::of(&self.path), route, sight: self.sight }
    }

    /// Goes on without events, after the watcher panicked for want of its thread.
    pub(super) fn give_events_up(&mut self) {
        // It would panic again on its way out; what it leaks is a channel, once.
        std::mem::forget(self.watcher.take());
        self.watched.clear();
        self.lose_sight(&notify::Error::generic("the watcher has no thread"));
    }

    fn lose_sight(&mut self, error: &notify::Error) {
        self.sight = Sight::Partial;
        if !self.warned {
            self.warned = true;
            let file = self.path.display();
            tracing::warn!(%file, %error, "some changes of the file cannot be watched for; polling each second");
        }
    }
}

/// Makes the watches those of `route`, all of them anew if `again`. Goes on after an error.
fn arm(
    watcher: &mut RecommendedWatcher,
    watched: &mut BTreeMap<PathBuf, DirectoryId>,
    route: &Route,
    again: bool,
) -> notify::Result<()> {
    watched.retain(|directory, id| {
        let stays = route.directories.get(directory) == Some(id);
        if !stays {
            // It may have ended before, together with the directory.
            let _ = watcher.unwatch(directory);
        }
        stays
    });
    let mut result = Ok(());
    for (directory, id) in &route.directories {
        if again || !watched.contains_key(directory) {
            match watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => drop(watched.insert(directory.clone(), *id)),
                // It went since the route was traced; the next look has another route.
                Err(error) if is_gone(&error) => drop(watched.remove(directory)),
                Err(error) => {
                    watched.remove(directory);
                    result = Err(error);
                }
            }
        }
    }
    result
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => {
            matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
        }
        _ => false,
    }
}

/// Whether a look is the first after a hint or one of those that wait for rest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    First,
    Later,
}

/// Which of the changes raise a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Every one.
    Full,
    /// Some or none, because the system refused a watch.
    Partial,
    /// None, as the settings say.
    PollOnly,
}

/// What one look saw.
#[derive(PartialEq, Eq)]
pub(super) struct Look {
    pub(super) version: Version,
    route: Route,
    pub(super) sight: Sight,
}

/// The stamp of a file: it changes with the file, as finely as the file system's clock ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(Option<Stamp>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
    /// Also moves when permissions do, and cannot be set back by the writer.
    status_changed: (i64, i64),
}

impl Version {
    /// The stamp of what the path leads to now.
    pub fn of(path: &Path) -> Self {
        Self(fs::metadata(path).ok().map(|metadata| Stamp {
            len: metadata.len(),
            modified: metadata.modified().ok(),
            status_changed: status_changed(&metadata),
        }))
    }
}

#[cfg(unix)]
fn status_changed(metadata: &fs::Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn status_changed(_: &fs::Metadata) -> (i64, i64) {
    (0, 0)
}

/// Where the threads that learn of changes meet the task that waits for them.
pub(super) struct Signal {
    hint: Notify,
    names: ArcSwap<BTreeSet<OsString>>,
}

impl Signal {
    pub(super) fn new() -> Self {
        Self { hint: Notify::new(), names: ArcSwap::default() }
    }

    /// Asks for a look. Several hints before it are one.
    pub(super) fn raise(&self) {
        self.hint.notify_one();
    }

    /// Waits for a hint; one that was raised before counts.
    pub(super) async fn raised(&self) {
        self.hint.notified().await;
    }

    /// Runs on the thread of the watcher.
    fn receive(&self, event: notify::Result<notify::Event>) {
        if event.map_or(true, |event| self.concerns(&event)) {
            self.raise();
        }
    }

    pub(super) fn concerns(&self, event: &notify::Event) -> bool {
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            // Reading is no change; our own reads would raise hints for ever.
            EventKind::Access(_) => return false,
            _ => {}
        }
        let names = self.names.load();
        let is_ours = |path: &PathBuf| path.file_name().is_none_or(|name| names.contains(name));
        event.need_rescan() || event.paths.is_empty() || event.paths.iter().any(is_ours)
    }
}
