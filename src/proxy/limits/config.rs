//! `[proxy.limits]`, checked.

use std::num::{NonZeroU32, NonZeroU64};

use crate::metrics::Limit;

/// What one proxy takes on at once, and of what kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Bytes of a request's head at most: method, target, names and values, and 4 for each field.
    pub header_bytes: u32,
    /// Fields of a request's head at most.
    pub header_count: u32,
    /// Connections of clients at once.
    pub connections: NonZeroU32,
    /// Connections of one address at once; under IPv6 of a /64.
    pub connections_per_peer: NonZeroU32,
    /// Requests in flight at once.
    pub requests: NonZeroU32,
    /// WebSocket sessions at once.
    pub sessions: NonZeroU32,
    /// Bytes of a request's body in each second in which its sender is waited for, at least; `None` for no bound.
    pub min_body_rate: Option<NonZeroU64>,
}

impl LimitsConfig {
    /// Past it nothing is read on, and nothing can be answered but a bare 431.
    pub const MOST_HEADER_BYTES: u32 = 128 * 1024;
    /// More fields than any head has a use for.
    pub const MOST_HEADER_COUNT: u32 = 1000;
    /// More than a process can have descriptors for.
    pub const MOST: u32 = 1_000_000;

    /// Each limit with its value; no rate is 0.
    pub(crate) fn values(&self) -> [(Limit, u64); Limit::ALL.len()] {
        let value = |limit| match limit {
            Limit::HeaderBytes => self.header_bytes.into(),
            Limit::HeaderCount => self.header_count.into(),
            Limit::Connections => self.connections.get().into(),
            Limit::ConnectionsPerPeer => self.connections_per_peer.get().into(),
            Limit::Requests => self.requests.get().into(),
            Limit::Sessions => self.sessions.get().into(),
            Limit::MinBodyRate => self.min_body_rate.map_or(0, NonZeroU64::get),
        };
        Limit::ALL.map(|limit| (limit, value(limit)))
    }

    /// How many bytes of a head are read at all: more than are taken, so that the answer to what is too long can say
    /// so, and be counted.
    pub(crate) fn head_read(&self) -> u32 {
        self.header_bytes.saturating_mul(2).min(Self::MOST_HEADER_BYTES)
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        const fn number(number: u32) -> NonZeroU32 {
            NonZeroU32::new(number).expect("it is not zero")
        }
        Self {
            header_bytes: 64 * 1024,
            header_count: 100,
            connections: const { number(8192) },
            connections_per_peer: const { number(2048) },
            requests: const { number(4096) },
            sessions: const { number(4096) },
            min_body_rate: NonZeroU64::new(64),
        }
    }
}
