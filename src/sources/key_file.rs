//! Reading the key file: its text, never longer in memory than needed, and who else may touch it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::document::{Fault, Faults};
use crate::keys::{ParsedRing, RingPolicy, parse_key_file};

/// A larger file is no key file: 10,000 keys take about 2 MiB.
pub const SIZE_LIMIT: u64 = 16 * 1024 * 1024;

/// Reads the key file at `path` and makes its ring.
pub fn load(path: &Path, policy: RingPolicy, now: Timestamp) -> Result<ParsedRing, Faults> {
    let name = path.display().to_string();
    let text = read(path).map_err(|error| error.into_fault(&name))?;
    parse_key_file(&text, &name, policy, now)
}

/// Reads the key file at `path`, links followed. The permissions are those of the file that was opened, so
/// that nothing can be swapped between look and use.
pub fn read(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let file = File::open(path).map_err(KeyFileError::Unreadable)?;
    let metadata = file.metadata().map_err(KeyFileError::Unreadable)?;
    if metadata.is_dir() {
        return Err(KeyFileError::Directory);
    }
    if Exposure::of(&metadata).writable {
        return Err(KeyFileError::WorldWritable);
    }
    if metadata.len() > SIZE_LIMIT {
        return Err(KeyFileError::TooLarge);
    }
    let bytes = read_wiping(&file, metadata.len())?;
    // Copied rather than converted, so that bytes that are no text are wiped as well.
    let text = std::str::from_utf8(&bytes).map_err(|_| KeyFileError::NotUtf8)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Whether everyone on the machine may read the file. Usual for secret mounts, so only worth a note.
pub fn is_world_readable(path: &Path) -> io::Result<bool> {
    let metadata = std::fs::metadata(path)?;
    // A directory in place of the file is a fault of its own.
    Ok(!metadata.is_dir() && Exposure::of(&metadata).readable)
}

/// Reads all of `file` without leaving pieces behind: a vector that grows would be copied and not wiped.
fn read_wiping(file: &File, expected: u64) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let mut capacity = usize::try_from(expected).unwrap_or(0).max(4096) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    loop {
        let room = (capacity - bytes.len()) as u64;
        (&mut &*file).take(room).read_to_end(&mut bytes).map_err(KeyFileError::Unreadable)?;
        if bytes.len() < capacity {
            return Ok(bytes);
        }
        // It grew while it was read, or it is a pipe, which has no length beforehand.
        if bytes.len() as u64 > SIZE_LIMIT {
            return Err(KeyFileError::TooLarge);
        }
        capacity *= 2;
        let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
        larger.extend_from_slice(&bytes);
        bytes = larger;
    }
}

/// What everyone on the machine may do with a file.
struct Exposure {
    readable: bool,
    writable: bool,
}

impl Exposure {
    #[cfg(unix)]
    fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let mode = metadata.permissions().mode();
        Self { readable: mode & 0o004 != 0, writable: mode & 0o002 != 0 }
    }

    #[cfg(not(unix))]
    fn of(_: &std::fs::Metadata) -> Self {
        Self { readable: false, writable: false }
    }
}

/// Why a key file was not read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The path names a directory.
    #[error("it is a directory")]
    Directory,
    /// The content is no text.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// The file is larger than [`SIZE_LIMIT`].
    #[error("it is larger than 16 MiB")]
    TooLarge,
    /// The file could not be opened or read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// Everyone on the machine may change the file.
    #[error("everyone may write to it")]
    WorldWritable,
}

impl KeyFileError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Directory => "name the key file in the directory",
            Self::NotUtf8 => "write it as UTF-8 text, for example with `alewife keygen`",
            Self::TooLarge => "name a key file; remove keys that have expired",
            Self::Unreadable(_) => "see that the path is right and that this user may read the file",
            Self::WorldWritable => "chmod o-w the file",
        }
    }

    /// The same as a fault of the file called `name`.
    pub fn into_fault(self, name: &str) -> Fault {
        let (problem, remedy) = (self.to_string(), self.remedy().to_owned());
        Fault { file: name.into(), place: None, key_path: String::new(), problem, remedy }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A file of `content` that only its owner may touch.
    fn private(directory: &Path, content: &[u8]) -> std::path::PathBuf {
        let path = directory.join("keys.toml");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    #[test]
    fn file_is_read_whole_and_through_links() {
        let directory = tempfile::tempdir().unwrap();
        let content = "é".repeat(100_000);
        let path = private(directory.path(), content.as_bytes());
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(*read(&link).unwrap(), content);
        assert!(!is_world_readable(&link).unwrap());
    }

    #[test]
    fn world_writable_file_is_refused_even_behind_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let path = private(directory.path(), b"");
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o602)).unwrap();
        assert!(matches!(read(&link), Err(KeyFileError::WorldWritable)));
        fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
        assert!(read(&link).is_ok());
        assert!(is_world_readable(&link).unwrap());
    }

    #[test]
    fn what_is_no_key_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(read(directory.path()), Err(KeyFileError::Directory)));
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        assert!(!is_world_readable(directory.path()).unwrap());
        assert!(matches!(read(&directory.path().join("none")), Err(KeyFileError::Unreadable(_))));
        let path = private(directory.path(), b"\xff");
        assert!(matches!(read(&path), Err(KeyFileError::NotUtf8)));
        let file = File::create(&path).unwrap();
        file.set_len(SIZE_LIMIT).unwrap();
        assert!(read(&path).is_ok());
        file.set_len(SIZE_LIMIT + 1).unwrap();
        assert!(matches!(read(&path), Err(KeyFileError::TooLarge)));
    }

    #[test]
    fn file_that_is_wrong_is_told_by_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = private(directory.path(), b"\xff");
        let faults = load(&path, RingPolicy::default(), Timestamp::UNIX_EPOCH).err().unwrap();
        assert_eq!(
            faults.to_string(),
            format!(
                "{}: it is not UTF-8\n    remedy: write it as UTF-8 text, for example with `alewife keygen`",
                path.display()
            )
        );
    }
}
