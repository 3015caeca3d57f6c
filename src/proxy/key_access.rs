//! The keys of a route: those in force, and how to have them looked for.

use std::sync::Arc;

use crate::keys::KeyStore;
use crate::sources::Refresh;

/// One key set as the proxies that use it see it.
#[derive(Clone)]
pub struct KeyAccess {
    /// The keys in force.
    pub store: Arc<KeyStore>,
    /// Has them read anew.
    pub refresh: Refresh,
}
