//! The suite from outside: it runs the real binary against real peers.

mod commands;
mod exchange;
mod openssl_speed;
#[cfg(unix)]
mod reload;
mod support;
mod vectors;
#[cfg(unix)]
mod ways;
