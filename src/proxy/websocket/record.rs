//! One session, as the log and the metrics see it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::Side;
use super::fault::Fault;
use crate::capture::Tap;
use crate::keys::Key;
use crate::metrics::{Closer, Direction, SessionGuard};
use crate::proxy::exchange::{Shared, milliseconds};
use crate::proxy::limits::Place;
use crate::proxy::trace::Trace;

/// Lives from the end of the handshake to the end of both legs; counts and logs itself when it ends.
pub(super) struct Record {
    shared: Arc<Shared>,
    started: Instant,
    peer: IpAddr,
    asked: SessionAsked,
    /// None where all of it is plain.
    key: Option<Arc<str>>,
    to_client: Carried,
    to_server: Carried,
    end: Option<End>,
    _open: SessionGuard,
    _place: Place,
}

/// What the handshake asked for, and by what names.
pub(super) struct SessionAsked {
    /// As the log shows it.
    pub(super) path: Box<str>,
    pub(super) trace: Trace,
    /// What notes the exchange that the session is of.
    pub(super) tap: Tap,
}

/// What was carried in one direction.
#[derive(Clone, Copy, Default)]
struct Carried {
    messages: u64,
    bytes: u64,
}

/// Who ended the session, with which code, and why.
struct End {
    by: Closer,
    code: Option<u16>,
    reason: Option<Box<str>>,
}

impl Record {
    pub(super) fn begin(
        shared: &Arc<Shared>,
        place: Place,
        peer: IpAddr,
        asked: SessionAsked,
        key: Option<&Key>,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            started: Instant::now(),
            peer,
            asked,
            key: key.map(|key| key.fingerprint.as_str().into()),
            to_client: Carried::default(),
            to_server: Carried::default(),
            end: None,
            _open: shared.metrics.session_opened(),
            _place: place,
        }
    }

    /// A message of so many bytes of plaintext goes over from `side`.
    pub(super) fn carried(&mut self, side: Side, bytes: usize) {
        let bytes = bytes as u64;
        let (carried, direction) = match side {
            Side::Client => (&mut self.to_server, Direction::ToServer),
            Side::Server => (&mut self.to_client, Direction::ToClient),
        };
        carried.messages += 1;
        carried.bytes += bytes;
        self.shared.metrics.message(direction, bytes);
    }

    /// What notes the session, if it is kept.
    pub(super) fn tap(&self) -> &Tap {
        &self.asked.tap
    }

    /// A message does not go over.
    pub(super) fn refused(&self, fault: Fault) {
        self.shared.metrics.message_refused(fault.refusal());
        if let Fault::Refused(refusal) = fault {
            self.shared.metrics.ale_error(refusal.code, refusal.reason);
        }
    }

    /// The first to end the session; `reason` is for the log, and never a peer's text.
    pub(super) fn closed(&mut self, by: Closer, code: Option<u16>, reason: Option<String>) {
        if self.end.is_none() {
            self.shared.metrics.session_closed(by);
            self.end = Some(End { by, code, reason: reason.map(Into::into) });
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // The process cut it at the end of its grace.
        self.closed(Closer::Sidecar, None, Some("cut at the end of the grace".to_owned()));
        let end = self.end.as_ref();
        let reason = end.and_then(|end| end.reason.as_deref());
        self.asked.tap.session_ended(self.started.elapsed(), reason);
        tracing::info!(
            target: "alewife::access",
            proxy = &*self.shared.name,
            route = self.shared.route.as_deref(),
            peer = %self.peer,
            request_id = self.asked.trace.request_id(),
            trace_id = self.asked.trace.trace_id(),
            path = &*self.asked.path,
            key = self.key.as_deref(),
            by = end.map(|end| end.by.label()),
            code = end.and_then(|end| end.code),
            reason,
            to_server_messages = self.to_server.messages,
            to_server_bytes = self.to_server.bytes,
            to_client_messages = self.to_client.messages,
            to_client_bytes = self.to_client.bytes,
            ms = milliseconds(self.started.elapsed()),
            "session"
        );
    }
}
