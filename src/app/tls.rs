//! TLS of a listener, whose certificates are followed.

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::metrics::Metrics;
use crate::net::TlsAcceptor;
use crate::proxy::ProxyConfig;
use crate::sources::{CertificateFollower, WatchSettings};

/// How a proxy's listener shakes hands, if it speaks TLS; nothing is followed yet.
pub(super) struct Tls(Option<(TlsAcceptor, CertificateFollower)>);

/// Follows certificates as long as it lives.
pub(super) struct Followed(
    #[expect(dead_code, reason = "it ends what it guards when it is dropped")] Option<DropGuard>,
);

impl Tls {
    pub(super) fn of(config: &ProxyConfig, metrics: &Metrics) -> Result<Self, StartError> {
        let Some(settings) = &config.tls else { return Ok(Self(None)) };
        let proxy = &config.name;
        let acceptor = TlsAcceptor::new(settings)
            .map_err(|fault| StartError::Tls { proxy: Arc::clone(proxy), fault })?;
        let (counters, watch) = (metrics.certificates(proxy), WatchSettings::default());
        let follower = CertificateFollower::new(proxy, settings, acceptor.clone(), counters, watch);
        Ok(Self(Some((acceptor, follower.map_err(StartError::Watch)?))))
    }

    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.0.as_ref().map(|(acceptor, _)| acceptor.clone())
    }

    /// Follows the certificates from now on.
    pub(super) fn begin(self, tasks: &TaskTracker) -> Followed {
        Followed(self.0.map(|(_, follower)| {
            let stop = CancellationToken::new();
            tasks.spawn(follower.run(stop.clone()));
            stop.drop_guard()
        }))
    }
}
