//! The counters of the WebSocket sessions of one proxy.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{CloserLabels, DirectionLabels, ProxyLabel, RefusalLabels};
use super::{Closer, Direction, MessageRefusal};

/// An open session; dropping it counts it as ended.
#[derive(Debug)]
#[must_use = "the session counts as open while this lives"]
pub struct SessionGuard {
    open: Gauge,
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// Indexed by the enums' own numbers; a test holds `ALL` to the declarations.
#[derive(Debug)]
pub(super) struct SessionCounters {
    open: Gauge,
    opened: Counter,
    messages: [Counter; Direction::ALL.len()],
    bytes: [Counter; Direction::ALL.len()],
    refused: [Counter; MessageRefusal::ALL.len()],
    closes: [Counter; Closer::ALL.len()],
}

impl SessionCounters {
    pub(super) fn opened(&self) -> SessionGuard {
        self.opened.inc();
        self.open.inc();
        SessionGuard { open: self.open.clone() }
    }

    pub(super) fn message(&self, direction: Direction, bytes: u64) {
        self.messages[direction as usize].inc();
        self.bytes[direction as usize].inc_by(bytes);
    }

    pub(super) fn refused(&self, refusal: MessageRefusal) {
        self.refused[refusal as usize].inc();
    }

    pub(super) fn closed(&self, by: Closer) {
        self.closes[by as usize].inc();
    }
}

/// The families from which each proxy takes its counters.
#[derive(Debug)]
pub(super) struct SessionFamilies {
    open: Family<ProxyLabel, Gauge>,
    opened: Family<ProxyLabel, Counter>,
    messages: Family<DirectionLabels, Counter>,
    bytes: Family<DirectionLabels, Counter>,
    refused: Family<RefusalLabels, Counter>,
    closes: Family<CloserLabels, Counter>,
}

impl SessionFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            open: Family::default(),
            opened: Family::default(),
            messages: Family::default(),
            bytes: Family::default(),
            refused: Family::default(),
            closes: Family::default(),
        };
        registry.register("websocket_sessions", "Open WebSocket sessions", families.open.clone());
        registry.register("websocket_sessions_opened", "WebSocket sessions opened", families.opened.clone());
        registry.register("websocket_messages", "WebSocket messages carried over", families.messages.clone());
        registry.register_with_unit(
            "websocket_message",
            "Plaintext bytes of WebSocket messages carried over",
            Unit::Bytes,
            families.bytes.clone(),
        );
        registry.register(
            "websocket_messages_refused",
            "WebSocket messages that were not carried over",
            families.refused.clone(),
        );
        registry.register(
            "websocket_closes",
            "WebSocket sessions ended, by who was the first to end them",
            families.closes.clone(),
        );
        families
    }

    pub(super) fn proxy(&self, proxy: &Arc<str>) -> SessionCounters {
        let label = ProxyLabel { proxy: Arc::clone(proxy) };
        let of =
            |direction: Direction| DirectionLabels { proxy: Arc::clone(proxy), direction: direction.label() };
        SessionCounters {
            open: self.open.get_or_create_owned(&label),
            opened: self.opened.get_or_create_owned(&label),
            messages: Direction::ALL.map(|direction| self.messages.get_or_create_owned(&of(direction))),
            bytes: Direction::ALL.map(|direction| self.bytes.get_or_create_owned(&of(direction))),
            refused: MessageRefusal::ALL.map(|refusal| {
                let labels = RefusalLabels { proxy: Arc::clone(proxy), reason: refusal.label() };
                self.refused.get_or_create_owned(&labels)
            }),
            closes: Closer::ALL.map(|by| {
                let labels = CloserLabels { proxy: Arc::clone(proxy), by: by.label() };
                self.closes.get_or_create_owned(&labels)
            }),
        }
    }
}
