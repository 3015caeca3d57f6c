//! What can go wrong while measuring.

use std::io;

/// Why a measurement has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{who} ended before it listened; what it had to say stands above")]
    Ended { who: &'static str },
    #[error("{what}: {source}")]
    Io { what: &'static str, source: io::Error },
    #[error("nginx is not installed, and without it there is nothing to compare with")]
    NginxAbsent,
    #[error("{who} did not listen within {seconds} s")]
    NotReady { who: &'static str, seconds: u64 },
    #[error("{who} answered with something else than what was asked for: {detail}")]
    Reply { who: &'static str, detail: &'static str },
    #[error("{what} was not over within {seconds} s")]
    TooSlow { what: &'static str, seconds: u64 },
}

/// Names what was being done when an I/O error came.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, Fault>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: &'static str) -> Result<T, Fault> {
        self.map_err(|source| Fault::Io { what, source })
    }
}
