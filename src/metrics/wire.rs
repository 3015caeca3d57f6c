//! What listeners agree on with clients before HTTP begins, and the certificates that they present.

use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::labels::OutcomeLabels;

/// What a connection failed at before HTTP began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakeKind {
    /// A proxy in front did not say whose connection it passes on.
    ProxyProtocol,
    /// TLS was not agreed on.
    Tls,
}

impl HandshakeKind {
    /// Every kind, in the order of the declaration.
    pub const ALL: [Self; 2] = [Self::ProxyProtocol, Self::Tls];

    fn label(self) -> &'static str {
        match self {
            Self::ProxyProtocol => "proxy_protocol",
            Self::Tls => "tls",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    proxy: Arc<str>,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabels {
    proxy: Arc<str>,
    certificate: Arc<str>,
}

#[derive(Debug)]
pub(super) struct HandshakeCounters {
    pub(super) failed: [Counter; HandshakeKind::ALL.len()],
}

#[derive(Debug)]
pub(super) struct WireFamilies {
    failed: Family<KindLabels, Counter>,
    reloads: Family<OutcomeLabels, Counter>,
    expiry: Family<CertificateLabels, Gauge>,
}

impl WireFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families =
            Self { failed: Family::default(), reloads: Family::default(), expiry: Family::default() };
        registry.register(
            "handshakes_failed",
            "Connections that ended before HTTP began, by what they failed at",
            families.failed.clone(),
        );
        registry.register(
            "certificate_reloads",
            "Changes of a listener's certificate files, by whether they are in force",
            families.reloads.clone(),
        );
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When a listener's certificate ends, in seconds since 1970",
            Unit::Seconds,
            families.expiry.clone(),
        );
        families
    }

    pub(super) fn proxy(&self, proxy: &Arc<str>) -> HandshakeCounters {
        let failed = HandshakeKind::ALL.map(|kind| {
            let labels = KindLabels { proxy: Arc::clone(proxy), kind: kind.label() };
            self.failed.get_or_create_owned(&labels)
        });
        HandshakeCounters { failed }
    }

    pub(super) fn certificates(&self, proxy: &str) -> CertificateMetrics {
        let proxy: Arc<str> = proxy.into();
        let reloads =
            |outcome| self.reloads.get_or_create_owned(&OutcomeLabels { proxy: Arc::clone(&proxy), outcome });
        let (taken, refused) = (reloads("ok"), reloads("failed"));
        CertificateMetrics { taken, refused, expiry: self.expiry.clone(), proxy }
    }
}

/// The certificates of one listener. A clone counts into the same counters.
#[derive(Clone, Debug)]
pub struct CertificateMetrics {
    proxy: Arc<str>,
    taken: Counter,
    refused: Counter,
    expiry: Family<CertificateLabels, Gauge>,
}

impl CertificateMetrics {
    /// Counts a change of its files that is in force now.
    pub fn reloaded(&self) {
        self.taken.inc();
    }

    /// Counts a change that is not, because something is wrong with it.
    pub fn reload_failed(&self) {
        self.refused.inc();
    }

    /// Notes when the certificate that the configuration calls `name` ends.
    pub fn expires(&self, name: &Arc<str>, at: Timestamp) {
        let labels = CertificateLabels { proxy: Arc::clone(&self.proxy), certificate: Arc::clone(name) };
        self.expiry.get_or_create_owned(&labels).set(at.as_second());
    }
}
