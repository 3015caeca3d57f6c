//! TLS of a proxy, on its listener and towards its upstreams, whose certificates are followed.

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::metrics::Metrics;
use crate::net::TlsAcceptor;
use crate::proxy::ProxyCommon;
use crate::sources::{CertificateFollower, Certificates, WatchSettings};

/// What follows the certificates of one proxy; nothing is followed yet.
pub(super) struct Tls(Vec<CertificateFollower>);

/// Follows certificates as long as it lives.
pub(super) struct Followed(
    #[expect(dead_code, reason = "it ends what it guards when it is dropped")] DropGuard,
);

impl Tls {
    /// Has the listener of `common` speak TLS, if its settings say so.
    pub(super) fn of(common: ProxyCommon, metrics: &Metrics) -> Result<(ProxyCommon, Self), StartError> {
        let config = Arc::clone(common.config());
        let follow = |certificates| {
            let counters = metrics.certificates(&config.name);
            CertificateFollower::new(&config.name, certificates, counters, WatchSettings::default())
                .map_err(StartError::Watch)
        };
        let mut followers = Vec::new();
        let mut acceptor = None;
        if let Some(settings) = &config.tls {
            let unusable = |fault| StartError::Tls { proxy: Arc::clone(&config.name), fault };
            let made = TlsAcceptor::new(settings).map_err(unusable)?;
            followers.push(follow(Certificates::Listener(settings.clone(), made.clone()))?);
            acceptor = Some(made);
        }
        let common = common.under_tls(acceptor);
        for (upstream, tls) in common.upstream_tls() {
            let Some(settings) = upstream.tls.clone() else { continue };
            followers.push(follow(Certificates::Upstream(upstream.address.clone(), settings, tls.clone()))?);
        }
        Ok((common, Self(followers)))
    }

    /// Follows the certificates from now on.
    pub(super) fn begin(self, tasks: &TaskTracker) -> Followed {
        let stop = CancellationToken::new();
        for follower in self.0 {
            tasks.spawn(follower.run(stop.clone()));
        }
        Followed(stop.drop_guard())
    }
}
