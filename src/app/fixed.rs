//! What holds from the start of the process to its end.

use std::num::NonZeroUsize;

use crate::admin::AdminConfig;
use crate::config::Config;
#[cfg(feature = "inspector")]
use crate::inspector::InspectorConfig;
use crate::keys::SealLimit;
use crate::telemetry::LogConfig;

/// The settings that a reload cannot change.
pub(super) struct Fixed {
    workers: NonZeroUsize,
    max_held: u64,
    admin: AdminConfig,
    #[cfg(feature = "inspector")]
    inspector: Option<InspectorConfig>,
    log: LogConfig,
    seal_limits: Vec<(String, SealLimit)>,
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            workers: config.workers,
            max_held: config.max_held,
            admin: config.admin,
            #[cfg(feature = "inspector")]
            inspector: config.inspector.clone(),
            log: config.log.clone(),
            seal_limits: seal_limits(config).collect(),
        }
    }

    /// The keys of what `config` has otherwise.
    pub(super) fn differences(&self, config: &Config) -> Vec<String> {
        let of_process = [
            ("workers", self.workers != config.workers),
            ("max_held", self.max_held != config.max_held),
            ("admin", self.admin != config.admin),
            #[cfg(feature = "inspector")]
            ("inspector", self.inspector != config.inspector),
            ("log", self.log != config.log),
        ];
        let of_process =
            of_process.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned());
        // What a key has sealed is counted against the limit that it began under.
        let of_keys = seal_limits(config).filter_map(|(set, limit)| {
            let began = self.seal_limits.iter().find(|(known, _)| *known == set);
            began
                .is_some_and(|(_, began)| *began != limit)
                .then(|| format!("seal_limit of the key set {set}"))
        });
        of_process.chain(of_keys).collect()
    }
}

fn seal_limits(config: &Config) -> impl Iterator<Item = (String, SealLimit)> {
    config.key_sets.iter().map(|set| (set.name.to_string(), set.seal_limit))
}
