//! The kinds of values that a route bears.

use serde::de::SeqAccess;

use crate::config::values::ProxyName;
use crate::document::{Refusal, Value};
use crate::proxy::{HostPattern, HostPatternFault, PathPrefix, PathPrefixFault};

impl Value for HostPattern {
    const EXPECTED: &'static str = "a host such as \"kitchen.example\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        Self::new(text).map_err(|fault| {
            let remedy = match fault {
                HostPatternFault::NotAHost => {
                    "write \"HOST\", \"*.HOST\" for all below it, or leave it out for every host"
                }
                HostPatternFault::Port => "write the host alone; ports are not told apart",
            };
            Refusal::new(format!("{text:?} {fault}"), remedy)
        })
    }
}

/// One host or several.
pub(in crate::config) struct Hosts(pub(in crate::config) Vec<HostPattern>);

impl Value for Hosts {
    const EXPECTED: &'static str = "a host or a list of hosts";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        HostPattern::from_text(text).map(|host| Self(vec![host]))
    }

    fn from_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Result<Self, Refusal>, A::Error> {
        Vec::from_list(list).map(|hosts| hosts.map(Self))
    }
}

impl Value for PathPrefix {
    const EXPECTED: &'static str = "a path such as \"/orders\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        Self::new(text).map_err(|fault| {
            let remedy = match fault {
                PathPrefixFault::Ambiguous => {
                    "write it without dot segments, empty ones, backslashes, semicolons, and escapes of these"
                }
                PathPrefixFault::MoreThanPath => "write the path alone, without a query",
                PathPrefixFault::NoSlash => "write a path from its first slash: \"/orders\"",
                PathPrefixFault::SlashAtEnd => "write it without, for itself and all below it",
            };
            Refusal::new(format!("{text:?} {fault}"), remedy)
        })
    }
}

/// What is done to the messages of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum PolicyName {
    /// They are opened and sealed.
    Require,
    /// They pass.
    Bypass,
    /// As with `Require`, but for a while some clients may be plain.
    Permit,
    /// The same, and all of them are let through that are plain.
    Shadow,
}

impl Value for PolicyName {
    const EXPECTED: &'static str = "a policy in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let policies = [
            ("require", Self::Require),
            ("bypass", Self::Bypass),
            ("permit", Self::Permit),
            ("shadow", Self::Shadow),
        ];
        super::choices::choice(text, "policy", &policies)
    }
}

/// What a profile is called.
pub(in crate::config) struct ProfileName(pub(in crate::config) String);

impl Value for ProfileName {
    const EXPECTED: &'static str = "the name of a profile in quotes";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        ProxyName::from_text(text).map(|ProxyName(name)| Self(name))
    }
}
