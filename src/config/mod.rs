//! The only reader of configuration files: raw TOML in, checked settings out, every fault gathered.
//!
//! Each component owns its own settings type; this module fills it. Holding a [`Config`] means that it is right.

mod digest;
mod environment;
mod file;
#[cfg(feature = "inspector")]
mod inspector;
#[cfg(not(feature = "inspector"))]
#[path = "inspector_absent.rs"]
mod inspector;
mod keys;
mod memory;
mod profile;
mod proxy;
mod secret;
#[cfg(test)]
mod tests;
mod values;

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

pub use digest::ConfigDigest;
pub use environment::Environment;
pub use profile::OwnProfile;

use crate::admin::AdminConfig;
use crate::document::{Fault, Faults, Setting};
#[cfg(feature = "inspector")]
use crate::inspector::InspectorConfig;
use crate::proxy::ProxyConfig;
use crate::sources::KeysConfig;
use crate::telemetry::LogConfig;

/// Everything that one process runs with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Worker threads, each with a runtime of its own.
    pub workers: NonZeroUsize,
    /// How long new work is still taken once a stop was asked for, while the process says that it is not ready.
    pub shutdown_delay: Duration,
    /// How long exchanges under way may take after that.
    pub shutdown_grace: Duration,
    /// Most bytes of bodies that are held at one time, all proxies together.
    pub max_held: u64,
    /// Where keys come from: `[keys]` first, if it is there, and the sets under `[keyset]`.
    pub key_sets: Vec<KeysConfig>,
    /// Where the admin listeners stand.
    pub admin: AdminConfig,
    /// What shows the exchanges to people on this machine, if anything does.
    #[cfg(feature = "inspector")]
    pub inspector: Option<InspectorConfig>,
    /// What is logged and how.
    pub log: LogConfig,
    /// The proxies, at least one, each with a name and an address of its own.
    pub proxies: Vec<ProxyConfig>,
    /// The wire formats that the file describes, in alphabetical order.
    pub profiles: Vec<OwnProfile>,
    /// Tells this text of the file from others.
    pub digest: ConfigDigest,
    /// What is right, but not safe; for `check` and for the log at the start.
    pub warnings: Vec<Fault>,
}

impl Config {
    /// Reads the configuration file at `path`, under the environment of this process. The key files that it names are not opened, and no portal is asked.
    pub fn load(path: &Path) -> Result<Self, Faults> {
        examine(path).config
    }

    /// Reads a configuration that is no file, whatever the environment has; `name` is what faults call it. Relative paths start at
    /// the current directory.
    pub fn of_text(text: &str, name: &str) -> Result<Self, Faults> {
        file::parse_under(text, &Environment::default(), name, Path::new("")).config
    }

    /// The key set of that name.
    pub fn key_set(&self, name: &str) -> Option<&KeysConfig> {
        self.key_sets.iter().find(|set| *set.name == *name)
    }
}

/// A configuration, or what is wrong with it; and where its keys are, which may be known all the same.
pub struct Examined {
    /// The whole.
    pub config: Result<Config, Faults>,
    /// The key sets that are right in themselves.
    pub key_sets: Vec<KeysConfig>,
    /// Each key that there is, and where its value is from.
    pub settings: Vec<Setting>,
}

impl Examined {
    fn faulty(faults: Faults) -> Self {
        Self { config: Err(faults), key_sets: Vec::new(), settings: Vec::new() }
    }
}

/// Reads the configuration file at `path`, under the environment of this process, as far as it can be read.
pub fn examine(path: &Path) -> Examined {
    let name = path.display().to_string();
    let directory = path.parent().unwrap_or(Path::new(""));
    match read(path) {
        Ok(text) => file::parse_under(&text, &Environment::of_process(), &name, directory),
        Err(error) => Examined::faulty(error.into_fault(&name).into()),
    }
}

fn read(path: &Path) -> Result<String, Unreadable> {
    let bytes = std::fs::read(path).map_err(Unreadable::Io)?;
    String::from_utf8(bytes).map_err(|_| Unreadable::NotUtf8)
}

/// Why the configuration file has no text.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    /// The system refused.
    #[error("it cannot be read: {0}")]
    Io(#[source] std::io::Error),
    /// The content is no text.
    #[error("it is not UTF-8")]
    NotUtf8,
}

impl Unreadable {
    fn into_fault(self, name: &str) -> Fault {
        let remedy = "name a readable file of UTF-8 text with --config or ALEWIFE_CONFIG".to_owned();
        Fault { file: name.into(), place: None, key_path: String::new(), problem: self.to_string(), remedy }
    }
}
