//! Where the requests of a proxy go, and what is done to them on the way.

use std::sync::Arc;

use super::Upstream;
use crate::profile::Profile;

/// One way through a proxy, checked.
#[derive(Clone, Debug)]
pub struct RouteConfig {
    /// What is done to messages.
    pub policy: Policy,
    /// Where requests go: the application, or the peer that speaks ALE.
    pub upstream: Upstream,
}

/// What is done to the messages of a route.
#[derive(Clone, Debug)]
pub enum Policy {
    /// They are opened and sealed, and refused where they cannot be.
    Require {
        /// The key set for it.
        keys: Arc<str>,
        /// What the sealed ones look like.
        profile: Arc<Profile>,
    },
}

/// The ways through a proxy; there is at least one.
#[derive(Clone, Debug)]
pub struct Routes {
    first: RouteConfig,
}

impl Routes {
    /// The one way of all requests.
    pub fn one(route: RouteConfig) -> Self {
        Self { first: route }
    }

    /// The first of them.
    pub fn first(&self) -> &RouteConfig {
        &self.first
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &RouteConfig> {
        std::iter::once(&self.first)
    }

    /// The key sets that are opened and sealed with, each once.
    pub fn key_sets(&self) -> Vec<&Arc<str>> {
        let mut sets: Vec<&Arc<str>> = Vec::new();
        for RouteConfig { policy: Policy::Require { keys, .. }, .. } in self.iter() {
            if !sets.contains(&keys) {
                sets.push(keys);
            }
        }
        sets
    }
}
