//! The clients of examples/clients/, run as a user runs them, and plain ones through a bridge.
//!
//! Where a language is not on the machine its tests say so and pass; with ALEWIFE_REQUIRE_CLIENTS=1 they fail.

mod http;
mod plain;
mod websocket;
