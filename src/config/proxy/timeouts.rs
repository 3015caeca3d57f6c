//! `[proxy.timeouts]`.

use serde::Deserialize;

use crate::config::values::Deadline;
use crate::document::{Document, Field, Section};
use crate::proxy::Timeouts;

/// `[proxy.timeouts]` as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawTimeouts {
    first_byte: Field<Deadline>,
    headers: Field<Deadline>,
    body: Field<Deadline>,
    idle: Field<Deadline>,
    connect: Field<Deadline>,
    reply: Field<Deadline>,
    pool_idle: Field<Deadline>,
}

pub(super) fn read<'t>(document: &mut Document<'t>, section: Section<'t>) -> Timeouts {
    let (raw, at) = document.read::<RawTimeouts>(section);
    let default = Timeouts::default();
    let mut or = |name, field, default| document.or(&at, name, field, Deadline(default)).0;
    Timeouts {
        first_byte: or("first_byte", raw.first_byte, default.first_byte),
        headers: or("headers", raw.headers, default.headers),
        body: or("body", raw.body, default.body),
        idle: or("idle", raw.idle, default.idle),
        connect: or("connect", raw.connect, default.connect),
        reply: or("reply", raw.reply, default.reply),
        pool_idle: or("pool_idle", raw.pool_idle, default.pool_idle),
    }
}
