//! The key for development: made once, and kept in the user's state directory.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::cli::keygen::{random_fingerprint, random_secret};
use crate::crypto::Algorithm;
use crate::crypto::encoding::base64_encode;

const ALGORITHM: &str = "AES-256-GCM";

/// Digits of the fingerprint.
const DIGITS: usize = 8;

/// The key file for development.
pub(super) struct DevelopmentKey {
    /// Where it is.
    pub(super) file: PathBuf,
    /// Whether it was made now.
    pub(super) is_new: bool,
}

impl DevelopmentKey {
    /// Finds the file, or makes it.
    pub(super) fn provide() -> Result<Self, KeyFault> {
        let [state, home] = ["XDG_STATE_HOME", "HOME"].map(std::env::var_os);
        let directory = directory(state, home).ok_or(KeyFault::NoPlace)?;
        Self::within(&directory).map_err(|source| KeyFault::Refused { directory, source })
    }

    fn within(directory: &Path) -> io::Result<Self> {
        let file = directory.join("dev-keys.toml");
        // A link that leads nowhere is there as well, and the fault of whoever made it.
        if fs::symlink_metadata(&file).is_ok() {
            return Ok(Self { file, is_new: false });
        }
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        // Whole or not at all, and readable to nobody else from its first byte on.
        let mut made = tempfile::Builder::new().prefix(".dev-keys-").tempfile_in(directory)?;
        made.write_all(text()?.as_bytes())?;
        made.as_file().sync_all()?;
        match made.persist_noclobber(&file) {
            Ok(_) => Ok(Self { file, is_new: true }),
            // Another one was faster, and its key is as good.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(Self { file, is_new: false })
            }
            Err(error) => Err(error.error),
        }
    }
}

/// As the XDG Base Directory Specification has it: a relative path is none.
fn directory(state: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |text: OsString| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
    let state = state.and_then(absolute).or_else(|| Some(home.and_then(absolute)?.join(".local/state")));
    Some(state?.join("alewife"))
}

fn text() -> io::Result<Zeroizing<String>> {
    let algorithm: Algorithm = ALGORITHM.parse().map_err(io::Error::other)?;
    let secret = Zeroizing::new(base64_encode(&random_secret(algorithm)));
    let fingerprint = random_fingerprint();
    Ok(Zeroizing::new(format!(
        "# Made by `alewife dev` for development on this machine, and not for production: whoever may read your files\n\
         # has it. Remove this file, and the next `alewife dev` makes another key.\n\n\
         [[key]]\nfingerprint = \"dev-{}\"\nalgorithm = \"{algorithm}\"\nsecret = \"base64:{}\"\n",
        &fingerprint[..DIGITS],
        *secret
    )))
}

/// Why there is no key for development.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyFault {
    #[error(
        "there is no place for a key for development: neither XDG_STATE_HOME nor HOME is an absolute path; set one, or name a key file with --keys"
    )]
    NoPlace,
    #[error("no key for development can be kept in {}: {source}; mend that, or name a key file with --keys", directory.display())]
    Refused {
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_directory_is_that_of_the_user() {
        let directory = |state: Option<&str>, home: Option<&str>| {
            directory(state.map(Into::into), home.map(Into::into)).map(|path| path.display().to_string())
        };
        assert_eq!(directory(Some("/state"), Some("/users/u")).unwrap(), "/state/alewife");
        for state in [None, Some(""), Some("state")] {
            assert_eq!(directory(state, Some("/users/u")).unwrap(), "/users/u/.local/state/alewife");
        }
        assert_eq!(directory(None, Some("")), None);
        assert_eq!(directory(None, None), None);
    }

    #[test]
    fn two_that_start_at_once_have_the_same_key() {
        let directory = tempfile::tempdir().unwrap();
        let provide = || DevelopmentKey::within(&directory.path().join("alewife")).unwrap();
        let made: Vec<bool> = std::thread::scope(|scope| {
            let both = [scope.spawn(|| provide().is_new), scope.spawn(|| provide().is_new)];
            both.map(|one| one.join().unwrap()).into()
        });
        assert_eq!(made.iter().filter(|is_new| **is_new).count(), 1);
        assert_eq!(
            directory.path().join("alewife").read_dir().unwrap().count(),
            1,
            "something is left behind"
        );
    }
}
