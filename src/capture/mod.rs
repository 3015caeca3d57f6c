//! What passes through the proxies, kept for a developer to look at: each exchange as it was on either side, within bounds of
//! memory.
//!
//! A tap goes along with an exchange. Where nothing is kept it is empty, and all that it costs is to see that. Whoever
//! shows what was kept reads it from the [`Capture`], and hears of changes by its `listen`.
//!
//! In a program without the feature `inspector` there is no [`Capture`], and a tap is nothing at all.

// What a proxy says of an exchange has these types either way; a program that keeps nothing makes nothing of them.
#[cfg_attr(not(feature = "inspector"), allow(dead_code, reason = "filled in by the store"))]
mod body;
#[cfg_attr(not(feature = "inspector"), allow(dead_code, reason = "filled in by the store"))]
mod exchange;
#[cfg_attr(not(feature = "inspector"), allow(dead_code, reason = "planned by the inspector"))]
mod faults;
#[cfg(feature = "inspector")]
mod store;
#[cfg(feature = "inspector")]
mod tap;
#[cfg(feature = "inspector")]
#[cfg(test)]
mod tests;
#[cfg(not(feature = "inspector"))]
mod without;

pub use body::{Body, Head, Message};
pub(crate) use exchange::Begun;
pub use exchange::{Captured, Direction, Kind, Names, Stages, Summary};
pub use faults::{Fault, FaultPlan, PlannedFault};
#[cfg(feature = "inspector")]
pub use store::{Capture, CaptureLimits, Event, Expected};
#[cfg(feature = "inspector")]
pub(crate) use tap::Tap;
#[cfg(not(feature = "inspector"))]
pub use without::Capture;
#[cfg(not(feature = "inspector"))]
pub(crate) use without::Tap;

/// Which of the two messages of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Half {
    /// What is asked.
    Request,
    /// What is answered.
    Reply,
}

/// On which side of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Where it was asked.
    Client,
    /// Where it was handed on to.
    Upstream,
}
