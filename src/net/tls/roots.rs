//! Whom to trust under TLS.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::{self, RootCertStore};

/// The issuers whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those of one PEM file, and no others.
    File(CaFile),
    /// Those that browsers trust.
    WebPki,
}

impl Roots {
    pub(super) fn store(&self) -> Arc<RootCertStore> {
        match self {
            Self::File(file) => file.store(),
            Self::WebPki => Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()),
        }
    }
}

/// A PEM file that was read: at least one certificate, each fit to be a root.
#[derive(Clone)]
pub struct CaFile {
    path: PathBuf,
    store: Arc<RootCertStore>,
}

impl CaFile {
    /// Reads the certificates at `path`; what else stands in the file is passed over.
    pub fn read(path: PathBuf) -> Result<Self, CaFileFault> {
        let text = std::fs::read(&path).map_err(CaFileFault::Unreadable)?;
        let mut store = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(&text).enumerate() {
            let certificate = certificate.map_err(CaFileFault::NotPem)?;
            let number = index + 1;
            store.add(certificate).map_err(|error| CaFileFault::NotACertificate { number, error })?;
        }
        if store.is_empty() {
            return Err(CaFileFault::Empty);
        }
        Ok(Self { path, store: Arc::new(store) })
    }

    /// The same file as it is now.
    pub fn reread(&self) -> Result<Self, CaFileFault> {
        Self::read(self.path.clone())
    }

    pub(super) fn store(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.store)
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for CaFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaFile").field("path", &self.path).field("certificates", &self.store.len()).finish()
    }
}

impl PartialEq for CaFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.store.roots == other.store.roots
    }
}

impl Eq for CaFile {}

/// Why a file gives no roots.
#[derive(Debug, thiserror::Error)]
pub enum CaFileFault {
    /// The system refused.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// Its frames or its base64 are broken.
    #[error("is not PEM: {0}")]
    NotPem(pem::Error),
    /// There is no certificate in it.
    #[error("has no certificate in it")]
    Empty,
    /// Something is called a certificate that is none.
    #[error("calls something a certificate that is none, as number {number}: {error}")]
    NotACertificate {
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        error: rustls::Error,
    },
}
