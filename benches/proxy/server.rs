//! A proxy under measurement: a child process with its directory, stopped when it is dropped.

use std::net::SocketAddr;
use std::process::Child;
use std::time::Duration;

use tempfile::TempDir;

use crate::fault::Fault;
use crate::procfs;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An inbound Alewife, which takes sealed messages.
    Alewife,
    /// Two of them, plain on both outer sides.
    Bridge,
    /// The application itself.
    Direct,
    Nginx,
}

impl Kind {
    /// Its name in faults and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Alewife => "alewife",
            Self::Bridge => "bridge",
            Self::Direct => "direct",
            Self::Nginx => "nginx",
        }
    }
}

/// Where a load goes, and whose processor time and memory it costs.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) pids: Vec<u32>,
}

impl Target {
    /// Processor time of all its processes.
    pub(crate) fn cpu_time(&self) -> Result<Duration, Fault> {
        self.pids.iter().map(|&pid| procfs::cpu_time(pid)).sum()
    }

    /// Resident memory of all its processes, in bytes.
    pub(crate) fn resident(&self) -> Result<u64, Fault> {
        self.pids.iter().map(|&pid| procfs::resident(pid)).sum()
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
    pub(crate) directory: TempDir,
}

impl Server {
    /// It alone as what is loaded.
    pub(crate) fn target(&self) -> Target {
        Target { address: self.address, pids: vec![self.pid()] }
    }

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
