//! The peer's reply: judged by its head, opened, and made ready for the application.

use crate::proxy::body::Arriving;
use http::{Method, Response, StatusCode, response};

use super::{Asked, Outbound};
use crate::ale::{ClearError, OpenedReply, ReplyBodyOpening, ReplyFault, ReplyOpening};
use crate::metrics::PeerCode;
use crate::net::Lease;
use crate::proxy::body::{
    Change, Flow, HeldBody, HoldFault, HoldLimits, Peeked, ReplyBody, RequestBody, Stated, UpstreamReply,
    hold, peek,
};
use crate::proxy::exchange::Exchange;
use crate::proxy::forward::{self, Framing};
use crate::proxy::onward::{self, Sent};
use crate::proxy::respond::Failure;
use crate::proxy::service::Answer;
use crate::proxy::{PlainErrors, now};

/// A reply that is believed, ready to be passed on.
pub(crate) struct OpenedAnswer {
    head: response::Parts,
    framing: Framing,
    body: AnswerBody,
    /// Whether the peer says in clear that it cannot use the key.
    refuses_key: bool,
}

enum AnswerBody {
    Held(HeldBody, Stated),
    Streamed(Box<UpstreamReply>),
}

impl OpenedAnswer {
    /// The reply as the application gets it.
    pub(in crate::proxy) fn finish(self, mut exchange: Exchange) -> Response<ReplyBody> {
        let Self { mut head, framing, body, .. } = self;
        exchange.answered(head.status);
        framing.write(&mut head.headers);
        head.version = exchange.version();
        let body = match body {
            AnswerBody::Held(body, stated) => ReplyBody::held(body, stated, exchange),
            AnswerBody::Streamed(reply) => ReplyBody::upstream(reply, exchange),
        };
        Response::from_parts(head, body)
    }
}

/// A reply on its way to being believed.
struct Reply {
    head: response::Parts,
    body: Arriving,
    lease: Lease<RequestBody>,
    /// What it states as the length of its body, as it came.
    length: Option<u64>,
}

impl Reply {
    fn streamed(self, change: Change, length: Option<u64>) -> OpenedAnswer {
        let Self { head, body, lease, .. } = self;
        let framing = length.map_or(Framing::Unstated, Framing::Length);
        let flow = Flow::new(body, change, length);
        OpenedAnswer {
            head,
            framing,
            body: AnswerBody::Streamed(UpstreamReply::new(flow, lease)),
            refuses_key: false,
        }
    }

    /// P5: HEAD, 204 and 304. `length` is what HEAD states of the body that it leaves out.
    fn bodyless(self, length: Option<u64>) -> OpenedAnswer {
        let framing = length.map_or(Framing::Unstated, Framing::Length);
        OpenedAnswer { framing, ..self.streamed(Change::Pass, Some(0)) }
    }
}

impl Outbound {
    /// P5, P9: what becomes of the peer's reply.
    pub(super) async fn read(
        &self,
        sent: Sent,
        opening: ReplyOpening,
        asked: &Asked<'_>,
        exchange: &Exchange,
    ) -> Result<OpenedAnswer, Failure> {
        let (mut head, body, lease) = onward::taken_apart(sent, exchange);
        let length = onward::stated_length(&head, &body, &asked.method);
        let overhead = opening.overhead();
        let opened = opening.open(&asked.method, head.status, &mut head.headers, now());
        forward::strip_hop_by_hop(&mut head.headers);
        forward::strip_sealed_body_fields(&mut head.headers);
        let reply = Reply { head, body, lease, length };
        match opened.map_err(Failure::Unbelieved)? {
            OpenedReply::Bodyless => Ok(self.pass_bodyless(reply, &asked.method, overhead)),
            OpenedReply::Clear => self.read_clear(reply, exchange).await,
            OpenedReply::Sealed(opening) if opening.must_be_held() => {
                self.hold(reply, opening, asked, exchange).await
            }
            OpenedReply::Sealed(opening) => {
                if let Some(receipt) = opening.unproven().filter(|_| onward::may_have_bytes(&reply.body)) {
                    self.shared.replay.admit_reply(&receipt).await?;
                }
                self.belief.sealed_came(&self.config.name);
                let length = reply.length;
                Ok(reply.streamed(Change::OpenReply(opening), length))
            }
        }
    }

    /// HEAD states the length that GET would have had, tag included.
    fn pass_bodyless(&self, reply: Reply, method: &Method, overhead: u64) -> OpenedAnswer {
        let length = match reply.length {
            Some(sealed) if *method == Method::HEAD && self.belief.knows_sealed() => {
                sealed.checked_sub(overhead)
            }
            length => length,
        };
        reply.bodyless(length)
    }

    /// P10: nothing of a reply under GCM is passed on before its tag verifies.
    async fn hold(
        &self,
        reply: Reply,
        opening: ReplyBodyOpening,
        asked: &Asked<'_>,
        exchange: &Exchange,
    ) -> Result<OpenedAnswer, Failure> {
        let Reply { head, body, lease, length } = reply;
        if forward::is_event_stream(&head.headers) {
            return Err(Failure::EventStream);
        }
        let limits = HoldLimits::of_reply(&self.config, &asked.client.account);
        let mut held = hold(body, opening, length, limits).await?;
        self.shared.replay.admit_reply(&held.opened).await?;
        self.belief.sealed_came(&self.config.name);
        if let Some(trailers) = &mut held.trailers {
            exchange.strip_trailers(trailers);
        }
        Ok(whole(head, held.into(), lease, length.is_some(), exchange))
    }

    /// A reply that bears nothing of the envelope.
    async fn read_clear(&self, mut reply: Reply, exchange: &Exchange) -> Result<OpenedAnswer, Failure> {
        let status = reply.head.status;
        let is_error = status.is_client_error() || status.is_server_error();
        let believed = self.belief.takes_plain();
        if !believed && !is_error {
            return Err(Failure::Unbelieved(ReplyFault::Unsealed));
        }
        if !believed && self.outbound.plain_errors == PlainErrors::Replace {
            return Err(self.replace(reply, exchange).await);
        }
        // Only an error of the protocol is looked into.
        if status != StatusCode::BAD_REQUEST {
            if !believed {
                self.shared.metrics.peer_error(PeerCode::Missing);
            }
            let length = reply.length;
            return Ok(reply.streamed(Change::Pass, length));
        }
        let peeked = peek(&mut reply.body, self.config.timeouts.body).await;
        let peeked = peeked.map_err(|fault: HoldFault<ReplyFault>| Failure::from(fault))?;
        let code = peeked.text().and_then(|text| ClearError::code_in(&text));
        // Where plain replies are believed, other errors are the application's own.
        if !believed || matches!(code, Some(1..=3)) {
            self.shared.metrics.peer_error(code.into());
        }
        let answer = resume(reply, peeked, exchange);
        Ok(OpenedAnswer { refuses_key: is_of_the_key(status, code), ..answer })
    }

    /// An error that nothing vouches for: its status, and its errorCode if it has one.
    async fn replace(&self, reply: Reply, exchange: &Exchange) -> Failure {
        let Reply { head, mut body, lease, .. } = reply;
        let peeked = peek::<ReplyFault>(&mut body, self.config.timeouts.body).await;
        let text = peeked.ok().and_then(|peeked| peeked.text());
        if text.is_some() && exchange.request_is_whole() {
            lease.give_back();
        }
        let code = text.and_then(|text| ClearError::code_in(&text));
        self.shared.metrics.peer_error(code.into());
        Failure::Peer { status: head.status, code }
    }
}

/// A reply that is there as a whole; its connection is free.
fn whole(
    head: response::Parts,
    body: HeldBody,
    lease: Lease<RequestBody>,
    stated: bool,
    exchange: &Exchange,
) -> OpenedAnswer {
    if exchange.request_is_whole() {
        lease.give_back();
    }
    let (framing, stated) = match stated && !body.has_trailers() {
        true => (Framing::Length(body.left()), Stated::Yes),
        false => (Framing::Unstated, Stated::No),
    };
    OpenedAnswer { head, framing, body: AnswerBody::Held(body, stated), refuses_key: false }
}

/// A reply that was looked into, from its beginning.
fn resume(reply: Reply, peeked: Peeked, exchange: &Exchange) -> OpenedAnswer {
    let Peeked { pieces, mut trailers, whole: is_whole } = peeked;
    if is_whole {
        if let Some(trailers) = &mut trailers {
            exchange.strip_trailers(trailers);
        }
        let body = HeldBody::new(pieces, trailers);
        return whole(reply.head, body, reply.lease, reply.length.is_some(), exchange);
    }
    let Reply { head, body, lease, length } = reply;
    let framing = length.map_or(Framing::Unstated, Framing::Length);
    let flow = Flow::resumed(pieces, body, length);
    OpenedAnswer {
        head,
        framing,
        body: AnswerBody::Streamed(UpstreamReply::new(flow, lease)),
        refuses_key: false,
    }
}

/// Whether the peer says that it cannot use the key of the request.
pub(super) fn refuses_key(answer: &Result<Answer, Failure>) -> bool {
    match answer {
        Ok(Answer::Opened(answer)) => answer.refuses_key,
        Ok(_) => false,
        Err(Failure::Peer { status, code }) => is_of_the_key(*status, *code),
        Err(_) => false,
    }
}

/// P2, P3: errorCode 2 or 3, which is all that a peer says of a key that it does not have, or no longer or not yet.
fn is_of_the_key(status: StatusCode, code: Option<u64>) -> bool {
    status == StatusCode::BAD_REQUEST && matches!(code, Some(2 | 3))
}
