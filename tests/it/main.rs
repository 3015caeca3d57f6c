//! The suite from outside: it runs the real binary against real peers.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod attack;
mod bridge;
mod check;
mod clients;
mod commands;
mod docs;
mod exchange;
mod keys;
mod life;
mod limits;
mod listen;
mod log;
mod migration;
mod openssl_speed;
mod outbound;
#[cfg(unix)]
mod packaging;
mod portal;
mod profiles;
#[cfg(unix)]
mod reload;
mod replay;
mod routes;
mod seal_limit;
mod support;
mod upstream;
mod usage;
mod vectors;
#[cfg(unix)]
mod ways;
mod websocket;
mod wire;
