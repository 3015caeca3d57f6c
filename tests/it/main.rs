//! The suite from outside: it runs the real binary against real peers.

#[cfg(unix)]
mod reload;
#[cfg(unix)]
mod ways;

mod exchange;
mod support;
