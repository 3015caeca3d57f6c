//! The outbound way of messages that are held: an application's requests sealed whole, the peer's replies opened whole.

use std::sync::Arc;

use crate::proxy::body::Arriving;
use http::request::Parts;
use http::{Method, Request, response};
use http_body::Body;

use super::WholeAnswer;
use super::taken::{Charging, Plain, take, take_request};
use crate::ale::{self, ClearError, ReplyFault, SealedWhole, WholeReplyOpening};
use crate::profile::WholeProfile;
use crate::proxy::body::{HoldLimits, RequestBody};
use crate::proxy::clear::{Clear, ClearAnswer};
use crate::proxy::client::Client;
use crate::proxy::exchange::{Exchange, Shared};
use crate::proxy::forward::{self, Framing};
use crate::proxy::onward::{self, Onward, Sent};
use crate::proxy::respond::Failure;
use crate::proxy::service::Answer;
use crate::proxy::websocket::{Handshake, Side};
use crate::proxy::{KeyAccess, OutboundConfig, PlainErrors, ProxyConfig, now};

/// One route on one worker.
pub(crate) struct WholeOutbound {
    config: Arc<ProxyConfig>,
    outbound: OutboundConfig,
    profile: Arc<WholeProfile>,
    keys: KeyAccess,
    onward: Onward,
    shared: Arc<Shared>,
}

impl WholeOutbound {
    pub(crate) fn new(
        config: Arc<ProxyConfig>,
        outbound: OutboundConfig,
        profile: Arc<WholeProfile>,
        keys: KeyAccess,
        onward: Onward,
        shared: Arc<Shared>,
    ) -> Self {
        Self { config, outbound, profile, keys, onward, shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Seals one request, and opens the peer's answer to it.
    pub(crate) async fn exchange(
        &self,
        client: &Client,
        mut head: Parts,
        body: Arriving,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        let ring = self.keys.store.snapshot();
        if !ring.encryption() {
            self.profile.carriers().iter().for_each(|name| drop(head.headers.remove(name)));
            let Self { config, shared, keys, onward, .. } = self;
            let clear = Clear { config, shared, keys: Some(keys), onward, sealed: Side::Server };
            return clear.exchange(client, head, body, exchange).await;
        }
        forward::check_framing(&head)?;
        if Handshake::asked_by(&head, !body.is_end_stream())?.is_some() {
            return Err(Failure::NoWebSocket);
        }
        forward::strip_hop_by_hop(&mut head.headers);
        let Some(key) = ale::whole_sealing_key(&self.profile, &ring, now()) else {
            client.discard(body, &head);
            return Err(Failure::NoSealingKey);
        };
        drop(ring);
        exchange.keyed(&key);
        let has_bytes = onward::may_have_bytes(&body);
        let taken = take_request(body, &self.config, &self.shared, client).await?;
        exchange.request_bytes(taken.len() as u64);
        self.onward.prepare(&mut head, client, exchange, false)?;
        forward::ask_for_identity(&mut head.headers);
        let charging = Charging::of(&client.account, taken.len() as u64).map_err(Failure::NoCapacity)?;
        let method = head.method.clone();
        let SealedWhole { body, reply } =
            ale::seal_whole(&self.profile, &mut head, &taken, &key, now(), &mut rand::rng())?;
        drop(taken);
        let framing = match has_bytes || !body.is_empty() {
            true => Framing::Length(body.len() as u64),
            false => Framing::Unstated,
        };
        framing.write(&mut head.headers);
        let body = if body.is_empty() {
            RequestBody::Empty
        } else {
            RequestBody::Held(charging.into_body(body).map_err(Failure::NoCapacity)?)
        };
        let sent = self.onward.send(Request::from_parts(head, body), client, exchange).await?;
        let answer = self.read(sent, reply, method, client, exchange).await;
        if let Err(Failure::Peer { code: Some(2 | 3), .. }) = &answer {
            // The peer may have other keys by now.
            self.keys.refresh.ask();
        }
        answer
    }

    /// The peer's reply: as it comes where the profile leaves replies plain, or held and opened.
    async fn read(
        &self,
        sent: Sent,
        opening: WholeReplyOpening,
        method: Method,
        client: &Client,
        exchange: &Exchange,
    ) -> Result<Answer, Failure> {
        if !opening.is_sealed() {
            return Ok(Answer::Clear(ClearAnswer::without(&self.profile.carriers(), sent, method)));
        }
        let (mut head, body, lease) = onward::taken_apart(sent, exchange);
        if forward::is_event_stream(&head.headers) {
            return Err(Failure::EventStream);
        }
        let length = onward::stated_length(&head, &body, &method).filter(|_| method != Method::HEAD);
        let taken =
            take::<ReplyFault>(body, length, HoldLimits::of_reply(&self.config, &client.account)).await?;
        if exchange.request_is_whole() {
            lease.give_back();
        }
        let charging =
            Charging::of(&client.account, taken.len() as u64).map_err(Failure::NoCapacityForReply)?;
        forward::strip_hop_by_hop(&mut head.headers);
        forward::strip_sealed_body_fields(&mut head.headers);
        let is_clear_error = self.may_be_clear_error(&head);
        let opened = match opening.open(&method, head.status, &mut head.headers, &taken, now()) {
            Ok(opened) => opened,
            Err(fault) if !is_clear_error => return Err(Failure::Unbelieved(fault)),
            Err(_) => {
                let code = ClearError::code_in(&taken);
                self.shared.metrics.peer_error(code.into());
                if self.outbound.plain_errors == PlainErrors::Replace {
                    return Err(Failure::Peer { status: head.status, code });
                }
                let body = charging.into_body(taken).map_err(Failure::NoCapacityForReply)?;
                return Ok(Answer::Whole(WholeAnswer { head, body: Some(body) }));
            }
        };
        let Some(opened) = opened else {
            return Ok(Answer::Whole(WholeAnswer { head, body: None }));
        };
        if let Some(receipt) = &opened.receipt {
            self.shared.replay.admit_reply(receipt).await?;
        }
        let body = charging.into_body(Plain(opened.body)).map_err(Failure::NoCapacityForReply)?;
        Ok(Answer::Whole(WholeAnswer { head, body: Some(body) }))
    }

    /// P5: whether this is the head of an error that bears nothing of an envelope, as far as heads can tell.
    fn may_be_clear_error(&self, head: &response::Parts) -> bool {
        let is_error = head.status.is_client_error() || head.status.is_server_error();
        is_error && !self.profile.carriers().iter().any(|name| head.headers.contains_key(name))
    }
}
