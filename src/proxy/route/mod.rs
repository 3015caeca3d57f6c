//! Where the requests of a proxy go, and what is done to them on the way.

mod matching;
mod path;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use matching::{Asked, HostPattern, HostPatternFault, Mismatch, RouteMatch};
pub use path::{PathPrefix, PathPrefixFault};

use matching::is_ambiguous_host;
use path::Reading;

use super::Upstream;
use crate::profile::Profile;

/// One way through a proxy, checked.
#[derive(Clone, Debug)]
pub struct RouteConfig {
    /// What logs call it; none where the proxy has no routes, but one way for all.
    pub name: Option<Arc<str>>,
    /// Which requests it is for.
    pub matching: RouteMatch,
    /// What is done to messages.
    pub policy: Policy,
    /// Where requests go: the application, or the peer that speaks ALE.
    pub upstream: Upstream,
    /// What stands in place of `matching.path` on the way to the upstream.
    pub rewrite: Option<PathPrefix>,
}

impl RouteConfig {
    /// The one way of a proxy without routes.
    pub fn of_all(policy: Policy, upstream: Upstream) -> Self {
        Self { name: None, matching: RouteMatch::default(), policy, upstream, rewrite: None }
    }

    /// The key set that is opened and sealed with.
    pub fn keys(&self) -> Option<&Arc<str>> {
        match &self.policy {
            Policy::Require { keys, .. } => Some(keys),
            Policy::Bypass => None,
        }
    }

    /// What sealed messages look like.
    pub fn profile(&self) -> Option<&Profile> {
        match &self.policy {
            Policy::Require { profile, .. } => Some(profile),
            Policy::Bypass => None,
        }
    }

    /// Whether both lead to the same upstream, and open there with the same keys.
    pub(super) fn seals_for_same_peer(&self, other: &Self) -> bool {
        self.upstream == other.upstream && self.policy.opens_as(&other.policy)
    }

    /// The path that the upstream gets for `path`, which this route is for; `None` if that is the same.
    pub fn rewritten(&self, path: &str) -> Option<String> {
        // OPTIONS * is about no path.
        let (from, to) = self.matching.path.as_ref().zip(self.rewrite.as_ref())?;
        path.starts_with('/').then(|| from.replaced(path, to))
    }
}

/// What is done to the messages of a route.
#[derive(Clone, Debug)]
pub enum Policy {
    /// They are opened and sealed, and refused where they cannot be.
    Require {
        /// The key set for it.
        keys: Arc<str>,
        /// What the sealed ones look like.
        profile: Profile,
    },
    /// They pass as they are.
    Bypass,
}

impl Policy {
    /// Has messages look so, where they are sealed at all.
    pub fn seal_as(&mut self, other: &Profile) {
        if let Self::Require { profile, .. } = self {
            profile.clone_from(other);
        }
    }

    /// Has messages sealed with the keys of that set, where they are sealed at all.
    pub fn seal_with(&mut self, set: &Arc<str>) {
        if let Self::Require { keys, .. } = self {
            keys.clone_from(set);
        }
    }

    /// Whether both open the same messages with the same keys, or neither any.
    pub(super) fn opens_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Require { keys, profile }, Self::Require { keys: other_keys, profile: other_profile }) => {
                (keys, profile.name()) == (other_keys, other_profile.name())
            }
            (Self::Bypass, Self::Bypass) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Require { .. } => "require",
            Self::Bypass => "bypass",
        })
    }
}

/// The ways through a proxy in order; there is at least one, and the first that is for a request is taken.
#[derive(Clone, Debug)]
pub struct Routes {
    first: RouteConfig,
    others: Vec<RouteConfig>,
    tells_paths_apart: bool,
    tells_hosts_apart: bool,
    /// Whether who asks must have the keys, as inbound.
    askers_have_keys: bool,
}

impl Routes {
    /// The one way of all requests.
    pub fn one(route: RouteConfig) -> Self {
        Self::of(route, Vec::new(), true)
    }

    /// These, in order; `None` if there is none. `askers_have_keys` says whether who asks must have the keys, as inbound.
    pub fn new(routes: Vec<RouteConfig>, askers_have_keys: bool) -> Option<Self> {
        let mut routes = routes.into_iter();
        let first = routes.next()?;
        Some(Self::of(first, routes.collect(), askers_have_keys))
    }

    fn of(first: RouteConfig, others: Vec<RouteConfig>, askers_have_keys: bool) -> Self {
        let routes =
            Self { first, others, tells_paths_apart: false, tells_hosts_apart: false, askers_have_keys };
        let tells_paths_apart = routes.iter().any(|route| route.matching.tells_paths_apart());
        let tells_hosts_apart = routes.iter().any(|route| route.matching.tells_hosts_apart());
        Self { tells_paths_apart, tells_hosts_apart, ..routes }
    }

    /// The first of them.
    pub fn first(&self) -> &RouteConfig {
        &self.first
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &RouteConfig> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Changes what is done to the messages of each.
    pub fn adjust(&mut self, change: impl Fn(&mut Policy)) {
        std::iter::once(&mut self.first).chain(&mut self.others).for_each(|route| change(&mut route.policy));
    }

    /// Where requests go, in a few words: the upstream, or how many routes there are.
    pub fn destination(&self) -> String {
        match (self.are_written(), self.others.len()) {
            (false, _) => self.first.upstream.to_string(),
            (true, 0) => "1 route".to_owned(),
            (true, others) => format!("{} routes", others + 1),
        }
    }

    /// Whether the proxy has routes that are written, and not one way for all.
    pub fn are_written(&self) -> bool {
        self.first.name.is_some()
    }

    /// The key sets that are opened and sealed with, each once.
    pub fn key_sets(&self) -> Vec<&Arc<str>> {
        let mut sets: Vec<&Arc<str>> = Vec::new();
        for keys in self.iter().filter_map(RouteConfig::keys) {
            if !sets.contains(&keys) {
                sets.push(keys);
            }
        }
        sets
    }

    /// The route that a request takes, by its place.
    pub fn choose(&self, asked: &Asked<'_>) -> Option<usize> {
        self.judge(asked).position(|(_, judged)| judged.is_ok())
    }

    /// Each route in order, and why a request does not take it, if so. Only the first that it could take counts.
    pub fn judge(&self, asked: &Asked<'_>) -> impl Iterator<Item = (&RouteConfig, Result<(), Mismatch>)> {
        let path = Reading::of(asked.path);
        let is_ambiguous = self.tells_paths_apart && path.is_ambiguous()
            || self.tells_hosts_apart && asked.host.is_some_and(is_ambiguous_host);
        self.iter().map(move |route| {
            let judged = route.matching.judge(asked, &path);
            let judged = judged.and_then(|()| match is_ambiguous && !self.may_be_ambiguous(route) {
                true => Err(Mismatch::Ambiguous),
                false => Ok(()),
            });
            (route, judged)
        })
    }

    /// Whether a route may be taken by requests of which servers may think that they are for another one.
    ///
    /// Nothing passes plain that way, and nobody opens with the keys of one route what the application takes for another's.
    fn may_be_ambiguous(&self, route: &RouteConfig) -> bool {
        let tells_apart =
            |matching: &RouteMatch| matching.tells_paths_apart() || matching.tells_hosts_apart();
        match route.policy {
            Policy::Bypass => false,
            Policy::Require { .. } if !self.askers_have_keys => true,
            Policy::Require { .. } => !self.iter().any(|other| {
                other.keys().is_some()
                    && !other.policy.opens_as(&route.policy)
                    && (tells_apart(&other.matching) || tells_apart(&route.matching))
            }),
        }
    }
}
