//! The suite from outside: it runs the real binary against real peers.

#![allow(clippy::unwrap_used, reason = "a test fails by panic, in the code that tests share as well")]

mod clients;
mod exchange;
mod openssl_speed;
#[cfg(unix)]
mod reload;
mod support;
mod vectors;
#[cfg(unix)]
mod ways;
