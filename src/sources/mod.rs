//! Where keys come from.

mod config;
pub mod key_file;
pub mod watch;

pub use config::KeysConfig;
