//! The suite from outside: it runs the real binary against real peers.

mod exchange;
#[cfg(target_os = "linux")]
mod life;
mod openssl_speed;
#[cfg(unix)]
mod reload;
mod support;
mod vectors;
#[cfg(unix)]
mod ways;
