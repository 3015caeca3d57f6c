//! What a replay window needs to know; filled by `config/`.

use std::num::NonZeroU32;
use std::time::Duration;

/// How long and how many messages that have opened are remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayConfig {
    /// How long each.
    pub window: Duration,
    /// How many at most; the oldest give way.
    pub entries: NonZeroU32,
}

impl ReplayConfig {
    /// How many are remembered unless the configuration says otherwise.
    pub const ENTRIES: NonZeroU32 = NonZeroU32::new(1_000_000).expect("a million is not zero");
}
