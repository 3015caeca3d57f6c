//! The inbound way: a sealed request in, a plain one to the application, its reply sealed on the way back.

use std::sync::Arc;

use crate::proxy::body::Arriving;
use http::header::{ORIGIN, UPGRADE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;

use super::body::{Change, Flow, HoldLimits, ReplyBody, RequestBody, UpstreamReply, hold};
use super::carriers::{self, Carrier};
use super::clear::Clear;
use super::client::Client;
use super::exchange::{Exchange, Shared};
use super::forward::{self, Framing};
use super::limits::Place;
use super::onward::{self, Onward, Sent};
use super::ping;
use super::respond::Failure;
use super::service::Answer;
use super::websocket::{Agreement, Handshake, Seat, Side};
use super::{InboundConfig, KeyAccess, MigrationPolicy, ProxyConfig, now, unknown_key};
use crate::ale::{BodyOpening, Opened, Refusal, ReplySealing, RequestEnvelope, SealedReply};
use crate::keys::KeyRing;
use crate::metrics::AleReason;
use crate::profile::StreamProfile;

/// One proxy on one worker.
pub(crate) struct Inbound {
    config: Arc<ProxyConfig>,
    inbound: InboundConfig,
    profile: Arc<StreamProfile>,
    keys: KeyAccess,
    onward: Onward,
    shared: Arc<Shared>,
}

/// By whose leave a request passes that is not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// The portal's, which is followed and says that the service is not secured.
    Portal,
    /// The route's, which has yet to move its clients over.
    Route(MigrationPolicy),
}

impl Inbound {
    pub(crate) fn new(
        config: Arc<ProxyConfig>,
        inbound: InboundConfig,
        profile: Arc<StreamProfile>,
        keys: KeyAccess,
        onward: Onward,
        shared: Arc<Shared>,
    ) -> Self {
        Self { config, inbound, profile, keys, onward, shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Whether this is asked of the sidecar itself, whatever its application is.
    pub(crate) fn is_asked(&self, head: &Parts) -> bool {
        self.inbound.answer_ping && ping::is_asked_for(&head.uri)
    }

    /// Opens one request, and gets the application's answer to it.
    pub(crate) async fn exchange(
        &self,
        client: &Client,
        mut head: Parts,
        body: Arriving,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        if let Some(leave) = self.takes_plain(&head, exchange) {
            // In a box, so that the usual way has no room for it.
            return Box::pin(self.pass(client, head, body, exchange, leave)).await;
        }
        let framing = forward::check_framing(&head)?;
        let handshake = Handshake::asked_by(&head, !body.is_end_stream())?;
        let takes_trailers = forward::strip_hop_by_hop(&mut head.headers);
        let is_ping = self.is_asked(&head);
        let (opening, sealing) = match self.open(&mut head, handshake.is_some(), is_ping).await {
            Ok(opened) => opened,
            Err(failure) => {
                client.discard(body, &head);
                return Err(failure);
            }
        };
        exchange.keyed(sealing.key());
        if let Some(handshake) = handshake {
            if !is_ping {
                exchange.opened();
            }
            return match is_ping {
                true => self.shake_own_hand(client, &handshake, sealing),
                false => self.shake_hands(client, head, &handshake, sealing, exchange).await,
            };
        }
        if let Some(receipt) = opening.unproven().filter(|_| onward::may_have_bytes(&body))
            && let Err(failure) = self.shared.replay.admit_request(&receipt, client.peer).await
        {
            client.discard(body, &head);
            return Err(failure);
        }
        let method = head.method.clone();
        // Under GCM the body is verified before anything of it goes on.
        let (body, framing) = if opening.must_be_held() {
            self.hold_body(body, opening, framing, client, exchange).await?
        } else {
            self.stream_body(body, opening, framing, head.version, client, exchange)
        };
        if is_ping {
            let answer =
                ping::answer(&self.config.name, method, body, exchange.upload(), sealing, now()).await?;
            return Ok(Answer::Ping(answer));
        }
        exchange.opened();
        self.onward.prepare(&mut head, client, exchange, takes_trailers)?;
        forward::ask_for_identity(&mut head.headers);
        framing.write(&mut head.headers);
        let request = Request::from_parts(head, body);
        let sent = self.onward.send(request, client, exchange).await?;
        Ok(Answer::Sealed(SealedAnswer { sent, sealing, method }))
    }

    /// By whose leave this request passes as it is, if it bears nothing of an envelope. A sealed one is opened all the same.
    fn takes_plain(&self, head: &Parts, exchange: &Exchange) -> Option<Leave> {
        if self.is_asked(head) {
            return None;
        }
        if !self.keys.store.snapshot().encryption() {
            let is_plain = !carriers::are_borne(head, self.inbound.carriers, &self.profile);
            return is_plain.then_some(Leave::Portal);
        }
        let policy = exchange.plain_policy()?;
        (!carriers::could_be_borne(head, &self.profile)).then_some(Leave::Route(policy))
    }

    async fn pass(
        &self,
        client: &Client,
        head: Parts,
        body: Arriving,
        exchange: &mut Exchange,
        leave: Leave,
    ) -> Result<Answer, Failure> {
        let is_page = head.headers.contains_key(UPGRADE);
        let present = |name| head.headers.contains_key(name);
        let lacks_header = !self.inbound.required_headers.iter().all(present);
        let refusal = if is_page && !self.inbound.allows(head.headers.get_all(ORIGIN), Carrier::Headers) {
            Some(Failure::Origin)
        } else if lacks_header && leave != Leave::Route(MigrationPolicy::Shadow) {
            Some(Refusal::headers(AleReason::MissingRequiredHeader).into())
        } else {
            None
        };
        if let Some(failure) = refusal {
            client.discard(body, &head);
            return Err(failure);
        }
        // Where a route lets it pass, what the portal says of sealing changes nothing.
        let keys = (leave == Leave::Portal).then_some(&self.keys);
        if keys.is_none() {
            let reason = if lacks_header { AleReason::MissingRequiredHeader } else { AleReason::MissingIv };
            exchange.passes_plain(Refusal::headers(reason).into());
        }
        let Self { config, shared, onward, .. } = self;
        let clear = Clear { config, shared, keys, onward, sealed: Side::Client };
        clear.exchange(client, head, body, exchange).await
    }

    /// P7: asks the application for a WebSocket.
    async fn shake_hands(
        &self,
        client: &Client,
        mut head: Parts,
        handshake: &Handshake,
        sealing: ReplySealing,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        let place = self.shared.session()?;
        self.onward.prepare(&mut head, client, exchange, false)?;
        forward::ask_for_identity(&mut head.headers);
        Framing::Unstated.write(&mut head.headers);
        Handshake::ask(&mut head.headers);
        let request = Request::from_parts(head, RequestBody::Empty);
        let sent = self.onward.upgrade(request, client, exchange).await?;
        if sent.0.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Answer::Sealed(SealedAnswer { sent, sealing, method: Method::GET }));
        }
        let seat = self.seat(sealing, place);
        Ok(Answer::Switch(Agreement::reached(handshake, sent.0, client, seat)?))
    }

    /// Agrees to a WebSocket in the application's place: a session of pings.
    fn shake_own_hand(
        &self,
        client: &Client,
        handshake: &Handshake,
        sealing: ReplySealing,
    ) -> Result<Answer, Failure> {
        let seat = self.seat(sealing, self.shared.session()?);
        Ok(Answer::Switch(Agreement::to_echo(handshake, client, seat)))
    }

    fn seat(&self, sealing: ReplySealing, place: Place) -> Seat {
        Seat {
            place,
            config: Arc::clone(&self.config),
            shared: Arc::clone(&self.shared),
            keys: Some(self.keys.clone()),
            pass: None,
            sealing: Some((Arc::clone(sealing.key()), sealing.into_session(now(), &mut rand::rng()))),
            sealed: Side::Client,
        }
    }

    /// P1, P2, and what this proxy requires besides for its application; the key is one for the whole exchange. While an
    /// unknown one is looked for nothing of the body is read.
    async fn open(
        &self,
        head: &mut Parts,
        is_handshake: bool,
        is_ping: bool,
    ) -> Result<(BodyOpening, ReplySealing), Failure> {
        let carrier = carriers::gather(head, self.inbound.carriers, is_handshake, &self.profile)?;
        if is_handshake && !self.inbound.allows(head.headers.get_all(ORIGIN), carrier) {
            return Err(Failure::Origin);
        }
        let present = |name| head.headers.contains_key(name);
        if !is_ping && !self.inbound.required_headers.iter().all(present) {
            return Err(Refusal::headers(AleReason::MissingRequiredHeader).into());
        }
        let envelope = RequestEnvelope::take(&self.profile, head)?;
        let open = |ring: &KeyRing| envelope.open(head, ring, now());
        let opened = unknown_key::open(&self.keys, open).await?;
        Ok((opened.body, opened.reply))
    }

    /// The plaintext body as it comes, and how the application is told its end.
    fn stream_body(
        &self,
        body: Arriving,
        opening: BodyOpening,
        framing: Framing,
        version: Version,
        client: &Client,
        exchange: &mut Exchange,
    ) -> (RequestBody, Framing) {
        if !onward::may_have_bytes(&body) {
            return (RequestBody::Empty, framing);
        }
        let length = body.size_hint().exact();
        let change = Change::OpenRequest(opening);
        let body = self.onward.stream(body, change, length, client, exchange);
        (body, onward::framing_onward(framing, version))
    }

    /// The verified body under GCM, whole, and how the application is told its end.
    async fn hold_body(
        &self,
        body: Arriving,
        opening: BodyOpening,
        framing: Framing,
        client: &Client,
        exchange: &mut Exchange,
    ) -> Result<(RequestBody, Framing), Failure> {
        let length = body.size_hint().exact();
        let limits = HoldLimits::of_request(&self.config, &self.shared.limits, &client.account);
        let held = hold(body, opening, length, limits).await.map_err(Failure::from);
        let mut held = held.inspect_err(|failure| {
            if !matches!(failure, Failure::Ale(_)) {
                client.activity.linger();
            }
        })?;
        exchange.request_bytes(held.length);
        if let Opened::Body(receipt) = &held.opened {
            self.shared.replay.admit_request(receipt, client.peer).await?;
        }
        if let Some(trailers) = &mut held.trailers {
            exchange.strip_trailers(trailers);
        }
        if matches!(held.opened, Opened::Bodyless) && held.trailers.is_none() && framing != Framing::Chunked {
            return Ok((RequestBody::Empty, framing));
        }
        let framing = match framing {
            // Trailers need chunks, and what came in chunks goes on in chunks.
            _ if held.trailers.is_some() => Framing::Chunked,
            Framing::Chunked => Framing::Chunked,
            Framing::Length(_) | Framing::Unstated => Framing::Length(held.length),
        };
        Ok((RequestBody::Held(held.into()), framing))
    }
}

/// The application's reply, and the right to seal it.
pub(crate) struct SealedAnswer {
    sent: Sent,
    sealing: ReplySealing,
    method: Method,
}

impl SealedAnswer {
    /// P5, P6: the reply as the client gets it.
    pub(super) fn finish(self, mut exchange: Exchange) -> Response<ReplyBody> {
        let (mut head, body, lease) = onward::taken_apart(self.sent, &exchange);
        exchange.answered(head.status);
        let plain_length = onward::stated_length(&head, &body, &self.method);
        forward::strip_hop_by_hop(&mut head.headers);
        forward::strip_sealed_body_fields(&mut head.headers);
        let length = plain_length.and_then(|length| length.checked_add(self.sealing.overhead()));
        let sealed = self.sealing.seal(&self.method, head.status, &mut head.headers, now(), &mut rand::rng());
        length.map_or(Framing::Unstated, Framing::Length).write(&mut head.headers);
        head.version = exchange.version();
        let flow = match sealed {
            SealedReply::Sealed(sealer) => Flow::new(body, Change::Seal(sealer), length),
            SealedReply::Bodyless => Flow::new(body, Change::Pass, Some(0)),
            SealedReply::Plain => Flow::new(body, Change::Pass, length),
        };
        let body = ReplyBody::upstream(UpstreamReply::new(flow, lease), exchange);
        Response::from_parts(head, body)
    }
}
