//! The outbound way: a plain request in, a sealed one to the peer, its reply opened on the way back.

mod answer;
mod belief;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::proxy::body::Arriving;
use bytes::BytesMut;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body::Body;

use super::body::{Change, HeldBody, RequestBody};
use super::clear::Clear;
use super::client::Client;
use super::exchange::{Exchange, Shared};
use super::forward::{self, Framing};
use super::onward::{self, Onward, Sent};
use super::respond::Failure;
use super::service::Answer;
use super::websocket::{Agreement, Handshake, Seat, Side};
use super::{KeyAccess, OutboundConfig, ProxyConfig, now};
use crate::ale::{self, ReplyOpening, RequestSealing};
use crate::keys::Key;
use crate::profile::StreamProfile;
pub(crate) use answer::OpenedAnswer;
use answer::refuses_key;
pub(crate) use belief::Belief;

/// One proxy on one worker.
pub(crate) struct Outbound {
    config: Arc<ProxyConfig>,
    outbound: OutboundConfig,
    profile: Arc<StreamProfile>,
    keys: KeyAccess,
    onward: Onward,
    shared: Arc<Shared>,
    belief: Arc<Belief>,
}

impl Outbound {
    pub(crate) fn new(
        config: Arc<ProxyConfig>,
        outbound: OutboundConfig,
        profile: Arc<StreamProfile>,
        keys: KeyAccess,
        onward: Onward,
        shared: Arc<Shared>,
        belief: Arc<Belief>,
    ) -> Self {
        Self { config, outbound, profile, keys, onward, shared, belief }
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
        if !self.keys.store.snapshot().encryption() {
            // In a box, so that the usual way has no room for it.
            return Box::pin(self.pass(client, head, body, exchange)).await;
        }
        let framing = forward::check_framing(&head)?;
        let handshake = Handshake::asked_by(&head, !body.is_end_stream())?;
        let takes_trailers = forward::strip_hop_by_hop(&mut head.headers);
        let Some(key) = self.sealing_key() else {
            client.discard(body, &head);
            return Err(Failure::NoSealingKey);
        };
        exchange.keyed(&key);
        let has_bytes = onward::may_have_bytes(&body);
        let framing = if has_bytes { onward::framing_onward(framing, head.version) } else { framing };
        self.onward.prepare(&mut head, client, exchange, takes_trailers && handshake.is_none())?;
        let asked = Asked { method: head.method.clone(), handshake, client };
        if has_bytes {
            self.ask(head, body, framing, &key, &asked, exchange).await
        } else {
            self.ask_bodyless(head, framing, &key, &asked, exchange).await
        }
    }

    /// The service is not secured, as far as the portal is followed: all of it passes as it is.
    async fn pass(
        &self,
        client: &Client,
        mut head: Parts,
        body: Arriving,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        self.profile.carriers().into_iter().for_each(|name| drop(head.headers.remove(name)));
        let Self { config, shared, keys, onward, .. } = self;
        let clear = Clear { config, shared, keys: Some(keys), onward, sealed: Side::Server };
        clear.exchange(client, head, body, exchange).await
    }

    /// A request with a body is sent once, whatever comes of it.
    async fn ask(
        &self,
        head: Parts,
        body: Arriving,
        framing: Framing,
        key: &Arc<Key>,
        asked: &Asked<'_>,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        let (sent, opening) = self.send(head, body, framing, key, asked.client, exchange).await?;
        let answer = self.read(sent, opening, asked, exchange).await.map(Answer::Opened);
        if refuses_key(&answer) {
            self.keys.refresh.ask();
        }
        answer
    }

    /// Where the peer refuses the key, an idempotent request is sealed and sent once more if another key seals after the
    /// keys were read anew.
    async fn ask_bodyless(
        &self,
        head: Parts,
        framing: Framing,
        key: &Arc<Key>,
        asked: &Asked<'_>,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        let spare = head.method.is_idempotent().then(|| head.clone());
        let answer = self.ask_once(head, framing, key, asked, exchange).await;
        if !refuses_key(&answer) {
            return answer;
        }
        let Some(head) = spare else {
            self.keys.refresh.ask();
            return answer;
        };
        self.keys.refresh.anew().await;
        let Some(other) = self.sealing_key().filter(|other| !other.is_same(key)) else { return answer };
        drop(answer);
        exchange.keyed(&other);
        self.shared.metrics.resealed();
        self.ask_once(head, framing, &other, asked, exchange).await
    }

    async fn ask_once(
        &self,
        head: Parts,
        framing: Framing,
        key: &Arc<Key>,
        asked: &Asked<'_>,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        if let Some(handshake) = &asked.handshake {
            return self.shake_hands(head, handshake, key, asked, exchange).await;
        }
        let (sent, opening) = self.send_bodyless(head, framing, key, asked.client, exchange).await?;
        self.read(sent, opening, asked, exchange).await.map(Answer::Opened)
    }

    /// P7: asks the peer for a WebSocket. The handshake has no body, and so nothing of it is sealed.
    async fn shake_hands(
        &self,
        mut head: Parts,
        handshake: &Handshake,
        key: &Arc<Key>,
        asked: &Asked<'_>,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        let place = self.shared.session()?;
        Framing::Unstated.write(&mut head.headers);
        Handshake::ask(&mut head.headers);
        let RequestSealing { reply, .. } =
            ale::seal_request(&self.profile, &mut head, false, key, now(), &mut rand::rng());
        let request = Request::from_parts(head, RequestBody::Empty);
        let sent = self.onward.upgrade(request, asked.client, exchange).await?;
        if sent.0.status() != StatusCode::SWITCHING_PROTOCOLS {
            return self.read(sent, reply, asked, exchange).await.map(Answer::Opened);
        }
        let seat = Seat {
            place,
            pass: None,
            config: Arc::clone(&self.config),
            shared: Arc::clone(&self.shared),
            keys: Some(self.keys.clone()),
            sealed: Side::Server,
            sealing: Some((Arc::clone(key), reply.into_session(&mut rand::rng()))),
        };
        Ok(Answer::Switch(Agreement::reached(handshake, sent.0, asked.client, seat)?))
    }

    /// The key that seals now. It is one for the whole exchange.
    fn sealing_key(&self) -> Option<Arc<Key>> {
        let takes = |key: &&Arc<Key>| self.profile.takes(key.secret.algorithm());
        self.keys.store.snapshot().sealing_key(now()).filter(takes).cloned()
    }

    /// P3: seals the body as it streams, the tag last; a length that is known stays known.
    async fn send(
        &self,
        mut head: Parts,
        body: Arriving,
        framing: Framing,
        key: &Arc<Key>,
        client: &Client,
        exchange: &mut Exchange,
    ) -> Result<(Sent, ReplyOpening), Failure> {
        let sealing = ale::seal_request(&self.profile, &mut head, true, key, now(), &mut rand::rng());
        let change = sealing.body.map_or(Change::Pass, Change::Seal);
        let tag = sealing.reply.overhead();
        let sealed_length = |plain: u64| plain.checked_add(tag).ok_or(Failure::TooLarge);
        let length = body.size_hint().exact().map(sealed_length).transpose()?;
        let framing = match framing {
            Framing::Length(plain) => Framing::Length(sealed_length(plain)?),
            Framing::Chunked => Framing::Chunked,
            Framing::Unstated => Framing::Unstated,
        };
        framing.write(&mut head.headers);
        let body = self.onward.stream(body, change, length, client, exchange);
        let request = Request::from_parts(head, body);
        let sent = self.onward.send(request, client, exchange).await?;
        Ok((sent, sealing.reply))
    }

    /// P4: goes out without a single body byte where the method allows it, otherwise as the tag alone.
    async fn send_bodyless(
        &self,
        head: Parts,
        framing: Framing,
        key: &Arc<Key>,
        client: &Client,
        exchange: &mut Exchange,
    ) -> Result<(Sent, ReplyOpening), Failure> {
        let (request, opening) = self.seal_bodyless(head, framing, key);
        let sent = self.onward.send(request, client, exchange).await?;
        Ok((sent, opening))
    }

    fn seal_bodyless(
        &self,
        mut head: Parts,
        framing: Framing,
        key: &Arc<Key>,
    ) -> (Request<RequestBody>, ReplyOpening) {
        let RequestSealing { body: sealer, reply } =
            ale::seal_request(&self.profile, &mut head, false, key, now(), &mut rand::rng());
        let mut tag = BytesMut::new();
        if let Some(sealer) = sealer {
            sealer.finish(&mut tag);
        }
        let body = if tag.is_empty() {
            framing.write(&mut head.headers);
            RequestBody::Empty
        } else {
            Framing::Length(tag.len() as u64).write(&mut head.headers);
            RequestBody::Held(HeldBody::new(VecDeque::from([tag.freeze()]), None))
        };
        (Request::from_parts(head, body), reply)
    }
}

/// What a reply answers.
struct Asked<'a> {
    method: Method,
    handshake: Option<Handshake>,
    client: &'a Client,
}
