//! Which requests a route is for.

use std::fmt;

use http::Method;

use super::path::{PathPrefix, Reading};

/// Which requests a route is for. What is left out tells none apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteMatch {
    /// The hosts; any, if there is none.
    pub hosts: Vec<HostPattern>,
    /// What the path begins with.
    pub path: Option<PathPrefix>,
    /// The methods; any, if there is none.
    pub methods: Vec<Method>,
}

/// A request as routes see it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// The host that it is for, as it is forwarded, with or without a port.
    pub host: Option<&'a str>,
    /// Its path, as it is written.
    pub path: &'a str,
}

/// Why a route is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The host is another one.
    #[error("for another host")]
    Host,
    /// The path is another one.
    #[error("for another path")]
    Path,
    /// The method is another one.
    #[error("for another method")]
    Method,
    /// It would match as the path or the host stands, but a server may read that differently.
    #[error("the target can be read in more than one way, and this route is not for such ones")]
    Ambiguous,
}

impl RouteMatch {
    /// Whether the route is for a request to this host, by this method, to this path.
    pub(super) fn judge(&self, asked: &Asked<'_>, path: &Reading) -> Result<(), Mismatch> {
        if !self.hosts.is_empty() {
            let host = asked.host.map(host_name);
            if !host.is_some_and(|host| self.hosts.iter().any(|pattern| pattern.is_for(host))) {
                return Err(Mismatch::Host);
            }
        }
        if self.path.as_ref().is_some_and(|prefix| !prefix.begins(path)) {
            return Err(Mismatch::Path);
        }
        if !self.methods.is_empty() && !self.methods.contains(asked.method) {
            return Err(Mismatch::Method);
        }
        Ok(())
    }

    pub(super) fn tells_paths_apart(&self) -> bool {
        self.path.as_ref().is_some_and(|path| !path.is_all())
    }

    pub(super) fn tells_hosts_apart(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Whether it is for every request that `other` is for.
    pub fn covers(&self, other: &Self) -> bool {
        let covers_host = |host: &HostPattern| self.hosts.iter().any(|own| own.covers(host));
        let hosts = self.hosts.is_empty() || !other.hosts.is_empty() && other.hosts.iter().all(covers_host);
        let methods = self.methods.is_empty()
            || !other.methods.is_empty() && other.methods.iter().all(|method| self.methods.contains(method));
        let path = match (&self.path, &other.path) {
            (None, _) => true,
            (Some(own), None) => own.is_all(),
            (Some(own), Some(other)) => own.covers(other),
        };
        hosts && methods && path
    }
}

/// A host, or all below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This one, in small letters.
    Exactly(Box<str>),
    /// `*.` and this: its subdomains, not itself.
    Below(Box<str>),
}

impl HostPattern {
    /// Reads `HOST` or `*.HOST`, without a port; an address of IPv6 in brackets.
    pub fn new(text: &str) -> Result<Self, HostPatternFault> {
        let (name, is_below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let is_address = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .is_some_and(|inside| !is_below && inside.parse::<std::net::Ipv6Addr>().is_ok());
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if !is_address && name.rsplit_once(':').is_some() {
            return Err(HostPatternFault::Port);
        }
        if !is_address && !name.split('.').all(is_label) {
            return Err(HostPatternFault::NotAHost);
        }
        let name = name.to_ascii_lowercase().into();
        Ok(if is_below { Self::Below(name) } else { Self::Exactly(name) })
    }

    fn is_for(&self, host: &str) -> bool {
        match self {
            Self::Exactly(name) => host.eq_ignore_ascii_case(name),
            Self::Below(name) => {
                let at = host.len().checked_sub(name.len());
                let split = at.and_then(|at| host.split_at_checked(at));
                split.is_some_and(|(below, end)| {
                    end.eq_ignore_ascii_case(name) && below.len() > 1 && below.ends_with('.')
                })
            }
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match other {
            Self::Exactly(name) => self.is_for(name),
            Self::Below(name) => self == other || self.is_for(&format!("any.{name}")) && self.is_for(name),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}

/// Why a text is no host of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostPatternFault {
    /// Something else.
    #[error("is not a host")]
    NotAHost,
    /// Ports are not told apart.
    #[error("has a port")]
    Port,
}

/// A host without its port, and without the dot that ends a full name.
fn host_name(authority: &str) -> &str {
    let host = match authority.rfind([':', ']']) {
        Some(at) if authority[at..].starts_with(':') => &authority[..at],
        _ => authority,
    };
    host.strip_suffix('.').unwrap_or(host)
}

/// Whether servers read a host differently: one with escapes in it.
pub(super) fn is_ambiguous_host(authority: &str) -> bool {
    authority.contains('%')
}
