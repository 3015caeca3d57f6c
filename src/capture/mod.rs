//! What passes through the proxies, kept for a developer to look at: each exchange as it was on either side, within bounds of
//! memory.
//!
//! A tap goes along with an exchange. Where nothing is kept it is empty, and all that it costs is to see that. Whoever
//! shows what was kept reads it from the [`Capture`], and hears of changes by [`Capture::listen`].

mod body;
mod exchange;
mod faults;
mod store;
mod tap;
#[cfg(test)]
mod tests;

pub use body::{Body, Head, Message};
pub use exchange::{Captured, Direction, Kind, Names, Stages, Summary};
pub use faults::{Fault, FaultPlan, PlannedFault};
pub use store::{Capture, CaptureLimits, Event, Expected};
pub(crate) use tap::{Begun, Tap};

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
