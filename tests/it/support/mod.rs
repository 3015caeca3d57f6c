//! What the suite needs to be the outside world: the real binary as a process, plain applications, raw sockets.

#![allow(dead_code, reason = "each test file uses its part")]

mod bridge;
mod certificates;
mod frames;
mod keys;
mod origin;
mod peer;
mod portal;
mod programs;
mod redis;
mod sidecar;
mod talker;
#[cfg(target_os = "linux")]
mod terminal;
mod tunnel;
mod websocket;
mod wire;

use std::sync::mpsc;
use std::time::{Duration, Instant};

pub(crate) use bridge::Bridge;
pub(crate) use certificates::{Authority, Window};
pub(crate) use frames::Frames;
pub(crate) use keys::TestKey;
pub(crate) use origin::{Origin, Received};
pub(crate) use peer::{Peer, iv_of, opened, reply_of, sealed_reply};
pub(crate) use portal::{Portal, PortalAnswer};
pub(crate) use programs::{AleServer, Outcome, Program, node_path, run};
pub(crate) use redis::Redis;
pub(crate) use sidecar::{Sidecar, SidecarBuilder};
pub(crate) use talker::Talker;
#[cfg(target_os = "linux")]
pub(crate) use terminal::Terminal;
pub(crate) use tunnel::Tunnel;
pub(crate) use websocket::{
    Event, Frame, Message, Opcode, WebSocketOrigin, accept_of, agreement, echo_session, field, shown,
};
pub(crate) use wire::{Connection, End, Reply, uninterrupted};

/// How long a condition may take to come true on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds; fails the test with `what` otherwise.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let (_never, pause) = mpsc::channel::<()>();
    while !condition() {
        assert!(Instant::now() < deadline, "still not so after {PATIENCE:?}: {what}");
        let _ = pause.recv_timeout(Duration::from_millis(5));
    }
}
