//! The bridge: a plain client → outbound → inbound → a plain application, beside the same two without anything between.

mod differences;
mod generated;
mod heard;
mod property;
mod session_property;
mod sessions;
