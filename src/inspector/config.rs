//! What `[inspector]` says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::mask::Mask;
use crate::capture::CaptureLimits;

/// The `[inspector]` table, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectorConfig {
    /// Where it listens, on loopback.
    pub listen: SocketAddr,
    /// The file that is told where the page is.
    pub url_file: PathBuf,
    /// What is not shown.
    pub mask: Mask,
    /// How much is kept.
    pub limits: CaptureLimits,
}

impl InspectorConfig {
    /// Where it listens unless told otherwise.
    pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7090);
}
