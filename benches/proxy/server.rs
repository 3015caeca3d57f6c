//! A proxy under measurement: a child process with its directory, stopped when it is dropped.

use std::net::SocketAddr;
use std::process::Child;
use std::time::Duration;

use tempfile::TempDir;

/// The two proxies that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Alewife,
    Nginx,
}

impl Kind {
    /// Its name in faults and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Alewife => "alewife",
            Self::Nginx => "nginx",
        }
    }
}

/// A running proxy.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    /// From starting the process to its listening.
    pub(crate) start: Duration,
    pub(crate) child: Child,
    /// Configuration and whatever the proxy writes; removed with the server.
    pub(crate) _directory: TempDir,
}

impl Server {
    /// The process that does the work.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if the child is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
