//! Where keys come from.

mod config;
pub mod key_file;

pub use config::KeysConfig;
