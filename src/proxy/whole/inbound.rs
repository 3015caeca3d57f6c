//! The inbound way of messages that are held: opened whole for the application, whose replies are sealed whole.

mod migrating;

use std::sync::Arc;

use crate::proxy::body::Arriving;
use bytes::Bytes;
use http::header::ORIGIN;
use http::request::Parts;
use http::{Method, Request};
use http_body::Body;

use super::WholeAnswer;
use super::taken::{Charging, Plain, take, take_request};
use crate::ale::{self, OpenedWhole, PlainBody, Refusal, ReplyFault, WholeReplySealing};
use crate::keys::KeyRing;
use crate::metrics::AleReason;
use crate::profile::{Place, WholeProfile};
use crate::proxy::body::{HoldLimits, RequestBody};
use crate::proxy::carriers::Carrier;
use crate::proxy::clear::{Clear, ClearAnswer};
use crate::proxy::client::Client;
use crate::proxy::exchange::{Exchange, Shared};
use crate::proxy::forward::{self, Framing};
use crate::proxy::onward::{self, Onward, Sent};
use crate::proxy::respond::Failure;
use crate::proxy::service::Answer;
use crate::proxy::websocket::{Handshake, Side};
use crate::proxy::{InboundConfig, KeyAccess, ProxyConfig, now, unknown_key};

/// One route on one worker.
pub(crate) struct WholeInbound {
    config: Arc<ProxyConfig>,
    inbound: InboundConfig,
    profile: Arc<WholeProfile>,
    keys: KeyAccess,
    onward: Onward,
    shared: Arc<Shared>,
}

impl WholeInbound {
    pub(crate) fn new(
        config: Arc<ProxyConfig>,
        inbound: InboundConfig,
        profile: Arc<WholeProfile>,
        keys: KeyAccess,
        onward: Onward,
        shared: Arc<Shared>,
    ) -> Self {
        Self { config, inbound, profile, keys, onward, shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Opens one request, and gets the application's answer to it.
    pub(crate) async fn exchange(
        &self,
        client: &Client,
        mut head: Parts,
        body: Arriving,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        if let Some(policy) = exchange.plain_policy().filter(|_| self.keys.store.snapshot().encryption()) {
            // In a box, so that the usual way has no room for it.
            return Box::pin(self.exchange_either(client, head, body, exchange, policy)).await;
        }
        if let Err(failure) = self.require_headers(&head) {
            client.discard(body, &head);
            return Err(failure.into());
        }
        if self.takes_plain(&head) {
            let Self { config, shared, keys, onward, .. } = self;
            let clear = Clear { config, shared, keys: Some(keys), onward, sealed: Side::Client };
            return clear.exchange(client, head, body, exchange).await;
        }
        forward::check_framing(&head)?;
        if Handshake::asked_by(&head, !body.is_end_stream())?.is_some() {
            return Err(Failure::NoWebSocket);
        }
        forward::strip_hop_by_hop(&mut head.headers);
        let has_bytes = onward::may_have_bytes(&body);
        let taken = take_request(body, &self.config, &self.shared, client).await?;
        exchange.request_bytes(taken.len() as u64);
        self.exchange_sealed(client, head, (taken, has_bytes), exchange).await
    }

    /// Opens a request whose body is there. `has_bytes` says whether it had one at all.
    async fn exchange_sealed(
        &self,
        client: &Client,
        mut head: Parts,
        (taken, has_bytes): (Bytes, bool),
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        let (body, reply) = self.open(&mut head, &taken, client, exchange).await?;
        drop(taken);
        exchange.opened();
        self.onward.prepare(&mut head, client, exchange, false)?;
        forward::ask_for_identity(&mut head.headers);
        let method = head.method.clone();
        let framing = if has_bytes { Framing::Length(body.len() as u64) } else { Framing::Unstated };
        framing.write(&mut head.headers);
        let charging = Charging::of(&client.account, body.len() as u64).map_err(Failure::NoCapacity)?;
        let body = if body.is_empty() {
            RequestBody::Empty
        } else {
            RequestBody::Held(charging.into_body(Plain(body)).map_err(Failure::NoCapacity)?)
        };
        let sent = self.onward.send(Request::from_parts(head, body), client, exchange).await?;
        self.answer(sent, reply, method, client, exchange).await
    }

    fn require_headers(&self, head: &Parts) -> Result<(), Refusal> {
        let present = |name| head.headers.contains_key(name);
        if self.inbound.required_headers.iter().all(present) {
            return Ok(());
        }
        Err(Refusal::headers(AleReason::MissingRequiredHeader))
    }

    /// Whether the service is not secured, as far as the portal is followed, and the head bears nothing of an envelope.
    fn takes_plain(&self, head: &Parts) -> bool {
        let is_borne = |place: &Place| match place {
            Place::Header(name) => head.headers.contains_key(name),
            Place::Query(name) => {
                let query = head.uri.query().unwrap_or_default();
                crate::payload::form::pairs(query.as_bytes()).any(|pair| pair.name_is(name))
            }
            Place::Field(_) | Place::Member(_) => false,
        };
        !self.keys.store.snapshot().encryption() && !self.profile.own_places().any(is_borne)
    }

    /// The plaintext, and the right to answer. The key is one for the whole exchange.
    async fn open(
        &self,
        head: &mut Parts,
        taken: &Bytes,
        client: &Client,
        exchange: &mut Exchange,
    ) -> Result<(PlainBody, WholeReplySealing), Failure> {
        let open = |ring: &KeyRing| ale::open_whole(&self.profile, head, taken, ring, now());
        let OpenedWhole { body, receipt, reply } = unknown_key::open(&self.keys, open).await?;
        exchange.keyed(reply.key());
        if let Some(receipt) = receipt {
            self.shared.replay.admit_request(&receipt, client.peer).await?;
        }
        Ok((body, reply))
    }

    /// The application's reply: as it comes, or held and sealed.
    async fn answer(
        &self,
        sent: Sent,
        reply: WholeReplySealing,
        method: Method,
        client: &Client,
        exchange: &Exchange,
    ) -> Result<Answer, Failure> {
        if !reply.seals() {
            return Ok(Answer::Clear(ClearAnswer::without(&self.profile.carriers(), sent, method)));
        }
        let (mut head, body, lease) = onward::taken_apart(sent, exchange);
        forward::strip_hop_by_hop(&mut head.headers);
        forward::strip_sealed_body_fields(&mut head.headers);
        if forward::is_event_stream(&head.headers) {
            return Err(Failure::EventStream);
        }
        let length = onward::stated_length(&head, &body, &method).filter(|_| method != Method::HEAD);
        let limits = HoldLimits::of_reply(&self.config, &client.account);
        let taken = take::<ReplyFault>(body, length, limits).await?;
        if exchange.request_is_whole() {
            lease.give_back();
        }
        let charging =
            Charging::of(&client.account, taken.len() as u64).map_err(Failure::NoCapacityForReply)?;
        let sealed = reply.seal(&method, head.status, &mut head.headers, &taken, now(), &mut rand::rng());
        let sealed = sealed.map_err(Failure::Unsealable)?;
        let body = sealed.map(|sealed| charging.into_body(sealed)).transpose();
        Ok(Answer::Whole(WholeAnswer { head, body: body.map_err(Failure::NoCapacityForReply)? }))
    }
}
