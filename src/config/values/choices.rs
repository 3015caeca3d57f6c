//! Values that are one of a few words.

use crate::document::{Refusal, Value};
use crate::net::UpstreamProtocol;
use crate::proxy::ForwardedPolicy;
use crate::telemetry::{Level, LogFormat};

/// Which way a proxy works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Mode {
    /// Sealed requests in, plain requests out.
    Inbound,
}

impl Value for Mode {
    const EXPECTED: &'static str = "a mode in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        choice(text, "mode", &[("inbound", Self::Inbound)])
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

fn choice<T: Copy>(text: &str, kind: &str, known: &[(&str, T)]) -> Result<T, Refusal> {
    known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| format!("{name:?}")).collect();
        Refusal::new(format!("{text:?} is not a known {kind}"), format!("write {}", names.join(" or ")))
    })
}
