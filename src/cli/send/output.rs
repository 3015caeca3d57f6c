//! Where the opened reply goes.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use super::fault::SendFault;

/// Standard output, or a file that is made with the first byte: a forged reply leaves what was there before.
pub(super) enum Output {
    File(PathBuf),
    Opened(PathBuf, File),
    Stdout,
}

impl Output {
    /// `-` and nothing stand for standard output.
    pub(super) fn to(path: Option<PathBuf>) -> Self {
        path.filter(|path| path.as_os_str() != "-").map_or(Self::Stdout, Self::File)
    }

    /// Writes so that whoever reads the other end sees it now.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), SendFault> {
        self.try_write(bytes).map_err(|source| SendFault::Write { name: self.name(), source })
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Self::File(path) = self {
            let file = File::create(&path)?;
            *self = Self::Opened(std::mem::take(path), file);
        }
        if let Self::Opened(_, file) = self {
            return file.write_all(bytes);
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    fn name(&self) -> String {
        match self {
            Self::File(path) | Self::Opened(path, _) => path.display().to_string(),
            Self::Stdout => "standard output".to_owned(),
        }
    }
}
