//! Why there is no sidecar, or no clean end of one.

use std::sync::Arc;

use crate::admin::AdminError;
#[cfg(feature = "inspector")]
use crate::inspector::InspectorError;
use crate::net::{BindError, ListenerTlsFault};

/// Why the sidecar did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The admin listener could not be bound.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A proxy's listener could not be bound.
    #[error("proxy {proxy}: {source}; proxy.{proxy}.listen takes another address")]
    Bind {
        /// The proxy's name.
        proxy: Arc<str>,
        /// The address, and what the system said.
        source: BindError,
    },
    /// There is no inspector, and the configuration asks for one.
    #[cfg(feature = "inspector")]
    #[error("{0}; `[inspector] listen` takes another address")]
    Inspector(#[source] InspectorError),
    /// The keys of a proxy were not handed over.
    #[error("proxy {proxy}: its key set was not loaded")]
    NoKeys {
        /// The proxy's name.
        proxy: Arc<str>,
    },
    /// Only a defect leads here.
    #[error("the reading of the files broke off")]
    ReloadBroke,
    /// A listener cannot speak TLS.
    #[error("proxy {proxy}: {fault}")]
    Tls {
        /// The proxy's name.
        proxy: Arc<str>,
        /// What is wrong with its certificates.
        fault: ListenerTlsFault,
    },
    /// The file that is to say where the inspector is.
    #[cfg(feature = "inspector")]
    #[error("{}, `[inspector] url_file`, cannot be written: {source}", path.display())]
    UrlFile {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file cannot be followed.
    #[error("a file cannot be watched: {0}")]
    Watch(#[source] std::io::Error),
    /// A thread could not be made.
    #[error("a worker could not be started: {0}")]
    Worker(#[source] std::io::Error),
}

/// Why a stop was not clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// Exchanges under way did not end in time and were cut.
    #[error("exchanges under way did not end within shutdown_grace and were cut")]
    GraceExceeded,
    /// A worker panicked.
    #[error("a worker broke down")]
    WorkerBroke,
}
