//! Where keys come from: the key file, read, watched, and reloaded while requests run.

mod config;
pub mod key_file;
pub mod reload;
pub mod watch;

pub use config::KeysConfig;
