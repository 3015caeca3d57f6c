//! The ways in which people and machines replace a file.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// One way of giving a file new content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The file is truncated and written.
    WriteInPlace,
    /// The file is truncated, filled with half of the text, then with the rest.
    WriteInPieces,
    /// A new file is renamed over it.
    AtomicRename,
    /// It is deleted and made anew.
    DeleteAndCreate,
    /// It is renamed to a backup, a new one is written.
    EditorBackup,
    /// `keys.toml -> ..data/keys.toml`, `..data -> ..dated`: `..data` is swapped by rename, the old directory removed.
    KubernetesMount,
    /// The path is a link into another directory, where the file is written in place.
    LinkedFileWritten,
    /// The path is a link into another directory, where a new file is renamed over the old.
    LinkedFileSwapped,
    /// The path is a link, which is swapped for one into a third directory.
    LinkSwapped,
    /// A chain of links through two directories, of which the second is swapped.
    ChainSwapped,
    /// The directory is a link, which is swapped.
    ParentLinkSwapped,
    /// The directory's parent is a link, which is swapped.
    GrandparentLinkSwapped,
    /// The directory is renamed away and another one takes its name.
    ParentDirectorySwapped,
    /// The directory is deleted with all that is in it, and made anew.
    ParentDirectoryMadeAnew,
    /// By turns the directory is made anew several times in a row, and the file in it is written in place.
    ParentDirectoryMadeAnewThenWritten,
    /// By turns the directory is swapped several times in a row, and the file in it is written in place.
    ParentDirectorySwappedThenWritten,
    /// Many new files in a row, by several of these ways; the last counts.
    ManyChanges,
}

impl Way {
    /// Every one.
    pub(crate) const ALL: [Self; 17] = [
        Self::WriteInPlace,
        Self::WriteInPieces,
        Self::AtomicRename,
        Self::DeleteAndCreate,
        Self::EditorBackup,
        Self::KubernetesMount,
        Self::LinkedFileWritten,
        Self::LinkedFileSwapped,
        Self::LinkSwapped,
        Self::ChainSwapped,
        Self::ParentLinkSwapped,
        Self::GrandparentLinkSwapped,
        Self::ParentDirectorySwapped,
        Self::ParentDirectoryMadeAnew,
        Self::ParentDirectoryMadeAnewThenWritten,
        Self::ParentDirectorySwappedThenWritten,
        Self::ManyChanges,
    ];
}

/// A directory with a file in it that is replaced in one way, again and again.
pub(crate) struct Site {
    way: Way,
    root: TempDir,
    round: usize,
}

impl Site {
    /// Lays the file out as `way` needs it, with `text` in it.
    pub(crate) fn new(way: Way, text: &str) -> Self {
        let mut site = Self { way, root: tempfile::tempdir().unwrap(), round: 0 };
        match way {
            Way::KubernetesMount => {
                fs::create_dir(site.at("live")).unwrap();
                symlink("..data/keys.toml", site.path()).unwrap();
            }
            Way::LinkedFileWritten | Way::LinkedFileSwapped => {
                fs::create_dir(site.at("live")).unwrap();
                symlink("../elsewhere/real.toml", site.path()).unwrap();
            }
            Way::ChainSwapped => {
                fs::create_dir(site.at("live")).unwrap();
                fs::create_dir(site.at("middle")).unwrap();
                symlink(site.at("middle/link.toml"), site.path()).unwrap();
            }
            Way::GrandparentLinkSwapped
            | Way::ParentLinkSwapped
            | Way::ParentDirectorySwapped
            | Way::ParentDirectorySwappedThenWritten
            | Way::ParentDirectoryMadeAnew
            | Way::ParentDirectoryMadeAnewThenWritten => {}
            _ => fs::create_dir(site.at("live")).unwrap(),
        }
        fs::create_dir(site.at("elsewhere")).unwrap();
        site.change(text);
        assert_eq!(fs::read_to_string(site.path()).unwrap(), text);
        site
    }

    /// The path under watch.
    pub(crate) fn path(&self) -> PathBuf {
        match self.way {
            Way::GrandparentLinkSwapped => self.at("live/deep/keys.toml"),
            _ => self.at("live/keys.toml"),
        }
    }

    /// Puts `text` in the place of what is there.
    pub(crate) fn change(&mut self, text: &str) {
        self.round += 1;
        let path = self.path();
        match self.way {
            Way::WriteInPlace => fs::write(path, text).unwrap(),
            Way::WriteInPieces => write_in_pieces(&path, text),
            Way::AtomicRename => rename_over(&path, text),
            Way::DeleteAndCreate => delete_and_create(&path, text),
            Way::EditorBackup => editor_backup(&path, text),
            Way::KubernetesMount => self.kubernetes(text),
            Way::LinkedFileWritten => fs::write(self.at("elsewhere/real.toml"), text).unwrap(),
            Way::LinkedFileSwapped => rename_over(&self.at("elsewhere/real.toml"), text),
            Way::LinkSwapped => {
                let target = self.fresh("keys.toml", text);
                swap_link(&target, &path);
            }
            Way::ChainSwapped => {
                let target = self.fresh("keys.toml", text);
                swap_link(&target, &self.at("middle/link.toml"));
            }
            Way::ParentLinkSwapped => {
                let target = self.fresh("keys.toml", text);
                swap_link(target.parent().unwrap(), &self.at("live"));
            }
            Way::GrandparentLinkSwapped => {
                let target = self.fresh("deep/keys.toml", text);
                swap_link(target.parent().unwrap().parent().unwrap(), &self.at("live"));
            }
            Way::ParentDirectorySwapped => self.swap_directory(text),
            Way::ParentDirectoryMadeAnew => self.make_directory_anew(text),
            Way::ParentDirectorySwappedThenWritten | Way::ParentDirectoryMadeAnewThenWritten
                if self.round.is_multiple_of(2) =>
            {
                fs::write(path, text).unwrap();
            }
            Way::ParentDirectorySwappedThenWritten => {
                for _ in 0..5 {
                    self.swap_directory(text);
                }
            }
            Way::ParentDirectoryMadeAnewThenWritten => {
                for _ in 0..5 {
                    self.make_directory_anew(text);
                }
            }
            Way::ManyChanges => many_changes(&path, text),
        }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// Writes `text` into a directory that did not exist before.
    fn fresh(&self, name: &str, text: &str) -> PathBuf {
        let path = self.at(&format!("round{}", self.round)).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn kubernetes(&self, text: &str) {
        let dated = self.at(&format!("live/..dated{}", self.round));
        fs::create_dir(&dated).unwrap();
        fs::write(dated.join("keys.toml"), text).unwrap();
        symlink(dated.file_name().unwrap(), self.at("live/..data_tmp")).unwrap();
        let last = fs::read_link(self.at("live/..data"));
        fs::rename(self.at("live/..data_tmp"), self.at("live/..data")).unwrap();
        if let Ok(last) = last {
            fs::remove_dir_all(self.at("live").join(last)).unwrap();
        }
    }

    fn swap_directory(&self, text: &str) {
        let next = self.fresh("keys.toml", text);
        let last = tempfile::tempdir_in(&self.root).unwrap().keep();
        // A rename takes the place of an empty directory.
        let _ = fs::rename(self.at("live"), last);
        fs::rename(next.parent().unwrap(), self.at("live")).unwrap();
    }

    fn make_directory_anew(&self, text: &str) {
        let _ = fs::remove_dir_all(self.at("live"));
        fs::create_dir(self.at("live")).unwrap();
        fs::write(self.path(), text).unwrap();
    }
}

fn write_in_pieces(path: &Path, text: &str) {
    use std::io::Write;
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    let mut file = fs::File::create(path).unwrap();
    file.write_all(first).unwrap();
    file.sync_all().unwrap();
    file.write_all(second).unwrap();
}

/// Writes `text` beside `path` and renames it over it, so that no reader sees half of it.
pub(crate) fn rename_over(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, path).unwrap();
}

fn delete_and_create(path: &Path, text: &str) {
    let _ = fs::remove_file(path);
    fs::write(path, text).unwrap();
}

fn editor_backup(path: &Path, text: &str) {
    let _ = fs::rename(path, path.with_extension("toml~"));
    fs::write(path, text).unwrap();
}

fn many_changes(path: &Path, text: &str) {
    for _ in 0..5 {
        fs::write(path, "half a te").unwrap();
        rename_over(path, "another wrong one");
        delete_and_create(path, "");
        editor_backup(path, "= wrong");
    }
    rename_over(path, text);
}

/// Makes `link` lead to `target`, in one step.
fn swap_link(target: &Path, link: &Path) {
    let next = link.with_extension("swap");
    symlink(target, &next).unwrap();
    fs::rename(next, link).unwrap();
}
