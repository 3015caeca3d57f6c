//! Secrets that stand in no configuration file: a token, a password, the key of a cache.

use std::fmt;
use std::io;
use std::path::PathBuf;

use zeroize::Zeroizing;

/// Where a secret is read, each time that it is needed, so that it may be replaced meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of the environment.
    Environment(String),
    /// A file of its own. One line end behind the secret does not belong to it.
    File(PathBuf),
}

impl SecretSource {
    /// The secret as it is now.
    pub fn read(&self) -> Result<Zeroizing<String>, SecretFault> {
        let secret = match self {
            Self::Environment(name) => {
                std::env::var(name).map(Zeroizing::new).map_err(|error| match error {
                    std::env::VarError::NotPresent => SecretFault::NotSet(name.clone()),
                    std::env::VarError::NotUnicode(_) => SecretFault::NotUtf8(self.to_string()),
                })?
            }
            Self::File(path) => {
                let unreadable = |error| SecretFault::Unreadable { path: path.clone(), error };
                let bytes = Zeroizing::new(std::fs::read(path).map_err(unreadable)?);
                let text = std::str::from_utf8(&bytes).map_err(|_| SecretFault::NotUtf8(self.to_string()))?;
                let line = text.strip_suffix('\n').unwrap_or(text);
                Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned())
            }
        };
        if secret.is_empty() { Err(SecretFault::Empty(self.to_string())) } else { Ok(secret) }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "the environment's {name}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Why a secret could not be had. Tells where it was looked for, and nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretFault {
    /// There is nothing in it.
    #[error("{0} is empty")]
    Empty(String),
    /// The environment has no such variable.
    #[error("the environment has no {0}")]
    NotSet(String),
    /// It is no text.
    #[error("{0} is not UTF-8")]
    NotUtf8(String),
    /// The system refused.
    #[error("{} cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> (tempfile::TempDir, SecretSource) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, content).unwrap();
        (directory, SecretSource::File(path))
    }

    #[test]
    fn line_end_behind_a_secret_does_not_belong_to_it() {
        for (content, secret) in
            [("token", "token"), ("token\n", "token"), ("token\r\n", "token"), ("a\n\n", "a\n")]
        {
            let (_directory, source) = file(content.as_bytes());
            assert_eq!(*source.read().unwrap(), secret, "{content:?}");
        }
    }

    #[test]
    fn secret_that_is_not_there_is_told_by_its_place_alone() {
        let (directory, source) = file(b"\n");
        assert!(matches!(source.read(), Err(SecretFault::Empty(_))));
        let (_other, source) = file(b"\xff");
        assert!(matches!(source.read(), Err(SecretFault::NotUtf8(_))));
        let source = SecretSource::File(directory.path().join("none"));
        assert!(matches!(source.read(), Err(SecretFault::Unreadable { .. })));
        let source = SecretSource::Environment("ALEWIFE_TEST_HAS_NO_SUCH_VARIABLE".to_owned());
        assert_eq!(
            source.read().unwrap_err().to_string(),
            "the environment has no ALEWIFE_TEST_HAS_NO_SUCH_VARIABLE"
        );
    }
}
