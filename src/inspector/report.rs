//! Exchanges as JSON: what a list tells of them, and all that is kept of one.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::mask::Shown;
use crate::capture::{Body, CaptureLimits, Captured, Direction, Fault, Head, Kind, Message, Stages, Summary};
use crate::crypto::encoding;

/// The list.
#[derive(Serialize)]
pub(super) struct ListReport<'l> {
    pub(super) exchanges: Vec<SummaryReport<'l>>,
    pub(super) left_out: u64,
    pub(super) limits: LimitsReport,
}

/// How much is kept.
#[derive(Serialize)]
pub(super) struct LimitsReport {
    exchanges: usize,
    bytes: usize,
    body: usize,
}

impl From<CaptureLimits> for LimitsReport {
    fn from(CaptureLimits { exchanges, bytes, body }: CaptureLimits) -> Self {
        Self { exchanges, bytes, body }
    }
}

/// One line of the list.
#[derive(Serialize)]
pub(super) struct SummaryReport<'s> {
    id: u64,
    kind: &'static str,
    started: String,
    proxy: &'s str,
    direction: &'static str,
    peer: &'s str,
    method: &'s str,
    target: &'s str,
    state: &'static str,
    status: Option<u16>,
    outcome: Option<&'static str>,
    reason: Option<&'s str>,
    key: Option<&'s str>,
    algorithm: Option<&'s str>,
    request_bytes: u64,
    reply_bytes: u64,
    ms: Option<f64>,
    request_id: &'s str,
    repeats: Option<u64>,
    fault: Option<&'static str>,
}

impl<'s> SummaryReport<'s> {
    pub(super) fn of(summary: &'s Shown<Summary>) -> Self {
        Self::told(summary)
    }

    pub(super) fn within(captured: &'s Shown<Captured>) -> Self {
        Self::told(&captured.summary)
    }

    fn told(summary: &'s Summary) -> Self {
        Self {
            id: summary.id,
            kind: match summary.kind {
                Kind::Http => "http",
                Kind::WebSocket => "websocket",
            },
            started: time(summary.started),
            proxy: &summary.proxy,
            direction: direction(summary.direction),
            peer: &summary.peer,
            method: &summary.method,
            target: &summary.target,
            state: if summary.done { "done" } else { "open" },
            status: summary.status,
            outcome: summary.outcome,
            reason: summary.reason.as_deref(),
            key: summary.key.as_deref(),
            algorithm: summary.algorithm.as_deref(),
            request_bytes: summary.request_bytes,
            reply_bytes: summary.reply_bytes,
            ms: summary.duration.map(milliseconds),
            request_id: &summary.request_id,
            repeats: summary.repeats,
            fault: summary.fault.map(Fault::label),
        }
    }
}

/// All that is kept of an exchange.
#[derive(Serialize)]
pub(super) struct DetailReport<'c> {
    #[serde(flatten)]
    pub(super) summary: SummaryReport<'c>,
    pub(super) request: HalfReport<'c>,
    pub(super) reply: HalfReport<'c>,
    pub(super) timings: TimingsReport,
    pub(super) failure: Option<FailureReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) messages: Option<Vec<MessageReport<'c>>>,
}

/// A request or a reply, as it was on either side.
#[derive(Serialize)]
pub(super) struct HalfReport<'c> {
    pub(super) sealed: Option<SideReport<'c>>,
    pub(super) plain: Option<SideReport<'c>>,
    pub(super) envelope: Option<EnvelopeReport>,
}

#[derive(Serialize)]
pub(super) struct SideReport<'c> {
    start: &'c str,
    headers: &'c [(String, String)],
    trailers: &'c [(String, String)],
    body: BodyReport,
}

impl<'c> SideReport<'c> {
    pub(super) fn new(head: &'c Head, body: &Body) -> Self {
        Self { start: &head.start, headers: &head.fields, trailers: &head.trailers, body: body.into() }
    }
}

#[derive(Serialize)]
pub(super) struct BodyReport {
    length: u64,
    kept: usize,
    base64: String,
    /// Why there is nothing of it, where it is masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<&'static str>,
}

impl From<&Body> for BodyReport {
    fn from(body: &Body) -> Self {
        let Body { length, ref kept, withheld } = *body;
        Self { length, kept: kept.len(), base64: encoding::base64_encode(kept), withheld }
    }
}

/// What makes a message a sealed one.
#[derive(Serialize)]
pub(super) struct EnvelopeReport {
    pub(super) iv: Option<String>,
    pub(super) fingerprint: Option<String>,
    pub(super) algorithm: Option<String>,
    pub(super) authenticated: bool,
    pub(super) tag: Option<String>,
    /// What is beside each value, where values are sealed by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) values: Option<Vec<PartReport>>,
}

/// What is beside one ciphertext of several.
#[derive(Serialize)]
pub(super) struct PartReport {
    pub(super) iv: Option<String>,
    pub(super) tag: Option<String>,
}

/// In milliseconds.
#[derive(Serialize)]
pub(super) struct TimingsReport {
    opening: Option<f64>,
    upstream: Option<f64>,
    sealing: Option<f64>,
}

impl From<Stages> for TimingsReport {
    fn from(Stages { opening, upstream, sealing }: Stages) -> Self {
        let [opening, upstream, sealing] = [opening, upstream, sealing].map(|time| time.map(milliseconds));
        Self { opening, upstream, sealing }
    }
}

#[derive(Serialize)]
pub(super) struct FailureReport {
    pub(super) stage: &'static str,
    pub(super) reason: String,
    pub(super) likely: &'static str,
}

/// A message of a WebSocket.
#[derive(Serialize)]
pub(super) struct MessageReport<'c> {
    index: usize,
    at: String,
    direction: &'static str,
    sealed: Option<BodyReport>,
    plain: Option<BodyReport>,
    text: bool,
    refused: Option<&'c str>,
}

impl<'c> MessageReport<'c> {
    pub(super) fn new(index: usize, message: &'c Message) -> Self {
        Self {
            index,
            at: time(message.at),
            direction: if message.to_server { "to_server" } else { "to_client" },
            sealed: message.sealed.as_ref().map(Into::into),
            plain: message.plain.as_ref().map(Into::into),
            text: message.text,
            refused: message.refused.as_deref(),
        }
    }
}

pub(super) fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}

/// To the microsecond.
fn time(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// To the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
