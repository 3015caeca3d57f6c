//! One exchange with all that is kept of it.

use super::likely;
use super::mask::Shown;
use super::report::{DetailReport, EnvelopeReport, HalfReport, MessageReport, SideReport, SummaryReport};
use crate::capture::{Captured, Half, Head, Kind, Side};
use crate::crypto::encoding;

/// Bytes of a tag that stands at the end of a body.
const TAG: usize = 16;

pub(super) fn report(captured: &Shown<Captured>) -> DetailReport<'_> {
    let messages = captured.messages.iter().enumerate();
    DetailReport {
        summary: SummaryReport::within(captured),
        request: half(captured, Half::Request),
        reply: half(captured, Half::Reply),
        timings: captured.stages.into(),
        failure: likely::failure(&captured.summary),
        messages: (captured.summary.kind == Kind::WebSocket)
            .then(|| messages.map(|(index, message)| MessageReport::new(index, message)).collect()),
    }
}

fn half(captured: &Captured, half: Half) -> HalfReport<'_> {
    let direction = captured.summary.direction;
    let side =
        |side: Side| captured.head(half, side).map(|head| SideReport::new(head, captured.body(half, side)));
    HalfReport {
        sealed: side(direction.sealed()),
        plain: side(direction.plain()),
        envelope: envelope(captured, half),
    }
}

/// The envelope of a message that has one in its head.
fn envelope(captured: &Captured, half: Half) -> Option<EnvelopeReport> {
    let (summary, names) = (&captured.summary, captured.names.as_ref()?);
    let side = summary.direction.sealed();
    let head = captured.head(half, side)?;
    let iv = field(head, names.iv.as_str());
    let fingerprint = field(head, names.fingerprint.as_str());
    if iv.is_none() && fingerprint.is_none() {
        return None;
    }
    let body = captured.body(half, side);
    let ends = summary.authenticated && summary.done && summary.kind == Kind::Http && body.is_whole();
    let tag = ends.then(|| body.kept.last_chunk::<TAG>()).flatten();
    Some(EnvelopeReport {
        iv: iv.map(str::to_owned),
        fingerprint: fingerprint.map(str::to_owned),
        algorithm: summary.algorithm.clone(),
        authenticated: summary.authenticated,
        tag: tag.map(|tag| encoding::base64_encode(tag)),
    })
}

/// The first value of a header.
pub(super) fn field<'h>(head: &'h Head, name: &str) -> Option<&'h str> {
    head.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}
