//! The listeners, as `/status` tells of them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

#[cfg(feature = "inspector")]
use super::Listening;
use super::slot::Slot;
use crate::metrics::{Metrics, ProxyMetrics};
use crate::net::ListenAddress;
use crate::proxy::{Limits, ProxyConfig};

/// Those that are in force, in the order of the configuration.
#[derive(Default)]
pub(super) struct Listeners(ArcSwap<Vec<Told>>);

/// One of them, whose counts are those that its limits go by.
struct Told {
    config: Arc<ProxyConfig>,
    address: ListenAddress,
    limits: Arc<Limits>,
    metrics: ProxyMetrics,
}

impl Listeners {
    /// These are in force from now on.
    pub(super) fn are(&self, slots: &[Slot], metrics: &Metrics) {
        let told = |slot: &Slot| Told {
            config: Arc::clone(slot.config()),
            address: slot.address().clone(),
            limits: Arc::clone(slot.common().limits()),
            metrics: metrics.proxy(&slot.config().name),
        };
        self.0.store(Arc::new(slots.iter().map(told).collect()));
    }

    /// Each with its settings and its address.
    #[cfg(feature = "inspector")]
    pub(super) fn in_force(&self) -> Vec<Listening> {
        let listening =
            |told: &Told| Listening { config: Arc::clone(&told.config), address: told.address.clone() };
        self.0.load().iter().map(listening).collect()
    }
}

/// Each listener with what it has under way, and how much of that it may have.
pub(super) fn report(listeners: Arc<Listeners>) -> impl Fn(Timestamp) -> Value + Send + Sync {
    move |_now| listeners.0.load().iter().map(of_listener).collect()
}

fn of_listener(Told { config, address, limits, metrics }: &Told) -> Value {
    let ProxyConfig { name, mode, tls, routes, limits: configured, .. } = &**config;
    let outcomes = metrics.outcomes().map(|(outcome, count)| (outcome.label().to_owned(), count.into()));
    json!({
        "name": &**name,
        "mode": mode.to_string(),
        "address": address.url(tls.is_some()),
        "tls": tls.is_some(),
        "goes_to": routes.destination(),
        "connections": limits.gate().open(),
        "in_flight": limits.requests(),
        "sessions": limits.sessions(),
        "limits": {
            "connections": configured.connections,
            "requests": configured.requests,
            "sessions": configured.sessions,
        },
        "outcomes": outcomes.collect::<Map<_, _>>(),
    })
}
