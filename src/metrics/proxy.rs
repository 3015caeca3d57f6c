//! The counters of one proxy, resolved once, so that a request costs atomic additions and no look-up.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{AleErrorLabels, DirectionLabels, OutcomeLabels, ProxyLabel};
use super::limits::{LimitCounters, LimitFamilies};
use super::peer::{PeerCounters, PeerFamilies};
use super::replay::{ReplayCounters, ReplayFamilies};
use super::stages::{Stage, StageFamilies, StageHistograms};
use super::websocket::{SessionCounters, SessionFamilies, SessionGuard};
use super::wire::{CertificateMetrics, HandshakeCounters, HandshakeKind, WireFamilies};
use super::{
    AleCode, AleReason, Closer, Direction, Limit, MessageRefusal, Outcome, PeerCode, ReplyReason, Shed,
};

/// Upper bounds in seconds: a proxied call on loopback at one end, the longest default deadline at the other.
const DURATION_BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The counters of one proxy. A clone counts into the same ones.
#[derive(Clone, Debug)]
pub struct ProxyMetrics {
    counters: Arc<Counters>,
}

impl ProxyMetrics {
    /// Counts an exchange that ended; `elapsed` runs from the head of the request to the end of the reply.
    pub fn finished(&self, outcome: Outcome, elapsed: Duration) {
        self.counters.requests[outcome as usize].inc();
        self.counters.duration.observe(elapsed.as_secs_f64());
    }

    /// How many exchanges have ended in each way.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().map(|outcome| (outcome, self.counters.requests[outcome as usize].get()))
    }

    /// Counts how long a part of an exchange took.
    pub fn stage(&self, stage: Stage, duration: Duration) {
        self.counters.stages.observe(stage, duration);
    }

    /// Counts an envelope that was refused, besides its [`Outcome::AleError`].
    pub fn ale_error(&self, code: AleCode, reason: AleReason) {
        self.counters.ale_errors[code as usize][reason as usize].inc();
    }

    /// Counts a peer's reply that was refused, besides its [`Outcome::ReplyRefused`].
    pub fn reply_refused(&self, reason: ReplyReason) {
        self.counters.peer.refused[reason as usize].inc();
    }

    /// Counts an error that the peer did not seal.
    pub fn peer_error(&self, code: PeerCode) {
        self.counters.peer.errors[code as usize].inc();
    }

    /// Counts a request that was sealed and sent anew.
    pub fn resealed(&self) {
        self.counters.peer.resealed.inc();
    }

    /// Counts plaintext bytes of requests.
    pub fn request_bytes(&self, count: u64) {
        self.counters.request_bytes.inc_by(count);
    }

    /// Counts plaintext bytes of replies.
    pub fn reply_bytes(&self, count: u64) {
        self.counters.reply_bytes.inc_by(count);
    }

    /// Counts an accepted connection, open as long as the guard lives.
    pub fn connection_opened(&self) -> ConnectionGuard {
        self.counters.connections_accepted.inc();
        self.counters.connections.inc();
        ConnectionGuard { counters: Arc::clone(&self.counters) }
    }

    /// Counts a connection that ended before HTTP began.
    pub fn handshake_failed(&self, kind: HandshakeKind) {
        self.counters.handshakes.failed[kind as usize].inc();
    }

    /// Counts a request as in flight as long as the guard lives.
    pub fn request_started(&self) -> RequestGuard {
        self.counters.in_flight.inc();
        RequestGuard { counters: Arc::clone(&self.counters) }
    }

    /// Counts what was turned away at a limit.
    pub fn shed(&self, reason: Shed) {
        self.counters.limits.shed(reason);
    }

    /// Notes what a limit is.
    pub fn limit(&self, limit: Limit, value: u64) {
        self.counters.limits.set(limit, value);
    }

    /// Counts a connection made to the upstream.
    pub fn upstream_connection_opened(&self) {
        self.counters.upstream_connections_opened.inc();
    }

    /// Counts a request that was sent again on a fresh connection.
    pub fn upstream_retried(&self) {
        self.counters.upstream_retries.inc();
    }

    /// Notes how many messages the replay window remembers, and counts those that it forgot before their time.
    pub fn replay_window(&self, remembered: usize, forgotten: u64) {
        self.counters.replay.window(remembered, forgotten);
    }

    /// Counts a message for which the replay store did not answer.
    pub fn replay_store_failed(&self) {
        self.counters.replay.store_failures.inc();
    }

    /// Counts a message under an IV that another one had: a short name of its key, and the network that it came from.
    /// Both become labels, so the caller sees to it that they stay few.
    pub fn iv_reused(&self, key: &str, network: &str) {
        self.counters.replay.reused(key, network);
    }

    /// The same, of a sender that is not told apart from others.
    pub fn iv_reused_by_another(&self) {
        self.counters.replay.reused_by_another();
    }

    /// Counts a WebSocket session, open as long as the guard lives.
    pub fn session_opened(&self) -> SessionGuard {
        self.counters.sessions.opened()
    }

    /// Counts a message of a WebSocket that was carried over, of so many bytes of plaintext.
    pub fn message(&self, direction: Direction, bytes: u64) {
        self.counters.sessions.message(direction, bytes);
    }

    /// Counts a message of a WebSocket that was not carried over.
    pub fn message_refused(&self, refusal: MessageRefusal) {
        self.counters.sessions.refused(refusal);
    }

    /// Counts a WebSocket session that ends.
    pub fn session_closed(&self, by: Closer) {
        self.counters.sessions.closed(by);
    }
}

/// An open connection; dropping it counts it as closed.
#[derive(Debug)]
#[must_use = "the connection counts as open while this lives"]
pub struct ConnectionGuard {
    counters: Arc<Counters>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.counters.connections.dec();
    }
}

/// A request under way; dropping it counts it as ended.
#[derive(Debug)]
#[must_use = "the request counts as in flight while this lives"]
pub struct RequestGuard {
    counters: Arc<Counters>,
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.counters.in_flight.dec();
    }
}

/// Indexed by the enums' own numbers; a test holds `ALL` to the declarations.
#[derive(Debug)]
struct Counters {
    requests: [Counter; Outcome::ALL.len()],
    ale_errors: [[Counter; AleReason::ALL.len()]; AleCode::ALL.len()],
    duration: Histogram,
    stages: StageHistograms,
    request_bytes: Counter,
    reply_bytes: Counter,
    connections: Gauge,
    connections_accepted: Counter,
    in_flight: Gauge,
    upstream_connections_opened: Counter,
    upstream_retries: Counter,
    limits: LimitCounters,
    sessions: SessionCounters,
    peer: PeerCounters,
    replay: ReplayCounters,
    handshakes: HandshakeCounters,
}

/// The families from which each proxy takes its counters.
#[derive(Debug)]
pub(super) struct ProxyFamilies {
    requests: Family<OutcomeLabels, Counter>,
    ale_errors: Family<AleErrorLabels, Counter>,
    duration: Family<ProxyLabel, Histogram, fn() -> Histogram>,
    stages: StageFamilies,
    body_bytes: Family<DirectionLabels, Counter>,
    connections: Family<ProxyLabel, Gauge>,
    connections_accepted: Family<ProxyLabel, Counter>,
    in_flight: Family<ProxyLabel, Gauge>,
    upstream_connections_opened: Family<ProxyLabel, Counter>,
    upstream_retries: Family<ProxyLabel, Counter>,
    limits: LimitFamilies,
    sessions: SessionFamilies,
    peer: PeerFamilies,
    replay: ReplayFamilies,
    wire: WireFamilies,
}

impl ProxyFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            requests: Family::default(),
            ale_errors: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            stages: StageFamilies::register(registry),
            body_bytes: Family::default(),
            connections: Family::default(),
            connections_accepted: Family::default(),
            in_flight: Family::default(),
            upstream_connections_opened: Family::default(),
            upstream_retries: Family::default(),
            limits: LimitFamilies::register(registry),
            sessions: SessionFamilies::register(registry),
            peer: PeerFamilies::register(registry),
            replay: ReplayFamilies::register(registry),
            wire: WireFamilies::register(registry),
        };
        families.register_exchanges(registry);
        families.register_connections(registry);
        families
    }

    /// The counters of the proxy `name`, each combination of labels present with value 0.
    pub(super) fn proxy(&self, name: &str) -> ProxyMetrics {
        let proxy: Arc<str> = name.into();
        let label = ProxyLabel { proxy: Arc::clone(&proxy) };
        let counters = Counters {
            requests: Outcome::ALL.map(|outcome| self.request_counter(&proxy, outcome)),
            ale_errors: AleCode::ALL
                .map(|code| AleReason::ALL.map(|reason| self.ale_error_counter(&proxy, code, reason))),
            duration: self.duration.get_or_create_owned(&label),
            stages: self.stages.proxy(&proxy),
            request_bytes: self.byte_counter(&proxy, "request"),
            reply_bytes: self.byte_counter(&proxy, "reply"),
            connections: self.connections.get_or_create_owned(&label),
            connections_accepted: self.connections_accepted.get_or_create_owned(&label),
            in_flight: self.in_flight.get_or_create_owned(&label),
            upstream_connections_opened: self.upstream_connections_opened.get_or_create_owned(&label),
            upstream_retries: self.upstream_retries.get_or_create_owned(&label),
            limits: self.limits.proxy(&proxy),
            sessions: self.sessions.proxy(&proxy),
            peer: self.peer.proxy(&proxy),
            replay: self.replay.proxy(&proxy),
            handshakes: self.wire.proxy(&proxy),
        };
        ProxyMetrics { counters: Arc::new(counters) }
    }

    pub(super) fn certificates(&self, name: &str) -> CertificateMetrics {
        self.wire.certificates(name)
    }

    fn request_counter(&self, proxy: &Arc<str>, outcome: Outcome) -> Counter {
        let labels = OutcomeLabels { proxy: Arc::clone(proxy), outcome: outcome.label() };
        self.requests.get_or_create_owned(&labels)
    }

    fn ale_error_counter(&self, proxy: &Arc<str>, code: AleCode, reason: AleReason) -> Counter {
        let labels = AleErrorLabels { proxy: Arc::clone(proxy), code: code.label(), reason: reason.label() };
        self.ale_errors.get_or_create_owned(&labels)
    }

    fn byte_counter(&self, proxy: &Arc<str>, direction: &'static str) -> Counter {
        self.body_bytes.get_or_create_owned(&DirectionLabels { proxy: Arc::clone(proxy), direction })
    }

    fn register_exchanges(&self, registry: &mut Registry) {
        registry.register("requests", "Exchanges by how they ended", self.requests.clone());
        registry.register(
            "ale_errors",
            "Envelopes refused, by the errorCode sent and the reason kept back",
            self.ale_errors.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "From the head of a request to the end of its reply",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register_with_unit(
            "body",
            "Plaintext bytes of bodies",
            Unit::Bytes,
            self.body_bytes.clone(),
        );
        registry.register("requests_in_flight", "Requests under way", self.in_flight.clone());
    }

    fn register_connections(&self, registry: &mut Registry) {
        registry.register("connections", "Open connections of clients", self.connections.clone());
        registry.register(
            "connections_accepted",
            "Connections of clients accepted",
            self.connections_accepted.clone(),
        );
        registry.register(
            "upstream_connections_opened",
            "Connections made to the upstream",
            self.upstream_connections_opened.clone(),
        );
        registry.register(
            "upstream_retries",
            "Requests sent again on a fresh upstream connection",
            self.upstream_retries.clone(),
        );
    }
}
