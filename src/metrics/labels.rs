//! The closed sets of label values. Nothing that a peer sends becomes a label.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;

/// How an exchange ended; each is counted under exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The upstream's reply was delivered whole.
    Answered,
    /// The envelope was refused with an errorCode of the protocol.
    AleError,
    /// The request's framing, host or target was refused.
    Framing,
    /// None of the proxy's routes is for the request.
    NoRoute,
    /// A page that may not open WebSockets.
    Origin,
    /// The peer answered with an error that it did not seal.
    PeerError,
    /// The peer's reply was not believed, or could not be held.
    ReplyRefused,
    /// The body went past `max_body`, or the head past its limits.
    TooLarge,
    /// The upstream could not be reached.
    UpstreamRefused,
    /// The upstream's connection broke before the head of its reply was there.
    UpstreamBroke,
    /// No room among the bytes that may be held.
    NoCapacity,
    /// As many requests or WebSockets were under way as may be.
    Overloaded,
    /// No key that may be used.
    NoKey,
    /// The replay store did not answer, and must.
    ReplayStore,
    /// A deadline passed.
    TimedOut,
    /// The client went away before its reply was delivered.
    ClientGone,
    /// The upstream died in the middle of its reply.
    ReplyBroken,
}

impl Outcome {
    /// Every outcome, in the order of the declaration.
    pub const ALL: [Self; 17] = [
        Self::Answered,
        Self::AleError,
        Self::Framing,
        Self::NoRoute,
        Self::Origin,
        Self::PeerError,
        Self::ReplyRefused,
        Self::TooLarge,
        Self::UpstreamRefused,
        Self::UpstreamBroke,
        Self::NoCapacity,
        Self::Overloaded,
        Self::NoKey,
        Self::ReplayStore,
        Self::TimedOut,
        Self::ClientGone,
        Self::ReplyBroken,
    ];

    /// The label's value; also fit for a log field.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::AleError => "ale_error",
            Self::Framing => "framing",
            Self::NoRoute => "no_route",
            Self::Origin => "origin",
            Self::PeerError => "peer_error",
            Self::ReplyRefused => "reply_refused",
            Self::TooLarge => "too_large",
            Self::UpstreamRefused => "upstream_refused",
            Self::UpstreamBroke => "upstream_broke",
            Self::NoCapacity => "no_capacity",
            Self::Overloaded => "overloaded",
            Self::NoKey => "no_key",
            Self::ReplayStore => "replay_store",
            Self::TimedOut => "timed_out",
            Self::ClientGone => "client_gone",
            Self::ReplyBroken => "reply_broken",
        }
    }
}

/// The errorCode that a peer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AleCode {
    /// 1: incorrect security headers.
    IncorrectHeaders,
    /// 2: unable to decrypt the payload.
    UnableToDecrypt,
    /// 3: security credential mismatch, of the vendor's newer version.
    CredentialMismatch,
}

impl AleCode {
    /// Every code, in the order of the declaration.
    pub const ALL: [Self; 3] = [Self::IncorrectHeaders, Self::UnableToDecrypt, Self::CredentialMismatch];

    /// The label's value: the number itself.
    pub const fn label(self) -> &'static str {
        match self {
            Self::IncorrectHeaders => "1",
            Self::UnableToDecrypt => "2",
            Self::CredentialMismatch => "3",
        }
    }
}

/// Why an envelope was refused: what the peer is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AleReason {
    /// No IV header (P1).
    MissingIv,
    /// An IV header that is repeated, not canonical, or of another length (P1).
    BadIv,
    /// No fingerprint header (P2).
    MissingFingerprint,
    /// A fingerprint header that is repeated or not one to 255 visible characters (P2).
    BadFingerprint,
    /// One of the proxy's `required_headers` is absent.
    MissingRequiredHeader,
    /// No key has this fingerprint (P2).
    UnknownFingerprint,
    /// The key's window is over (P2).
    Expired,
    /// The key's window has not begun (P2).
    NotYetValid,
    /// The body is too short or its tag is wrong (P3).
    NotAuthentic,
    /// A sealed body that also claims an encoding in clear (P6).
    ConflictingEncoding,
    /// IV or fingerprint in more than one of the places that are open to them.
    ConflictingCarriers,
    /// A WebSocket message that is no envelope (P7).
    BadEnvelope,
    /// An envelope without ciphertext (P7).
    MissingMessage,
    /// An envelope whose ciphertext is not canonical base64 (P7).
    BadMessage,
    /// An envelope under an IV that was sealed here (P9).
    Reflected,
    /// It has been opened before (P11).
    Replayed,
    /// The key that it is under has another algorithm than the profile.
    OtherAlgorithm,
    /// No tag at the place that the profile names.
    MissingTag,
    /// A tag that is repeated, or not in the profile's encoding.
    BadTag,
    /// A body of a kind that has no values, or is none of what the profile says.
    UnsupportedBody,
    /// A parameter that is to be sealed is not there.
    MissingValue,
    /// A parameter that is to be sealed is empty.
    EmptyValue,
    /// A value that cannot stand in its place: not sealed text, or not what the place takes.
    BadValue,
}

impl AleReason {
    /// Every reason, in the order of the declaration.
    pub const ALL: [Self; 23] = [
        Self::MissingIv,
        Self::BadIv,
        Self::MissingFingerprint,
        Self::BadFingerprint,
        Self::MissingRequiredHeader,
        Self::UnknownFingerprint,
        Self::Expired,
        Self::NotYetValid,
        Self::NotAuthentic,
        Self::ConflictingEncoding,
        Self::ConflictingCarriers,
        Self::BadEnvelope,
        Self::MissingMessage,
        Self::BadMessage,
        Self::Reflected,
        Self::Replayed,
        Self::OtherAlgorithm,
        Self::MissingTag,
        Self::BadTag,
        Self::UnsupportedBody,
        Self::MissingValue,
        Self::EmptyValue,
        Self::BadValue,
    ];

    /// The label's value; also fit for a log field.
    pub const fn label(self) -> &'static str {
        match self {
            Self::MissingIv => "missing_iv",
            Self::BadIv => "bad_iv",
            Self::MissingFingerprint => "missing_fingerprint",
            Self::BadFingerprint => "bad_fingerprint",
            Self::MissingRequiredHeader => "missing_required_header",
            Self::UnknownFingerprint => "unknown_fingerprint",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::NotAuthentic => "not_authentic",
            Self::ConflictingEncoding => "conflicting_encoding",
            Self::ConflictingCarriers => "conflicting_carriers",
            Self::BadEnvelope => "bad_envelope",
            Self::MissingMessage => "missing_message",
            Self::BadMessage => "bad_message",
            Self::Reflected => "reflected",
            Self::Replayed => "replayed",
            Self::OtherAlgorithm => "other_algorithm",
            Self::MissingTag => "missing_tag",
            Self::BadTag => "bad_tag",
            Self::UnsupportedBody => "unsupported_body",
            Self::MissingValue => "missing_value",
            Self::EmptyValue => "empty_value",
            Self::BadValue => "bad_value",
        }
    }
}

/// Which way a message of a WebSocket goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the upstream to the client.
    ToClient,
    /// From the client to the upstream.
    ToServer,
}

impl Direction {
    /// Both directions, in the order of the declaration.
    pub const ALL: [Self; 2] = [Self::ToClient, Self::ToServer];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ToClient => "to_client",
            Self::ToServer => "to_server",
        }
    }
}

/// Why a message of a WebSocket was not carried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageRefusal {
    /// It is no envelope, or does not open (P7); which of these it was stands with the other envelopes.
    Envelope,
    /// Its frames are not as RFC 6455 has them.
    Protocol,
    /// A text that is not UTF-8.
    NotUtf8,
    /// It went past `max_message`.
    TooLong,
    /// No room among the bytes that may be held.
    NoCapacity,
    /// No key to seal it with.
    NoKey,
    /// The replay store did not answer, and must.
    ReplayStore,
    /// An error in clear: the peer could not open what it was sent.
    PeerError,
}

impl MessageRefusal {
    /// Every reason, in the order of the declaration.
    pub const ALL: [Self; 8] = [
        Self::Envelope,
        Self::Protocol,
        Self::NotUtf8,
        Self::TooLong,
        Self::NoCapacity,
        Self::NoKey,
        Self::ReplayStore,
        Self::PeerError,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Protocol => "protocol",
            Self::NotUtf8 => "not_utf8",
            Self::TooLong => "too_long",
            Self::NoCapacity => "no_capacity",
            Self::NoKey => "no_key",
            Self::ReplayStore => "replay_store",
            Self::PeerError => "peer_error",
        }
    }
}

/// Who was the first to end a WebSocket session, with a Close or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closer {
    /// The client.
    Client,
    /// The upstream.
    Server,
    /// This process: a fault of either, a deadline, or its own end.
    Sidecar,
}

impl Closer {
    /// Everyone, in the order of the declaration.
    pub const ALL: [Self; 3] = [Self::Client, Self::Server, Self::Sidecar];

    /// The label's value; also fit for a log field.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Sidecar => "sidecar",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ProxyLabel {
    pub(super) proxy: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabels {
    pub(super) proxy: Arc<str>,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct AleErrorLabels {
    pub(super) proxy: Arc<str>,
    pub(super) code: &'static str,
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DirectionLabels {
    pub(super) proxy: Arc<str>,
    pub(super) direction: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RefusalLabels {
    pub(super) proxy: Arc<str>,
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CloserLabels {
    pub(super) proxy: Arc<str>,
    pub(super) by: &'static str,
}
