//! The certificates of a listener or towards an upstream, followed as key files are: renewed in place, and in force without
//! a restart.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::watch::{WatchSettings, WatchedFile};
use crate::metrics::CertificateMetrics;
use crate::net::{
    CaFile, Identity, ListenerTls, ListenerTlsFault, Roots, TlsAcceptor, TlsFileFault, TlsSettings,
    UpstreamAddress, UpstreamTls,
};

/// How long after a fault the rest is awaited before anything is said: a certificate and its key are replaced one after the
/// other.
const SETTLING: Duration = Duration::from_secs(1);
/// How often it is awaited at most.
const LONGEST_SETTLING: usize = 10;

/// What is made of files that are followed, and what it is put in force by.
#[derive(Clone)]
pub enum Certificates {
    /// Those that a listener presents, and whom it lets in.
    Listener(ListenerTls, TlsAcceptor),
    /// Whom we trust towards an upstream, and who we are there.
    Upstream(UpstreamAddress, TlsSettings, UpstreamTls),
}

impl Certificates {
    /// For the log.
    fn name(&self) -> String {
        match self {
            Self::Listener(..) => "listener".to_owned(),
            Self::Upstream(address, ..) => format!("upstream {address}"),
        }
    }

    fn paths(&self) -> BTreeSet<&Path> {
        match self {
            Self::Listener(settings, _) => {
                let identities = settings.certificates.iter().map(|certificate| &certificate.identity);
                let files =
                    identities.flat_map(|identity| [identity.certificate_path(), identity.key_path()]);
                files.chain(settings.clients.as_ref().map(CaFile::path)).collect()
            }
            Self::Upstream(_, settings, _) => {
                let identity = settings.identity.iter();
                let files = identity.flat_map(|identity| [identity.certificate_path(), identity.key_path()]);
                let roots = match &settings.roots {
                    Roots::File(file) => Some(file.path()),
                    Roots::WebPki => None,
                };
                files.chain(roots).collect()
            }
        }
    }

    /// The same as its files are now, in force; `None` if nothing has changed.
    fn renewed(&self) -> Result<Option<Self>, CertificatesFault> {
        match self {
            Self::Listener(settings, acceptor) => {
                let read = settings.reread()?;
                if read == *settings {
                    return Ok(None);
                }
                acceptor.replace(&read)?;
                Ok(Some(Self::Listener(read, acceptor.clone())))
            }
            Self::Upstream(address, settings, tls) => {
                let read = settings.reread()?;
                if read == *settings {
                    return Ok(None);
                }
                tls.replace(&read);
                Ok(Some(Self::Upstream(address.clone(), read, tls.clone())))
            }
        }
    }

    /// When those end that are our own, by what metrics call them.
    fn ends(&self) -> Vec<(Arc<str>, Timestamp)> {
        let of = |name: Arc<str>, identity: &Identity| Some((name, identity.validity()?.not_after));
        match self {
            Self::Listener(settings, _) => {
                let certificates = settings.certificates.iter();
                certificates.filter_map(|known| of(Arc::clone(&known.name), &known.identity)).collect()
            }
            Self::Upstream(_, settings, _) => {
                settings.identity.iter().filter_map(|identity| of(self.name().into(), identity)).collect()
            }
        }
    }
}

/// Why changed files are not in force.
#[derive(Debug, thiserror::Error)]
enum CertificatesFault {
    #[error(transparent)]
    Listener(#[from] ListenerTlsFault),
    #[error(transparent)]
    Upstream(#[from] TlsFileFault),
}

/// Follows the files of TLS at one place. What is wrong with them never touches what is in force.
pub struct CertificateFollower {
    proxy: Arc<str>,
    in_force: Certificates,
    metrics: CertificateMetrics,
    files: Vec<WatchedFile>,
    /// What was wrong with the files when they were last read.
    failure: Option<String>,
}

impl CertificateFollower {
    /// Puts the files under watch of which `certificates` of a proxy were made. If there are none, there is nothing to follow.
    pub fn new(
        proxy: &Arc<str>,
        certificates: Certificates,
        metrics: CertificateMetrics,
        watch: WatchSettings,
    ) -> io::Result<Self> {
        let files = certificates.paths().into_iter().map(|path| WatchedFile::new(path, watch));
        let files = files.collect::<io::Result<_>>()?;
        let proxy = Arc::clone(proxy);
        let follower = Self { proxy, in_force: certificates, metrics, files, failure: None };
        follower.note_ends();
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
        let (proxy, of) = (&*self.proxy, self.in_force.name());
        match read {
            Ok(None) => self.failure = None,
            Ok(Some(renewed)) => {
                self.in_force = renewed;
                self.failure = None;
                self.metrics.reloaded();
                self.note_ends();
                tracing::info!(proxy, of, "certificates have changed, and are in force");
            }
            Err(fault) => {
                let fault = fault.to_string();
                // Told once, however often the files are looked at.
                if self.failure.as_ref() != Some(&fault) {
                    self.metrics.reload_failed();
                    tracing::warn!(
                        proxy,
                        of,
                        %fault,
                        "certificates have changed and cannot be used; those before stay in force"
                    );
                    self.failure = Some(fault);
                }
            }
        }
    }

    /// Reads the files, and has what is new put in force.
    async fn read(&self) -> Result<Option<Certificates>, CertificatesFault> {
        let in_force = self.in_force.clone();
        // On its own thread: a network file system may take its time. It fails only where the process is going.
        tokio::task::spawn_blocking(move || in_force.renewed()).await.unwrap_or(Ok(None))
    }

    fn note_ends(&self) {
        for (name, end) in self.in_force.ends() {
            self.metrics.expires(&name, end);
        }
    }
}
