//! One request and its reply, as the log and the metrics see them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, Uri, Version};

use super::MigrationPolicy;
use super::body::{Upload, UploadEnd};
use super::forward;
use super::limits::{Limits, Place};
use super::migration::{Migrating, PlainPass, SessionPass, WouldRefuse};
use super::replay::ReplayGuard;
use super::respond::Failure;
use super::stages::Stages;
use super::trace::Trace;
use super::websocket::Side;
use crate::capture::{Begun, Capture, Direction, Names, Tap};
use crate::keys::Key;
use crate::metrics::{MigrationVerdict, Outcome, ProxyMetrics, ReplyReason, RequestGuard, Shed, Stage};
use crate::net::Activity;
use crate::profile::Profile;

/// Bytes of a path or a method that are logged.
const LONGEST_SHOWN: usize = 512;

/// Lives from the head of a request to the end of its reply; counts and logs itself when it ends.
///
/// An exchange that is dropped before its end was given up by the client.
pub(crate) struct Exchange {
    shared: Arc<Shared>,
    activity: Arc<Activity>,
    stages: Stages,
    trace: Trace,
    tap: Tap,
    method: Method,
    target: Uri,
    version: Version,
    peer: IpAddr,
    key: Option<Arc<Key>>,
    upload: Option<Arc<Upload>>,
    /// Plaintext of bodies that were there as a whole, or have passed so far.
    request_bytes: u64,
    reply_bytes: u64,
    status: Option<StatusCode>,
    failure: Option<String>,
    own: Option<Outcome>,
    ended: bool,
    /// Whether it may pass plain, as far as it is known who asks for what and when.
    may_be_plain: bool,
    /// That it passes plain, and what `require` would say of it.
    plain: Option<(PlainPass, WouldRefuse)>,
    _in_flight: RequestGuard,
    _place: Option<Place>,
}

/// What all exchanges of a route have in common.
pub(crate) struct Shared {
    pub(crate) name: Arc<str>,
    /// The route, where the proxy has routes and one is taken.
    pub(crate) route: Option<Arc<str>>,
    /// On which side messages are sealed.
    pub(crate) sealed: Side,
    pub(crate) metrics: ProxyMetrics,
    pub(crate) limits: Arc<Limits>,
    /// What the messages look like; none where nothing is ever sealed.
    pub(crate) profile: Option<Profile>,
    pub(crate) replay: ReplayGuard,
    /// Where exchanges are kept for a developer, if they are.
    pub(crate) capture: Option<Arc<Capture>>,
    /// That some clients may be plain.
    pub(crate) migrating: Option<Migrating>,
}

impl Shared {
    /// Takes out the fields that only a sealed message bears, where messages are sealed.
    pub(crate) fn strip_envelope(&self, headers: &mut HeaderMap) {
        if let Some(profile) = &self.profile {
            forward::strip_envelope(headers, profile);
        }
    }

    /// Which side is sealed.
    fn direction(&self) -> Direction {
        match self.sealed {
            Side::Client => Direction::Inbound,
            Side::Server => Direction::Outbound,
        }
    }

    /// The headers of the envelope, where it has them and the body streams.
    fn envelope_names(&self) -> Option<Names> {
        let Some(Profile::Stream(profile)) = &self.profile else { return None };
        Some(Names { iv: profile.iv.clone(), fingerprint: profile.fingerprint.clone() })
    }

    /// A place for a WebSocket.
    pub(crate) fn session(&self) -> Result<Place, Failure> {
        self.limits.session().ok_or(Failure::Sessions)
    }

    /// Leaves in trailers only what may stand there.
    pub(crate) fn strip_trailers(&self, trailers: &mut HeaderMap) {
        forward::strip_trailers(trailers, self.profile.as_ref());
    }
}

impl Exchange {
    pub(crate) fn begin(
        shared: &Arc<Shared>,
        activity: &Arc<Activity>,
        head: &http::request::Parts,
        peer: IpAddr,
        place: Option<Place>,
    ) -> Self {
        activity.exchange_begins();
        let trace = Trace::of(&head.headers);
        let tap = Tap::begin(shared.capture.as_ref(), || Begun {
            proxy: &shared.name,
            direction: shared.direction(),
            peer,
            head,
            request_id: trace.request_id(),
        });
        Self {
            shared: Arc::clone(shared),
            activity: Arc::clone(activity),
            stages: Stages::begin(),
            trace,
            tap,
            method: head.method.clone(),
            target: head.uri.clone(),
            version: head.version,
            peer,
            key: None,
            upload: None,
            request_bytes: 0,
            reply_bytes: 0,
            status: None,
            failure: None,
            own: None,
            ended: false,
            may_be_plain: false,
            plain: None,
            _in_flight: shared.metrics.request_started(),
            _place: place,
        }
    }

    /// The request takes a route.
    pub(crate) fn routed(&mut self, shared: &Arc<Shared>) {
        self.shared = Arc::clone(shared);
        self.tap.names(|| shared.envelope_names());
    }

    /// The route takes plain requests of this client now, and the target is for no other route, however it is read.
    pub(crate) fn admit_plain(&mut self) {
        self.may_be_plain = true;
    }

    /// How plain requests are taken, if this one may be plain.
    pub(crate) fn plain_policy(&self) -> Option<MigrationPolicy> {
        self.shared.migrating.as_ref().filter(|_| self.may_be_plain).map(|migrating| migrating.terms.policy)
    }

    /// The request passes plain, which `require` would refuse.
    pub(crate) fn passes_plain(&mut self, would_refuse: WouldRefuse) {
        let migrating = self.shared.migrating.as_ref();
        self.plain = migrating.map(|migrating| (migrating.pass(self.peer, would_refuse), would_refuse));
    }

    /// What a session needs to go on after a handshake that passed plain.
    pub(crate) fn session_pass(&self) -> Option<SessionPass> {
        self.shared.migrating.as_ref().filter(|_| self.plain.is_some()).map(Migrating::session)
    }

    /// The request was sealed, and has opened.
    pub(crate) fn opened(&self) {
        if let Some(migrating) = &self.shared.migrating {
            migrating.count(self.peer, MigrationVerdict::Sealed);
        }
    }

    /// The path that was asked for, whatever the upstream is asked for.
    pub(crate) fn path(&self) -> &str {
        self.target.path()
    }

    /// By what names it is known elsewhere.
    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What notes it, if it is kept.
    pub(crate) fn tap(&self) -> &Tap {
        &self.tap
    }

    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// The request names this key.
    pub(crate) fn keyed(&mut self, key: &Arc<Key>) {
        self.key = Some(Arc::clone(key));
        self.tap.keyed(key);
    }

    /// The request's body streams, and may outlast the reply.
    pub(crate) fn streams(&mut self, upload: Arc<Upload>) {
        self.upload = Some(upload);
    }

    /// How far a body has come that streams.
    pub(crate) fn upload(&self) -> Option<&Upload> {
        self.upload.as_deref()
    }

    /// The request is handed on to the upstream.
    pub(crate) fn goes_on(&mut self) {
        self.stages.goes_on();
    }

    /// The head of the upstream's reply is there, or won't come.
    pub(crate) fn comes_back(&mut self) {
        self.stages.comes_back();
    }

    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    pub(crate) fn failed(&mut self, failure: &Failure, status: StatusCode) {
        self.status = Some(status);
        self.failure = Some(failure.to_string());
        self.own = Some(failure.outcome());
        let metrics = &self.shared.metrics;
        match failure {
            Failure::Ale(refusal) => metrics.ale_error(refusal.code, refusal.reason),
            Failure::Whole(fault) => metrics.ale_error(fault.refusal.code, fault.refusal.reason),
            Failure::EventStream => metrics.reply_refused(ReplyReason::EventStream),
            Failure::Unbelieved(fault) => metrics.reply_refused(fault.reason()),
            Failure::Head(_) => self.shared.limits.shed(Shed::Header),
            Failure::Requests { .. } => self.shared.limits.shed(Shed::Requests),
            Failure::Sessions => self.shared.limits.shed(Shed::Sessions),
            _ => {}
        }
        if let (Failure::Ale(_) | Failure::Whole(_), Some(migrating)) = (failure, &self.shared.migrating) {
            migrating.count(self.peer, MigrationVerdict::Refused);
        }
    }

    /// The request's body is there as a whole, of so many bytes of plaintext.
    pub(crate) fn request_bytes(&mut self, count: u64) {
        self.request_bytes += count;
        self.shared.metrics.request_bytes(count);
    }

    /// The reply's body is there as a whole, of so many bytes of plaintext.
    pub(crate) fn reply_bytes(&mut self, count: u64) {
        self.reply_bytes += count;
        self.shared.metrics.reply_bytes(count);
    }

    /// So many bytes of plaintext of the reply, which streams and counts them itself, have passed so far.
    pub(crate) fn has_replied(&mut self, bytes: u64) {
        self.reply_bytes = bytes;
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn strip_trailers(&self, trailers: &mut HeaderMap) {
        self.shared.strip_trailers(trailers);
    }

    /// Whether the request's body has ended, so that its connection may serve another.
    pub(crate) fn request_is_whole(&self) -> bool {
        self.upload.as_ref().is_none_or(|upload| upload.end() == UploadEnd::Whole)
    }

    /// The client cannot tell the end of a broken reply from a whole one under HTTP/1.0.
    pub(crate) fn reply_breaks(&self) {
        if self.version == Version::HTTP_10 {
            self.activity.reset();
        }
    }

    /// What `require` would say of a request that passed plain, where that is asked for.
    fn shadowed(&self) -> Option<tracing::field::DisplayValue<WouldRefuse>> {
        let is_shadow = self.plain_policy() == Some(MigrationPolicy::Shadow);
        self.plain
            .as_ref()
            .filter(|_| is_shadow)
            .map(|(_, would_refuse)| tracing::field::display(*would_refuse))
    }

    /// Ends the exchange; only the first end counts.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let outcome = self.own.unwrap_or(outcome);
        let elapsed = self.stages.elapsed();
        let stages = self.stages.durations(elapsed, self.key.as_ref().map(|_| self.shared.sealed));
        self.shared.metrics.finished(outcome, elapsed);
        for stage in Stage::ALL {
            if let Some(duration) = stages.of(stage) {
                self.shared.metrics.stage(stage, duration);
            }
        }
        self.activity.exchange_ends();
        self.tap.ended(|summary, kept| {
            *kept = stages.into();
            summary.done = self.status != Some(StatusCode::SWITCHING_PROTOCOLS);
            summary.status = self.status.map(|status| status.as_u16());
            summary.outcome = Some(outcome.label());
            summary.reason.clone_from(&self.failure);
            summary.duration = Some(elapsed);
        });
        tracing::info!(
            target: "alewife::access",
            proxy = &*self.shared.name,
            route = self.shared.route.as_deref(),
            request_id = self.trace.request_id(),
            trace_id = self.trace.trace_id(),
            peer = %self.peer,
            method = shown(self.method.as_str()),
            // The query may carry what its sender thinks of as sealed; the log has no use for it.
            path = shown(self.target.path()),
            status = self.status.map(|status| status.as_u16()),
            outcome = outcome.label(),
            reason = self.failure.as_deref(),
            would_refuse = self.shadowed(),
            key = self.key.as_ref().map(|key| key.fingerprint.as_str()),
            request_bytes = self.request_bytes + self.upload.as_ref().map_or(0, |upload| upload.bytes()),
            reply_bytes = self.reply_bytes,
            ms = milliseconds(elapsed),
            opening_ms = stages.of(Stage::Opening).map(milliseconds),
            upstream_ms = stages.of(Stage::Upstream).map(milliseconds),
            sealing_ms = stages.of(Stage::Sealing).map(milliseconds),
            "exchange"
        );
    }
}

/// As the log has it, to the microsecond.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// As much of a peer's text as a line of the log bears. With all of it, a few requests could fill the buffer and
/// have the lines of others given up.
pub(crate) fn shown(text: &str) -> &str {
    // A character has four bytes at most, so one of these cuts falls between two.
    (0..4).find_map(|less| text.get(..LONGEST_SHOWN - less)).unwrap_or(text)
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.end(Outcome::ClientGone);
    }
}
