//! The plain way: of a route that is a bypass, of clients that a route has yet to move over, and where a portal that is followed
//! (`follow_portal`) says that a service is not secured. Nothing is sealed, and what is plain is taken.

use std::sync::Arc;

use crate::proxy::body::Arriving;
use http::request::Parts;
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body::Body;

use super::body::{Change, Flow, ReplyBody, RequestBody, UpstreamReply};
use super::client::Client;
use super::exchange::{Exchange, Shared};
use super::forward::{self, Framing};
use super::onward::{self, Onward, Sent};
use super::respond::Failure;
use super::service::Answer;
use super::websocket::{Agreement, Handshake, Seat, Side};
use super::{KeyAccess, ProxyConfig};

/// What a proxy has that passes a request on as it is.
pub(super) struct Clear<'p> {
    pub(super) config: &'p Arc<ProxyConfig>,
    pub(super) shared: &'p Arc<Shared>,
    /// Those whose portal may say otherwise in the middle of a session; none where nothing is ever sealed.
    pub(super) keys: Option<&'p KeyAccess>,
    pub(super) onward: &'p Onward,
    /// On which side messages would be sealed.
    pub(super) sealed: Side,
}

impl Clear<'_> {
    /// Sends a plain request on, and answers with the plain reply.
    pub(super) async fn exchange(
        &self,
        client: &Client,
        mut head: Parts,
        body: Arriving,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        let framing = forward::check_framing(&head)?;
        let handshake = Handshake::asked_by(&head, !body.is_end_stream())?;
        let takes_trailers = forward::strip_hop_by_hop(&mut head.headers);
        self.onward.prepare_plain(&mut head, client, exchange, takes_trailers && handshake.is_none())?;
        if let Some(handshake) = handshake {
            return self.shake_hands(client, head, &handshake, exchange).await;
        }
        let method = head.method.clone();
        let (body, framing) = if onward::may_have_bytes(&body) {
            let framing = onward::framing_onward(framing, head.version);
            let length = body.size_hint().exact();
            let body = self.onward.stream(body, Change::Pass, length, client, exchange);
            (body, framing)
        } else {
            (RequestBody::Empty, framing)
        };
        framing.write(&mut head.headers);
        let request = Request::from_parts(head, body);
        let sent = self.onward.send(request, client, exchange).await?;
        Ok(Answer::Clear(ClearAnswer { sent, method }))
    }

    async fn shake_hands(
        &self,
        client: &Client,
        mut head: Parts,
        handshake: &Handshake,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        let place = self.shared.session()?;
        Framing::Unstated.write(&mut head.headers);
        Handshake::ask(&mut head.headers);
        let request = Request::from_parts(head, RequestBody::Empty);
        let sent = self.onward.upgrade(request, client, exchange).await?;
        if sent.0.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Answer::Clear(ClearAnswer { sent, method: Method::GET }));
        }
        let seat = Seat {
            place,
            config: Arc::clone(self.config),
            shared: Arc::clone(self.shared),
            keys: self.keys.cloned(),
            sealing: None,
            pass: exchange.session_pass(),
            sealed: self.sealed,
        };
        Ok(Answer::Switch(Agreement::reached(handshake, sent.0, client, seat)?))
    }
}

/// The other side's plain reply.
pub(crate) struct ClearAnswer {
    sent: Sent,
    method: Method,
}

impl ClearAnswer {
    /// A reply that passes as it is.
    pub(super) fn new(sent: Sent, method: Method) -> Self {
        Self { sent, method }
    }

    /// A reply that passes as it is, but for what only a sealed one may bear.
    pub(super) fn without(carriers: &[HeaderName], mut sent: Sent, method: Method) -> Self {
        for name in carriers {
            sent.0.headers_mut().remove(name);
        }
        Self { sent, method }
    }

    /// The reply as the client gets it: as it is.
    pub(super) fn finish(self, mut exchange: Exchange) -> Response<ReplyBody> {
        let (mut head, body, lease) = onward::taken_apart(self.sent, &exchange);
        exchange.answered(head.status);
        let length = onward::stated_length(&head, &body, &self.method);
        forward::strip_hop_by_hop(&mut head.headers);
        length.map_or(Framing::Unstated, Framing::Length).write(&mut head.headers);
        head.version = exchange.version();
        let to_come = if self.method == Method::HEAD { Some(0) } else { length };
        let flow = Flow::new(body, Change::Pass, to_come);
        Response::from_parts(head, ReplyBody::upstream(UpstreamReply::new(flow, lease), exchange))
    }
}
