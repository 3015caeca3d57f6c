//! The certificates of a listener, followed as key files are: renewed in place, and in force without a restart.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::watch::{WatchSettings, WatchedFile};
use crate::metrics::CertificateMetrics;
use crate::net::{CaFile, ListenerTls, ListenerTlsFault, TlsAcceptor};

/// How long after a fault the rest is awaited before anything is said: a certificate and its key are replaced one after the
/// other.
const SETTLING: Duration = Duration::from_secs(1);
/// How often it is awaited at most.
const LONGEST_SETTLING: usize = 10;

/// Follows the files of one listener's TLS. What is wrong with them never touches what is in force.
pub struct CertificateFollower {
    proxy: Arc<str>,
    in_force: ListenerTls,
    acceptor: TlsAcceptor,
    metrics: CertificateMetrics,
    files: Vec<WatchedFile>,
    /// What was wrong with the files when they were last read.
    failure: Option<String>,
}

impl CertificateFollower {
    /// Puts the files under watch of which the listener of `proxy` was made, that `acceptor` shakes hands for.
    pub fn new(
        proxy: &Arc<str>,
        settings: &ListenerTls,
        acceptor: TlsAcceptor,
        metrics: CertificateMetrics,
        watch: WatchSettings,
    ) -> io::Result<Self> {
        let identities = settings.certificates.iter().map(|certificate| &certificate.identity);
        let paths = identities.flat_map(|identity| [identity.certificate_path(), identity.key_path()]);
        let paths: BTreeSet<_> = paths.chain(settings.clients.as_ref().map(CaFile::path)).collect();
        let files = paths.into_iter().map(|path| WatchedFile::new(path, watch));
        let files = files.collect::<io::Result<_>>()?;
        let (proxy, in_force) = (Arc::clone(proxy), settings.clone());
        let follower = Self { proxy, in_force, acceptor, metrics, files, failure: None };
        follower.note_expiry();
        Ok(follower)
    }

    /// Follows them until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let hint = Arc::new(Notify::new());
        let mut watching = JoinSet::new();
        for mut file in std::mem::take(&mut self.files) {
            let hint = Arc::clone(&hint);
            watching.spawn(async move {
                loop {
                    file.changed().await;
                    hint.notify_one();
                }
            });
        }
        let following = async {
            loop {
                hint.notified().await;
                self.look(&hint).await;
            }
        };
        // It has no end of its own.
        let _: Option<()> = stop.run_until_cancelled(following).await;
    }

    async fn look(&mut self, hint: &Notify) {
        let mut read = self.read().await;
        for _ in 0..LONGEST_SETTLING {
            if read.is_ok() || timeout(SETTLING, hint.notified()).await.is_err() {
                break;
            }
            read = self.read().await;
        }
        let proxy = &*self.proxy;
        match read {
            Ok(None) => self.failure = None,
            Ok(Some(renewed)) => {
                self.in_force = renewed;
                self.failure = None;
                self.metrics.reloaded();
                self.note_expiry();
                tracing::info!(proxy, "the listener's certificates have changed, and are in force");
            }
            Err(fault) => {
                let fault = fault.to_string();
                // Told once, however often the files are looked at.
                if self.failure.as_ref() != Some(&fault) {
                    self.metrics.reload_failed();
                    tracing::warn!(
                        proxy,
                        %fault,
                        "the listener's certificates have changed and cannot be used; those before stay in force"
                    );
                    self.failure = Some(fault);
                }
            }
        }
    }

    /// Reads the files, and has what is new put in force.
    async fn read(&self) -> Result<Option<ListenerTls>, ListenerTlsFault> {
        let (in_force, acceptor) = (self.in_force.clone(), self.acceptor.clone());
        let reading = move || {
            let read = in_force.reread()?;
            if read == in_force {
                return Ok(None);
            }
            acceptor.replace(&read)?;
            Ok(Some(read))
        };
        // On its own thread: a network file system may take its time. It ends by panicking only if the process is going.
        tokio::task::spawn_blocking(reading).await.unwrap_or(Ok(None))
    }

    fn note_expiry(&self) {
        for certificate in &self.in_force.certificates {
            if let Some(validity) = certificate.identity.validity() {
                self.metrics.expires(&certificate.name, validity.not_after);
            }
        }
    }
}
