//! Replacing a file at once: whoever reads it, and whenever the machine stops, there is the old one or the new one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::sources::key_file::{self, KeyFileError};

/// A key file that nobody else rotates meanwhile.
///
/// Its directory is locked rather than the file, which is another one afterwards.
pub(in crate::cli) struct Locked {
    /// With every link resolved: they stay where they are.
    path: PathBuf,
    directory: File,
}

impl Locked {
    /// Locks the file at `path` against other rotations.
    pub(in crate::cli) fn of(path: &Path) -> Result<Self, ReplaceFault> {
        let path = fs::canonicalize(path).map_err(KeyFileError::Unreadable)?;
        let directory = File::open(parent(&path)).map_err(ReplaceFault::Lock)?;
        match directory.try_lock() {
            Ok(()) => Ok(Self { path, directory }),
            Err(TryLockError::WouldBlock) => Err(ReplaceFault::Busy),
            Err(TryLockError::Error(error)) => Err(ReplaceFault::Lock(error)),
        }
    }

    /// The text as it is now.
    pub(in crate::cli) fn read(&self) -> Result<Zeroizing<String>, ReplaceFault> {
        Ok(key_file::read(&self.path)?)
    }

    /// Puts `new` in the place of `old`, with the same mode and owner.
    pub(in crate::cli) fn replace(&self, old: &str, new: &str) -> Result<(), ReplaceFault> {
        self.replace_unless(old, new, |_| Ok(()))
    }

    /// The same; whatever `hindrance` says about a step happens instead of it.
    fn replace_unless(
        &self,
        old: &str,
        new: &str,
        hindrance: impl Fn(Step) -> io::Result<()>,
    ) -> Result<(), ReplaceFault> {
        let was = fs::metadata(&self.path).map_err(ReplaceFault::Write)?;
        let draft = self.draft();
        // One that a rotation left which was cut off. Nobody else writes one: the lock is held.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(ReplaceFault::Write(error)),
            _ => {}
        }
        let written = hindrance(Step::Write).and_then(|()| write(&draft, new, &was, &hindrance));
        let replaced = written.map_err(ReplaceFault::Write).and_then(|()| {
            // An editor knows nothing of the lock.
            if *self.read()? != old {
                return Err(ReplaceFault::Changed);
            }
            hindrance(Step::Rename)
                .and_then(|()| fs::rename(&draft, &self.path))
                .map_err(ReplaceFault::of_rename)
        });
        if replaced.is_err() {
            // The fault that led here is what there is to tell.
            let _ = fs::remove_file(&draft);
        }
        replaced?;
        hindrance(Step::SyncDirectory)
            .and_then(|()| self.directory.sync_all())
            .map_err(ReplaceFault::SyncDirectory)
    }

    fn draft(&self) -> PathBuf {
        let mut name = std::ffi::OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".rotating");
        self.path.with_file_name(name)
    }
}

/// The path is absolute, so that only the root has none.
fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn write(
    path: &Path,
    text: &str,
    like: &fs::Metadata,
    hindrance: &impl Fn(Step) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (like.uid(), like.gid()) {
        fchown(&file, Some(like.uid()), Some(like.gid()))?;
    }
    file.set_permissions(like.permissions())?;
    file.write_all(text.as_bytes())?;
    hindrance(Step::Sync)?;
    file.sync_all()
}

/// Where the machine may stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Rename,
    Sync,
    SyncDirectory,
    Write,
}

/// Why a file is not replaced. But for [`ReplaceFault::SyncDirectory`] it is as it was.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ReplaceFault {
    /// Another rotation has the lock.
    #[error("another rotation is under way")]
    Busy,
    /// Somebody wrote to the file.
    #[error("the file was changed meanwhile and is left so; try again")]
    Changed,
    /// The directory cannot be locked.
    #[error("its directory cannot be locked: {0}")]
    Lock(#[source] io::Error),
    /// The file is a mount.
    #[error("it is mounted by itself and cannot be replaced; mount its directory")]
    Mounted,
    /// The file cannot be read.
    #[error("{0}; {remedy}", remedy = .0.remedy())]
    Read(#[source] KeyFileError),
    /// The new file is there, and may be lost yet.
    #[error("the file was replaced, but its directory cannot be written to disk: {0}")]
    SyncDirectory(#[source] io::Error),
    /// The new file cannot be written beside it.
    #[error("it cannot be replaced, and is as it was: {0}")]
    Write(#[source] io::Error),
}

impl ReplaceFault {
    fn of_rename(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::ResourceBusy { Self::Mounted } else { Self::Write(error) }
    }
}

impl From<KeyFileError> for ReplaceFault {
    fn from(error: KeyFileError) -> Self {
        Self::Read(error)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A directory with a file of the text `old`.
    fn file(mode: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn file_is_another_one_of_the_same_mode_and_nothing_is_left_beside_it() {
        for mode in [0o600, 0o640, 0o444] {
            let (directory, path) = file(mode);
            let before = fs::metadata(&path).unwrap();
            Locked::of(&path).unwrap().replace("old", "new").unwrap();
            let after = fs::metadata(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "new");
            assert_ne!(after.ino(), before.ino());
            assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
            assert_eq!(names(directory.path()), ["keys.toml"]);
        }
    }

    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced() {
        let (directory, path) = file(0o600);
        let elsewhere = tempfile::tempdir().unwrap();
        let (first, second) = (elsewhere.path().join("first"), elsewhere.path().join("second"));
        symlink(&path, &second).unwrap();
        symlink("second", &first).unwrap();
        Locked::of(&first).unwrap().replace("old", "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(fs::read_link(&first).unwrap(), Path::new("second"));
        assert_eq!(names(directory.path()), ["keys.toml"]);
        assert_eq!(names(elsewhere.path()), ["first", "second"]);
    }

    #[test]
    fn wherever_it_breaks_there_is_the_old_file_or_the_new_one() {
        for broken in [Step::Write, Step::Sync, Step::Rename, Step::SyncDirectory] {
            let (directory, path) = file(0o600);
            let hindrance = |step| if step == broken { Err(io::ErrorKind::Other.into()) } else { Ok(()) };
            let fault = Locked::of(&path).unwrap().replace_unless("old", "new", hindrance).unwrap_err();
            let text = fs::read_to_string(&path).unwrap();
            if broken == Step::SyncDirectory {
                assert!(matches!(fault, ReplaceFault::SyncDirectory(_)), "{fault}");
                assert_eq!(text, "new");
            } else {
                assert!(matches!(fault, ReplaceFault::Write(_)), "{fault}");
                assert_eq!(text, "old");
            }
            assert_eq!(names(directory.path()), ["keys.toml"], "{broken:?}");
        }
    }

    #[test]
    fn what_a_rotation_left_that_was_cut_off_is_in_nobodys_way() {
        let (directory, path) = file(0o600);
        fs::write(directory.path().join(".keys.toml.rotating"), "half of").unwrap();
        Locked::of(&path).unwrap().replace("old", "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(directory.path()), ["keys.toml"]);
    }

    #[test]
    fn two_rotations_at_a_time_are_one_too_many() {
        let (_directory, path) = file(0o600);
        let first = Locked::of(&path).unwrap();
        assert!(matches!(Locked::of(&path), Err(ReplaceFault::Busy)));
        drop(first);
        assert!(Locked::of(&path).is_ok());
    }

    #[test]
    fn file_that_was_changed_meanwhile_is_left_so() {
        let (directory, path) = file(0o600);
        let locked = Locked::of(&path).unwrap();
        fs::write(&path, "edited").unwrap();
        assert!(matches!(locked.replace("old", "new"), Err(ReplaceFault::Changed)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "edited");
        assert_eq!(names(directory.path()), ["keys.toml"]);
    }

    #[test]
    fn file_that_is_not_there_or_that_everyone_may_write_is_refused() {
        let (directory, path) = file(0o602);
        let read = |path: &Path| Locked::of(path).and_then(|locked| locked.read());
        let fault = read(&path).unwrap_err();
        assert!(matches!(fault, ReplaceFault::Read(KeyFileError::WorldWritable)), "{fault}");
        let fault = read(&directory.path().join("none")).unwrap_err();
        assert!(matches!(fault, ReplaceFault::Read(KeyFileError::Unreadable(_))), "{fault}");
    }

    #[test]
    fn a_mount_is_told_as_one() {
        let fault = ReplaceFault::of_rename(io::ErrorKind::ResourceBusy.into());
        assert!(matches!(fault, ReplaceFault::Mounted), "{fault}");
    }
}
