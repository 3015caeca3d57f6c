//! The thin shell around the protocol: requests in, opened and forwarded, replies sealed on their way back.

mod config;

pub use config::{ForwardedPolicy, ProxyConfig, Timeouts, Upstream};
