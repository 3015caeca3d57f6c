//! The suite from outside: it runs the real binary against real peers.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod dockerfile;
