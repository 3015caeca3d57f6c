//! The keys of `[[proxy]]` that only one of the modes has.

use http::HeaderName;
use serde::Deserialize;

use super::profile::Overrides;
use crate::config::values::{Carrier, ModeName, Origin};
use crate::document::{Document, Fault, Field, Heading, Refusal, Section};
use crate::proxy::{Carriers, InboundConfig, Mode, OutboundConfig, PlainErrors, Replies};

/// What only an inbound proxy has, as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawInbound {
    seal_replies: Field<bool>,
    required_headers: Field<Vec<HeaderName>>,
    credential_mismatch: Field<bool>,
    carriers: Field<Vec<Carrier>>,
    origins: Field<Vec<Origin>>,
    answer_ping: Field<bool>,
}

/// What only an outbound proxy has, as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawOutbound {
    replies: Field<Replies>,
    plain_errors: Field<PlainErrors>,
}

/// The keys of either mode, taken out of a `[[proxy]]`.
pub(super) struct Parts<'t> {
    inbound: Section<'t>,
    outbound: Section<'t>,
}

impl<'t> Parts<'t> {
    pub(super) fn take(section: &mut Section<'t>) -> Self {
        Self { inbound: section.part::<RawInbound>(), outbound: section.part::<RawOutbound>() }
    }

    /// Reads what belongs to `mode` and refuses what belongs to the other one. Without a mode, all of it is looked at.
    pub(super) fn read(
        self,
        document: &mut Document<'t>,
        mode: Option<ModeName>,
        overrides: &mut Overrides,
        warnings: &mut Vec<Fault>,
    ) -> Option<Mode> {
        match mode {
            Some(ModeName::Inbound) => {
                document.refuse_keys(self.outbound, of_the_other_mode);
                Some(Mode::Inbound(read_inbound(document, self.inbound, overrides)))
            }
            Some(ModeName::Outbound) => {
                document.refuse_keys(self.inbound, of_the_other_mode);
                Some(Mode::Outbound(read_outbound(document, self.outbound, overrides, warnings)))
            }
            None => {
                read_inbound(document, self.inbound, overrides);
                read_outbound(document, self.outbound, overrides, warnings);
                None
            }
        }
    }
}

fn of_the_other_mode(key: &str) -> Refusal {
    let (mode, remedy) = match key {
        "replies" => ("outbound", "remove it; inbound, seal_replies says whether replies are sealed"),
        "plain_errors" => ("outbound", "remove it; inbound, replies come from the application itself"),
        "seal_replies" => ("inbound", "remove it; outbound, replies says whether the peer seals its own"),
        "required_headers" => ("inbound", "remove it; the application's own headers pass as they are"),
        "answer_ping" => ("inbound", "remove it; the far sidecar answers a ping"),
        _ => ("inbound", "remove it; the application that sends here knows nothing of encryption"),
    };
    Refusal::new(format!("only an {mode} proxy has it"), remedy)
}

fn read_inbound<'t>(
    document: &mut Document<'t>,
    section: Section<'t>,
    overrides: &mut Overrides,
) -> InboundConfig {
    let (raw, at) = document.read::<RawInbound>(section);
    let default = InboundConfig::default();
    let carriers_at = raw.carriers.start();
    let without_origins = matches!(&raw.origins, Field::Absent)
        || matches!(&raw.origins, Field::Read(origins, _) if origins.is_empty());
    overrides.carriers_at = carriers_at;
    overrides.seal_replies = document.optional(&at, "seal_replies", raw.seal_replies);
    overrides.credential_mismatch = document.optional(&at, "credential_mismatch", raw.credential_mismatch);
    let required_headers =
        document.or(&at, "required_headers", raw.required_headers, default.required_headers);
    let carriers = document.or(&at, "carriers", raw.carriers, Vec::new());
    let origins = document.or(&at, "origins", raw.origins, Vec::new());
    let carriers =
        Carriers { x_ale: carriers.contains(&Carrier::XAle), query: carriers.contains(&Carrier::Query) };
    if carriers.query && without_origins {
        refuse_query_without_origins(document, &at, carriers_at);
    }
    InboundConfig {
        required_headers,
        carriers,
        origins: origins.into_iter().map(|Origin(origin)| origin).collect(),
        answer_ping: document.or(&at, "answer_ping", raw.answer_ping, default.answer_ping),
    }
}

/// A page of anybody's can open a WebSocket to any address; what it cannot choose is its origin.
fn refuse_query_without_origins(document: &mut Document<'_>, at: &Heading, carriers: Option<usize>) {
    let remedy = "write origins = [\"https://pos.example\"] with the origins of the pages that may connect";
    let refusal =
        Refusal::new("\"query\" lets any page on the web connect unless origins says which", remedy);
    document.refuse(at, "carriers", carriers, refusal);
}

fn read_outbound<'t>(
    document: &mut Document<'t>,
    section: Section<'t>,
    overrides: &mut Overrides,
    warnings: &mut Vec<Fault>,
) -> OutboundConfig {
    let (raw, at) = document.read::<RawOutbound>(section);
    let replies_at = raw.replies.start();
    overrides.replies_at = replies_at;
    let replies = document.optional(&at, "replies", raw.replies);
    if let Some(refusal) = replies.and_then(unproven) {
        warnings.push(document.fault(replies_at, at.key_path("replies"), refusal));
    }
    let plain_errors = document.or(&at, "plain_errors", raw.plain_errors, PlainErrors::default());
    OutboundConfig { replies, plain_errors }
}

/// What is to be said of believing replies that nothing proves.
fn unproven(replies: Replies) -> Option<Refusal> {
    let (problem, remedy) = match replies {
        Replies::Sealed => return None,
        Replies::Plain => (
            "whoever is on the line can read replies and make them up",
            "write \"sealed\" as soon as the peer can seal its replies",
        ),
        Replies::Either => (
            "until the peer has sealed a reply, whoever is on the line can make replies up",
            "write \"sealed\" if the peer always seals its replies, \"plain\" if it never does",
        ),
    };
    Some(Refusal::new(problem, remedy))
}
