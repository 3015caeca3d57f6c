//! The counters of what an outbound proxy has against its peer.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::AleReason;
use super::labels::{ProxyLabel, RefusalLabels};

/// Why a reply of a peer was not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplyReason {
    /// No IV header (P1).
    MissingIv,
    /// An IV header that is repeated, not canonical, or not as long as the request's (P1).
    BadIv,
    /// No fingerprint header (P2).
    MissingFingerprint,
    /// A fingerprint header that is repeated or not one to 255 visible characters (P2).
    BadFingerprint,
    /// A sealed body that also claims an encoding in clear (P6).
    ConflictingEncoding,
    /// It bears the headers of a sealed body and has none (P5).
    EnvelopeWithoutBody,
    /// The body is too short or its tag is wrong (P3).
    NotAuthentic,
    /// It names another key than its request (P5).
    OtherKey,
    /// It bears the IV of its request (P9).
    Reflected,
    /// It has been opened before (P11).
    Replayed,
    /// It is not sealed (P5).
    Unsealed,
    /// An event stream under GCM, which would have to be held to its end (P10).
    EventStream,
}

impl ReplyReason {
    /// Every reason, in the order of the declaration.
    pub const ALL: [Self; 12] = [
        Self::MissingIv,
        Self::BadIv,
        Self::MissingFingerprint,
        Self::BadFingerprint,
        Self::ConflictingEncoding,
        Self::EnvelopeWithoutBody,
        Self::NotAuthentic,
        Self::OtherKey,
        Self::Reflected,
        Self::Replayed,
        Self::Unsealed,
        Self::EventStream,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Self::MissingIv => "missing_iv",
            Self::BadIv => "bad_iv",
            Self::MissingFingerprint => "missing_fingerprint",
            Self::BadFingerprint => "bad_fingerprint",
            Self::ConflictingEncoding => "conflicting_encoding",
            Self::EnvelopeWithoutBody => "envelope_without_body",
            Self::NotAuthentic => "not_authentic",
            Self::OtherKey => "other_key",
            Self::Reflected => "reflected",
            Self::Replayed => "replayed",
            Self::Unsealed => "unsealed",
            Self::EventStream => "event_stream",
        }
    }
}

impl From<AleReason> for ReplyReason {
    /// Of headers that are not as they must be; what else a request can suffer from, a reply cannot.
    fn from(reason: AleReason) -> Self {
        match reason {
            AleReason::MissingIv => Self::MissingIv,
            AleReason::BadIv => Self::BadIv,
            AleReason::MissingFingerprint => Self::MissingFingerprint,
            AleReason::BadFingerprint => Self::BadFingerprint,
            AleReason::ConflictingEncoding => Self::ConflictingEncoding,
            _ => Self::NotAuthentic,
        }
    }
}

/// The errorCode of a reply that the peer did not seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerCode {
    /// 1: it has no use for the headers.
    IncorrectHeaders,
    /// 2: it could not open the request.
    UnableToDecrypt,
    /// 3: it does not know the key.
    CredentialMismatch,
    /// Another number.
    Other,
    /// It bears no errorCode.
    Missing,
}

impl PeerCode {
    /// Every code, in the order of the declaration.
    pub const ALL: [Self; 5] =
        [Self::IncorrectHeaders, Self::UnableToDecrypt, Self::CredentialMismatch, Self::Other, Self::Missing];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Self::IncorrectHeaders => "1",
            Self::UnableToDecrypt => "2",
            Self::CredentialMismatch => "3",
            Self::Other => "other",
            Self::Missing => "none",
        }
    }
}

impl From<Option<u64>> for PeerCode {
    fn from(code: Option<u64>) -> Self {
        match code {
            None => Self::Missing,
            Some(1) => Self::IncorrectHeaders,
            Some(2) => Self::UnableToDecrypt,
            Some(3) => Self::CredentialMismatch,
            Some(_) => Self::Other,
        }
    }
}

/// Indexed by the enums' own numbers; a test holds `ALL` to the declarations.
#[derive(Debug)]
pub(super) struct PeerCounters {
    pub(super) refused: [Counter; ReplyReason::ALL.len()],
    pub(super) errors: [Counter; PeerCode::ALL.len()],
    pub(super) resealed: Counter,
}

/// The families from which each proxy takes its counters.
#[derive(Debug)]
pub(super) struct PeerFamilies {
    refused: Family<RefusalLabels, Counter>,
    errors: Family<PeerErrorLabels, Counter>,
    resealed: Family<ProxyLabel, Counter>,
}

impl PeerFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families =
            Self { refused: Family::default(), errors: Family::default(), resealed: Family::default() };
        registry.register(
            "replies_refused",
            "Replies of the peer that were not believed or could not be held, by the reason",
            families.refused.clone(),
        );
        registry.register(
            "peer_errors",
            "Errors that the peer did not seal, by its errorCode",
            families.errors.clone(),
        );
        registry.register(
            "requests_resealed",
            "Requests sealed and sent anew after the peer refused their key",
            families.resealed.clone(),
        );
        families
    }

    pub(super) fn proxy(&self, proxy: &Arc<str>) -> PeerCounters {
        PeerCounters {
            refused: ReplyReason::ALL.map(|reason| {
                let labels = RefusalLabels { proxy: Arc::clone(proxy), reason: reason.label() };
                self.refused.get_or_create_owned(&labels)
            }),
            errors: PeerCode::ALL.map(|code| {
                let labels = PeerErrorLabels { proxy: Arc::clone(proxy), code: code.label() };
                self.errors.get_or_create_owned(&labels)
            }),
            resealed: self.resealed.get_or_create_owned(&ProxyLabel { proxy: Arc::clone(proxy) }),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PeerErrorLabels {
    proxy: Arc<str>,
    code: &'static str,
}
