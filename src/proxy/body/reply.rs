//! The body that the client gets: sealed piece by piece, each sent on at once.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::request::RequestBody;
use crate::crypto::Sealer;
use crate::metrics::Outcome;
use crate::net::Lease;
use crate::proxy::exchange::Exchange;

/// A reply on its way to the client, with the exchange that it ends.
pub(crate) struct ReplyBody {
    source: Source,
    exchange: Exchange,
}

enum Source {
    /// Everything was handed on.
    Done,
    /// A body of the sidecar's own.
    Own(Bytes),
    /// The application's.
    Upstream(Box<UpstreamReply>),
}

/// The application's body, being sealed.
struct UpstreamReply {
    body: Incoming,
    /// `None` where replies are plain, and after the tag.
    sealer: Option<Sealer>,
    /// Bytes still to be handed on, if known.
    left: Option<u64>,
    trailers: Option<HeaderMap>,
    lease: Option<Lease<RequestBody>>,
}

impl ReplyBody {
    /// A body of the sidecar's own.
    pub(crate) fn own(body: Bytes, exchange: Exchange) -> Self {
        let source = if body.is_empty() { Source::Done } else { Source::Own(body) };
        Self { source, exchange }
    }

    /// The application's body through `sealer`; `length` is what the client gets, if known.
    pub(crate) fn upstream(
        body: Incoming,
        sealer: Option<Sealer>,
        length: Option<u64>,
        lease: Lease<RequestBody>,
        exchange: Exchange,
    ) -> Self {
        let reply = UpstreamReply { body, sealer, left: length, trailers: None, lease: Some(lease) };
        let mut this = Self { source: Source::Upstream(Box::new(reply)), exchange };
        // hyper asks a body of no bytes for nothing, so its end is now.
        if let Source::Upstream(reply) = &this.source
            && reply.left == Some(0)
            && reply.body.is_end_stream()
        {
            this.end(Outcome::Answered);
        }
        this
    }

    fn left(&self) -> Option<u64> {
        match &self.source {
            Source::Done => Some(0),
            Source::Own(body) => Some(body.len() as u64),
            Source::Upstream(reply) => reply.left,
        }
    }

    fn is_spent(&self) -> bool {
        matches!(&self.source, Source::Upstream(reply) if reply.is_spent())
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
            Source::Upstream(reply) => {
                let frame = ready!(reply.poll_sealed(cx, &self.exchange));
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
        let frame = ready!(this.poll_source(cx));
        let activity = this.exchange.activity();
        Poll::Ready(match frame {
            Some(Ok(frame)) if activity.is_http2() => {
                Some(Ok(frame.map_data(|piece| activity.untaken(piece))))
            }
            frame => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Done)
    }

    fn size_hint(&self) -> SizeHint {
        self.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl UpstreamReply {
    /// Whether the last frame was handed on.
    fn is_spent(&self) -> bool {
        self.body.is_end_stream() && self.sealer.is_none() && self.trailers.is_none()
    }

    fn poll_sealed(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &Exchange,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenReply>>> {
        if let Some(trailers) = self.trailers.take_if(|_| self.sealer.is_none()) {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(_broken)) => return Poll::Ready(Some(Err(BrokenReply))),
            None => return Poll::Ready(self.finish().map(Ok)),
        };
        Poll::Ready(match frame.into_data() {
            Ok(piece) => {
                exchange.reply_bytes(piece.len() as u64);
                Some(self.seal(piece))
            }
            Err(frame) => self.end_with_trailers(frame, exchange).map(Ok),
        })
    }

    fn seal(&mut self, piece: Bytes) -> Result<Frame<Bytes>, BrokenReply> {
        let Some(sealer) = &mut self.sealer else { return Ok(self.hand_on(piece)) };
        let mut sealed = BytesMut::with_capacity(piece.len() + 16);
        // P8: past the bound of one GCM message the transfer breaks.
        sealer.update(&piece, &mut sealed).map_err(|_too_long| BrokenReply)?;
        if self.body.is_end_stream()
            && let Some(sealer) = self.sealer.take()
        {
            sealer.finish(&mut sealed);
        }
        Ok(self.hand_on(sealed.freeze()))
    }

    /// The tag, after a body whose end was not known in advance.
    fn finish(&mut self) -> Option<Frame<Bytes>> {
        let mut tag = BytesMut::with_capacity(16);
        self.sealer.take()?.finish(&mut tag);
        (!tag.is_empty()).then(|| self.hand_on(tag.freeze()))
    }

    /// The tag first, then the trailers.
    fn end_with_trailers(&mut self, frame: Frame<Bytes>, exchange: &Exchange) -> Option<Frame<Bytes>> {
        let mut trailers = frame.into_trailers().unwrap_or_default();
        exchange.strip_trailers(&mut trailers);
        match self.finish() {
            Some(tag) => {
                self.trailers = Some(trailers);
                Some(tag)
            }
            None => Some(Frame::trailers(trailers)),
        }
    }

    fn hand_on(&mut self, piece: Bytes) -> Frame<Bytes> {
        self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
        Frame::data(piece)
    }
}

/// The application died in the middle of its reply; the client must not take it for a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the application broke off its reply")]
pub(crate) struct BrokenReply;
