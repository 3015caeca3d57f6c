//! Where keys come from: the key file, read, watched, and reloaded while requests run; a portal, asked over HTTPS.

mod cache;
mod config;
pub mod key_file;
pub mod portal;
pub mod reload;
mod secret;
pub mod watch;

pub use cache::{CacheFault, CacheFile, Cached};
pub use config::KeysConfig;
pub use reload::{KeyReloader, LoadedKeys, Refresh, Waiting, load_now};
pub use secret::{SecretFault, SecretSource};
pub use watch::WatchSettings;
