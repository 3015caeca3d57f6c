//! The body that the client gets.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::flow::Flow;
use super::held::HeldBody;
use super::upload::RequestBody;
use crate::capture::{Fault, Half, Side};
use crate::metrics::{Outcome, ProxyMetrics};
use crate::net::Lease;
use crate::proxy::exchange::Exchange;
use crate::proxy::on_purpose::{self, Spoiled};

/// A reply on its way to the client, with the exchange that it ends.
pub(crate) struct ReplyBody {
    source: Source,
    exchange: Exchange,
    /// On purpose, before the next piece.
    breaks: bool,
}

enum Source {
    /// Everything was handed on.
    Done,
    /// A body of the sidecar's own.
    Own(Bytes),
    /// The upstream's, which is there as a whole; and whether its length is stated.
    Held(HeldBody, Stated),
    /// The upstream's, sealed or opened as it comes.
    Upstream(Box<UpstreamReply>),
}

/// Whether the length of a body is told before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stated {
    Yes,
    No,
}

/// The upstream's body on its way, and the connection that it comes by.
pub(crate) struct UpstreamReply {
    flow: Flow,
    lease: Option<Lease<RequestBody>>,
}

impl UpstreamReply {
    pub(crate) fn new(flow: Flow, lease: Lease<RequestBody>) -> Box<Self> {
        Box::new(Self { flow, lease: Some(lease) })
    }
}

impl ReplyBody {
    /// A body of the sidecar's own.
    pub(crate) fn own(body: Bytes, exchange: Exchange) -> Self {
        let source = if body.is_empty() { Source::Done } else { Source::Own(body) };
        Self { source, breaks: breaks_off(&exchange), exchange }
    }

    /// A reply that came whole.
    pub(crate) fn held(body: HeldBody, stated: Stated, mut exchange: Exchange) -> Self {
        exchange.reply_bytes(body.left());
        // hyper asks a body of no bytes for nothing, so its end is now.
        let ends_now = stated == Stated::Yes && body.is_spent();
        let mut this = Self { source: Source::Held(body, stated), breaks: breaks_off(&exchange), exchange };
        if ends_now {
            this.end(Outcome::Answered);
        }
        this
    }

    /// A reply that streams.
    pub(crate) fn upstream(reply: Box<UpstreamReply>, exchange: Exchange) -> Self {
        // hyper asks a body of no bytes for nothing, so its end is now.
        let ends_now = reply.flow.left() == Some(0);
        let mut this = Self { source: Source::Upstream(reply), breaks: breaks_off(&exchange), exchange };
        if ends_now {
            this.end(Outcome::Answered);
        }
        this
    }

    /// Makes a fault that a developer asked for.
    fn spoil(
        &mut self,
        fault: Fault,
        frame: Option<Result<Frame<Bytes>, BrokenReply>>,
    ) -> Option<Result<Frame<Bytes>, BrokenReply>> {
        let Some(Ok(frame)) = frame else { return frame };
        let piece = match frame.into_data() {
            Ok(piece) => piece,
            Err(frame) => return Some(Ok(frame)),
        };
        let ends = self.is_spent() || self.left() == Some(0);
        Some(Ok(Frame::data(match on_purpose::spoil(fault, piece, ends) {
            Spoiled::Piece(piece) => piece,
            Spoiled::Last(piece) => {
                self.breaks = true;
                piece
            }
        })))
    }

    fn left(&self) -> Option<u64> {
        match &self.source {
            Source::Done => Some(0),
            Source::Own(body) => Some(body.len() as u64),
            Source::Held(body, Stated::Yes) => Some(body.left()),
            Source::Held(_, Stated::No) => None,
            Source::Upstream(reply) => reply.flow.left(),
        }
    }

    fn is_spent(&self) -> bool {
        match &self.source {
            Source::Done => true,
            Source::Own(_) => false,
            Source::Held(body, _) => body.is_spent(),
            Source::Upstream(reply) => reply.flow.is_spent(),
        }
    }

    fn end(&mut self, outcome: Outcome) {
        if let Source::Upstream(reply) = &mut self.source
            && outcome == Outcome::Answered
            && let Some(lease) = reply.lease.take()
            && self.exchange.request_is_whole()
        {
            lease.give_back();
        }
        self.source = Source::Done;
        self.exchange.end(outcome);
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenReply>>> {
        match &mut self.source {
            Source::Done => Poll::Ready(None),
            Source::Own(body) => {
                let body = std::mem::take(body);
                self.source = Source::Done;
                self.exchange.end(Outcome::Answered);
                Poll::Ready(Some(Ok(Frame::data(body))))
            }
            Source::Held(body, _) => {
                let frame = body.next();
                if self.is_spent() {
                    self.end(Outcome::Answered);
                }
                Poll::Ready(frame.map(Ok))
            }
            Source::Upstream(reply) => {
                let shared = self.exchange.shared();
                let frame = ready!(reply.flow.poll_next(cx, shared, ProxyMetrics::reply_bytes));
                let passed = reply.flow.passed();
                self.exchange.has_replied(passed);
                let frame = frame.map(|frame| frame.map_err(|_fault| BrokenReply));
                match &frame {
                    Some(Err(BrokenReply)) => {
                        self.exchange.reply_breaks();
                        self.end(Outcome::ReplyBroken);
                    }
                    None => self.end(Outcome::Answered),
                    // Nothing follows the trailers, and nobody asks for more.
                    Some(Ok(frame)) if frame.is_trailers() || self.is_spent() => self.end(Outcome::Answered),
                    Some(Ok(_)) => {}
                }
                Poll::Ready(frame)
            }
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BrokenReply;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenReply>>> {
        let this = self.get_mut();
        if std::mem::take(&mut this.breaks) {
            if breaks_off(&this.exchange) {
                this.exchange.activity().reset();
            }
            this.end(Outcome::ReplyBroken);
            return Poll::Ready(Some(Err(BrokenReply)));
        }
        let is_own = matches!(this.source, Source::Own(_));
        let mut frame = ready!(this.poll_source(cx));
        // What the sidecar says itself has no tag.
        if let Some(fault) = this.exchange.tap().fault()
            && !(is_own && fault == Fault::WrongTag)
        {
            frame = this.spoil(fault, frame);
        }
        if let Some(Ok(frame)) = &frame {
            this.exchange.tap().frame(Half::Reply, Side::Client, frame);
        }
        let activity = this.exchange.activity();
        Poll::Ready(match frame {
            Some(Ok(frame)) if activity.is_http2() => {
                Some(Ok(frame.map_data(|piece| activity.untaken(piece))))
            }
            frame => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Done) && !self.breaks
    }

    fn size_hint(&self) -> SizeHint {
        self.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Whether the reply is to break off before anything of it has gone out: its head waits for the first of its body.
fn breaks_off(exchange: &Exchange) -> bool {
    exchange.tap().fault() == Some(Fault::DropReply)
}

/// The upstream died in the middle of its reply; the client must not take it for a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the upstream broke off its reply")]
pub(crate) struct BrokenReply;
