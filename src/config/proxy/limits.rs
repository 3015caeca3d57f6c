//! `[proxy.limits]`.

use std::num::NonZeroU32;

use serde::Deserialize;

use crate::config::values::{BodyRate, FieldCount, HeadSize, Number};
use crate::document::{Document, Field, Section};
use crate::proxy::LimitsConfig;

/// `[proxy.limits]` as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawLimits {
    header_bytes: Field<HeadSize>,
    header_count: Field<FieldCount>,
    connections: Field<Number>,
    connections_per_peer: Field<Number>,
    requests: Field<Number>,
    sessions: Field<Number>,
    min_body_rate: Field<BodyRate>,
}

pub(super) fn read<'t>(document: &mut Document<'t>, section: Section<'t>) -> LimitsConfig {
    let (raw, at) = document.read::<RawLimits>(section);
    let default = LimitsConfig::default();
    let HeadSize(header_bytes) =
        document.or(&at, "header_bytes", raw.header_bytes, HeadSize(default.header_bytes));
    let FieldCount(header_count) =
        document.or(&at, "header_count", raw.header_count, FieldCount(default.header_count));
    let BodyRate(min_body_rate) =
        document.or(&at, "min_body_rate", raw.min_body_rate, BodyRate(default.min_body_rate));
    let mut number = |name, field, default: NonZeroU32| document.or(&at, name, field, Number(default)).0;
    LimitsConfig {
        header_bytes,
        header_count,
        connections: number("connections", raw.connections, default.connections),
        connections_per_peer: number(
            "connections_per_peer",
            raw.connections_per_peer,
            default.connections_per_peer,
        ),
        requests: number("requests", raw.requests, default.requests),
        sessions: number("sessions", raw.sessions, default.sessions),
        min_body_rate,
    }
}
