//! `[proxy.websocket]`.

use serde::Deserialize;

use crate::config::values::{ByteSize, Direction, Interval, Literal};
use crate::document::{Document, Field, Section};
use crate::proxy::{OnBadMessage, WebSocketConfig};

/// `[proxy.websocket]` as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawWebSocket {
    max_message: Field<ByteSize>,
    ping_interval: Field<Interval>,
    on_bad_message: Field<OnBadMessage>,
    plaintext_messages: Field<Vec<Literal>>,
    plaintext_direction: Field<Direction>,
}

pub(super) fn read<'t>(document: &mut Document<'t>, section: Section<'t>) -> WebSocketConfig {
    let (raw, at) = document.read::<RawWebSocket>(section);
    let default = WebSocketConfig::default();
    let max_message = document.or(&at, "max_message", raw.max_message, ByteSize(default.max_message));
    let ping_interval = document.or(&at, "ping_interval", raw.ping_interval, Interval(default.ping_interval));
    let on_bad_message = document.or(&at, "on_bad_message", raw.on_bad_message, default.on_bad_message);
    let texts = document.or(&at, "plaintext_messages", raw.plaintext_messages, Vec::new());
    let direction = document.or(&at, "plaintext_direction", raw.plaintext_direction, Direction::ToClient);
    let texts: Vec<_> = texts.into_iter().map(|Literal(text)| text).collect();
    let (plaintext_to_server, plaintext_to_client) = match direction {
        Direction::ToClient => (Vec::new(), texts),
        Direction::ToServer => (texts, Vec::new()),
        Direction::Both => (texts.clone(), texts),
    };
    WebSocketConfig {
        max_message: max_message.0,
        ping_interval: ping_interval.0,
        on_bad_message,
        plaintext_to_server,
        plaintext_to_client,
    }
}
