//! One exchange with all that is kept of it.

use super::likely;
use http::Uri;

use super::act::headers_of;
use super::mask::Shown;
use super::report::{
    DetailReport, EnvelopeReport, HalfReport, MessageReport, PartReport, SideReport, SummaryReport,
};
use crate::ale::{WholeEnvelope, look_at_whole};
use crate::capture::{Captured, Half, Head, Kind, Side};
use crate::crypto::encoding;
use crate::profile::{Profile, Scope, WholeProfile};

/// Bytes of a tag that stands at the end of a body.
const TAG: usize = 16;

/// `wire` is how the messages of its proxy look, as far as that is known.
pub(super) fn report<'c>(captured: &'c Shown<Captured>, wire: Option<&Profile>) -> DetailReport<'c> {
    let messages = captured.messages.iter().enumerate();
    DetailReport {
        summary: SummaryReport::within(captured),
        request: half(captured, Half::Request, wire),
        reply: half(captured, Half::Reply, wire),
        timings: captured.stages.into(),
        failure: likely::failure(&captured.summary),
        messages: (captured.summary.kind == Kind::WebSocket)
            .then(|| messages.map(|(index, message)| MessageReport::new(index, message)).collect()),
    }
}

fn half<'c>(captured: &'c Captured, half: Half, wire: Option<&Profile>) -> HalfReport<'c> {
    let direction = captured.summary.direction;
    let side =
        |side: Side| captured.head(half, side).map(|head| SideReport::new(head, captured.body(half, side)));
    HalfReport {
        sealed: side(direction.sealed()),
        plain: side(direction.plain()),
        envelope: match wire {
            Some(Profile::Whole(profile)) => envelope_of_whole(captured, half, profile),
            _ => envelope(captured, half),
        },
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
        values: None,
    })
}

/// The envelope of a message that is held whole. That of a body that was cut is not to be had.
fn envelope_of_whole(captured: &Captured, half: Half, profile: &WholeProfile) -> Option<EnvelopeReport> {
    let summary = &captured.summary;
    let side = summary.direction.sealed();
    let (head, body) = (captured.head(half, side)?, captured.body(half, side));
    if !body.is_whole() {
        return None;
    }
    let headers = headers_of(&head.fields).ok()?;
    // The line of a request has its target in the middle.
    let target: Option<Uri> =
        if half == Half::Request { head.start.split(' ').nth(1)?.parse().ok() } else { None };
    let WholeEnvelope { fingerprint, parts } =
        look_at_whole(profile, &headers, target.as_ref(), &body.kept, summary.authenticated);
    if parts.is_empty() {
        return None;
    }
    let base64 = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| encoding::base64_encode(bytes));
    let of_values = matches!(profile.scope, Scope::Values(_));
    let values = parts.iter().map(|part| PartReport { iv: base64(&part.iv), tag: base64(&part.tag) });
    let values: Option<Vec<_>> = of_values.then(|| values.collect());
    let one = parts.first().filter(|_| !of_values);
    Some(EnvelopeReport {
        iv: one.and_then(|part| base64(&part.iv)),
        // Where the message has no name of its key, it is the one that it opened with or was sealed with.
        fingerprint: fingerprint.or_else(|| summary.key.clone()),
        algorithm: summary.algorithm.clone(),
        authenticated: summary.authenticated,
        tag: one.and_then(|part| base64(&part.tag)),
        values,
    })
}

/// The first value of a header.
pub(super) fn field<'h>(head: &'h Head, name: &str) -> Option<&'h str> {
    head.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}
