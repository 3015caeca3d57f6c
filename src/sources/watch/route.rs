//! The way that the system takes from the root to a file: each directory in which it looks up a name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// As many links as Linux follows in one path before it reports a loop.
const MOST_LINKS: usize = 40;

/// Every directory in which a name is looked up while a path is followed, links included.
///
/// What a path leads to can only change by a change in one of these directories: a link swapped, a
/// directory renamed, a file written. Two routes are equal when they go through the same directories
/// (not only through directories of the same names).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Route {
    /// The directories by their path without links, and which directory stood there.
    pub(super) directories: BTreeMap<PathBuf, DirectoryId>,
    /// The names that are looked up, in whichever of the directories.
    pub(super) names: BTreeSet<OsString>,
}

impl Route {
    /// Follows the absolute `path`. Where it breaks off (a name is missing, a link loops), the route ends
    /// with the directory in which the missing name would have to appear.
    pub(super) fn trace(path: &Path) -> Self {
        let mut route = Self::default();
        let mut at = PathBuf::new();
        let mut links_left = MOST_LINKS;
        let mut ahead: VecDeque<OsString> = components(path).collect();
        while let Some(part) = ahead.pop_front() {
            // `at` has no links in it, so that going up is going to its parent.
            match Path::new(&part).components().next() {
                Some(Component::RootDir | Component::Prefix(_)) => at.push(&part),
                Some(Component::ParentDir) => drop(at.pop()),
                Some(Component::CurDir) | None => {}
                Some(Component::Normal(name)) => match route.look_up(&at, name) {
                    Ok(Found::Other) => at.push(name),
                    Ok(Found::Link(target)) if links_left > 0 => {
                        links_left -= 1;
                        for part in components(&target).rev() {
                            ahead.push_front(part);
                        }
                    }
                    Ok(Found::Link(_)) | Err(_) => break,
                },
            }
        }
        route
    }

    fn look_up(&mut self, directory: &Path, name: &OsStr) -> io::Result<Found> {
        // Which directory it is, is asked before its content, and it is watched after both: see `Lookout`.
        let id = DirectoryId::of(&fs::symlink_metadata(directory)?);
        self.directories.insert(directory.to_owned(), id);
        self.names.insert(name.to_owned());
        let path = directory.join(name);
        if fs::symlink_metadata(&path)?.is_symlink() {
            return Ok(Found::Link(fs::read_link(&path)?));
        }
        Ok(Found::Other)
    }
}

/// What stands under a name.
enum Found {
    Link(PathBuf),
    Other,
}

/// Tells a directory from another one that later stands at the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DirectoryId {
    device: u64,
    inode: u64,
}

impl DirectoryId {
    #[cfg(unix)]
    fn of(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Elsewhere directories are told apart by their paths alone.
    #[cfg(not(unix))]
    fn of(_: &fs::Metadata) -> Self {
        Self { device: 0, inode: 0 }
    }
}

fn components(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().map(|component| component.as_os_str().to_owned())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The directories of the route below `root`, relative to it.
    fn below(root: &Path, path: &Path) -> Vec<String> {
        let route = Route::trace(path);
        let inside = route.directories.keys().filter_map(|directory| directory.strip_prefix(root).ok());
        inside.map(|directory| directory.to_str().unwrap().to_owned()).collect()
    }

    fn directory() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        (directory, path)
    }

    #[test]
    fn plain_path_has_every_directory_above_the_file() {
        let (_guard, root) = directory();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/keys.toml"), "").unwrap();
        let route = Route::trace(&root.join("a/b/keys.toml"));
        let expected: BTreeSet<_> = root.join("a/b").ancestors().map(Path::to_owned).collect();
        assert_eq!(route.directories.into_keys().collect::<BTreeSet<_>>(), expected);
        assert!(route.names.contains(OsStr::new("keys.toml")));
        assert!(route.names.contains(OsStr::new("b")));
    }

    #[test]
    fn kubernetes_mount_has_the_mount_and_the_dated_directory() {
        let (_guard, root) = directory();
        fs::create_dir_all(root.join("mount/..2026_01")).unwrap();
        fs::write(root.join("mount/..2026_01/keys.toml"), "").unwrap();
        symlink("..2026_01", root.join("mount/..data")).unwrap();
        symlink("..data/keys.toml", root.join("mount/keys.toml")).unwrap();
        assert_eq!(below(&root, &root.join("mount/keys.toml")), ["", "mount", "mount/..2026_01"]);
    }

    #[test]
    fn chain_of_links_has_the_directory_of_each_link() {
        let (_guard, root) = directory();
        for name in ["a", "b", "c", "unrelated"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        fs::write(root.join("c/keys.toml"), "").unwrap();
        symlink("../b/second", root.join("a/first")).unwrap();
        symlink(root.join("c/keys.toml"), root.join("b/second")).unwrap();
        assert_eq!(below(&root, &root.join("a/first")), ["", "a", "b", "c"]);
    }

    #[test]
    fn parent_of_a_linked_directory_is_the_parent_of_its_target() {
        let (_guard, root) = directory();
        fs::create_dir_all(root.join("deep/down")).unwrap();
        fs::write(root.join("deep/keys.toml"), "").unwrap();
        symlink("deep/down", root.join("link")).unwrap();
        assert_eq!(below(&root, &root.join("link/../keys.toml")), ["", "deep"]);
    }

    #[test]
    fn missing_directory_ends_the_route_where_it_would_appear() {
        let (_guard, root) = directory();
        assert_eq!(below(&root, &root.join("absent/keys.toml")), [""]);
        assert!(Route::trace(&root.join("absent/keys.toml")).names.contains(OsStr::new("absent")));
    }

    #[test]
    fn looping_links_end_the_route() {
        let (_guard, root) = directory();
        fs::create_dir_all(root.join("a")).unwrap();
        symlink("a/pong", root.join("ping")).unwrap();
        symlink("../ping", root.join("a/pong")).unwrap();
        assert_eq!(below(&root, &root.join("ping")), ["", "a"]);
    }

    #[test]
    fn directory_of_the_same_name_makes_another_route() {
        let (_guard, root) = directory();
        fs::create_dir_all(root.join("live")).unwrap();
        fs::create_dir_all(root.join("next")).unwrap();
        let before = Route::trace(&root.join("live/keys.toml"));
        assert_eq!(before, Route::trace(&root.join("live/keys.toml")));
        fs::rename(root.join("live"), root.join("last")).unwrap();
        fs::rename(root.join("next"), root.join("live")).unwrap();
        assert_ne!(before, Route::trace(&root.join("live/keys.toml")));
    }
}
