//! Values that are one of a few words.

use crate::document::{Refusal, Value};
use crate::keys::OnSealLimit;
use crate::net::UpstreamProtocol;
use crate::proxy::{ForwardedPolicy, HostPolicy, OnBadMessage, PlainErrors, Replies, StoreFailure};
use crate::telemetry::{Level, LogFormat};

/// Which way a proxy works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum ModeName {
    /// Sealed requests in, plain requests out.
    Inbound,
    /// Plain requests in, sealed requests out.
    Outbound,
}

impl Value for ModeName {
    const EXPECTED: &'static str = "a mode in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        choice(text, "mode", &[("inbound", Self::Inbound), ("outbound", Self::Outbound)])
    }
}

impl Value for ForwardedPolicy {
    const EXPECTED: &'static str = "a policy in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        choice(text, "policy", &[("append", Self::Append), ("replace", Self::Replace), ("off", Self::Off)])
    }
}

impl Value for UpstreamProtocol {
    const EXPECTED: &'static str = "a version of HTTP in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let versions = [("auto", Self::Auto), ("1.1", Self::Http1), ("2", Self::Http2)];
        choice(text, "version of HTTP", &versions)
    }
}

impl Value for HostPolicy {
    const EXPECTED: &'static str = "a policy in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        choice(text, "policy", &[("pass", Self::Pass), ("upstream", Self::Upstream)])
    }
}

impl Value for Replies {
    const EXPECTED: &'static str = "a kind of replies in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let kinds = [("sealed", Self::Sealed), ("plain", Self::Plain), ("either", Self::Either)];
        choice(text, "kind of replies", &kinds)
    }
}

impl Value for PlainErrors {
    const EXPECTED: &'static str = "a policy in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        choice(text, "policy", &[("replace", Self::Replace), ("pass", Self::Pass)])
    }
}

impl Value for OnSealLimit {
    const EXPECTED: &'static str = "a policy in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        choice(text, "policy", &[("warn", Self::Warn), ("refuse", Self::Refuse)])
    }
}

impl Value for StoreFailure {
    const EXPECTED: &'static str = "a policy in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        choice(text, "policy", &[("open", Self::Open), ("closed", Self::Closed)])
    }
}

impl Value for OnBadMessage {
    const EXPECTED: &'static str = "a policy in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        choice(text, "policy", &[("close", Self::Close), ("reply", Self::Reply)])
    }
}

/// Another place for IV and fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Carrier {
    /// Headers that a page can set.
    XAle,
    /// Parameters of the query.
    Query,
}

impl Value for Carrier {
    const EXPECTED: &'static str = "a carrier in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        choice(text, "carrier", &[("x-ale", Self::XAle), ("query", Self::Query)])
    }
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Direction {
    /// From the server's side.
    ToClient,
    /// From the client's side.
    ToServer,
    /// Either way.
    Both,
}

impl Value for Direction {
    const EXPECTED: &'static str = "a direction in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let directions = [("to_client", Self::ToClient), ("to_server", Self::ToServer), ("both", Self::Both)];
        choice(text, "direction", &directions)
    }
}

impl Value for LogFormat {
    const EXPECTED: &'static str = "a format in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        choice(text, "format", &[("auto", Self::Auto), ("text", Self::Text), ("json", Self::Json)])
    }
}

impl Value for Level {
    const EXPECTED: &'static str = "a level in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let levels = [
            ("off", Self::Off),
            ("error", Self::Error),
            ("warn", Self::Warn),
            ("info", Self::Info),
            ("debug", Self::Debug),
            ("trace", Self::Trace),
        ];
        choice(text, "level", &levels)
    }
}

pub(super) fn choice<T: Copy>(text: &str, kind: &str, known: &[(&str, T)]) -> Result<T, Refusal> {
    known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| format!("{name:?}")).collect();
        Refusal::new(format!("{text:?} is not a known {kind}"), format!("write {}", names.join(" or ")))
    })
}
