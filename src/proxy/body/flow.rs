//! A body on its way through: sealed or opened piece by piece, each sent on at once, or passed as it is.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};

use super::arriving::Arriving;
use crate::ale::{BodyOpening, ReplyBodyOpening};
use crate::crypto::Sealer;
use crate::metrics::ProxyMetrics;
use crate::proxy::exchange::Shared;

/// What is done to each piece.
pub(crate) enum Change {
    /// Nothing: it passes as it is.
    Pass,
    /// It is sealed; under GCM the tag follows the last one (P3).
    Seal(Sealer),
    /// It is opened, a request's, under CFB or CTR.
    OpenRequest(BodyOpening),
    /// It is opened, a reply's, under CFB or CTR.
    OpenReply(ReplyBodyOpening),
    /// Nothing can follow.
    Ended,
}

/// A body that is changed as it streams.
pub(crate) struct Flow {
    /// What was read of the body already.
    ahead: VecDeque<Bytes>,
    body: Arriving,
    /// The last piece of a length that HTTP/2 stated, until the stream has ended as well.
    last: Option<Frame<Bytes>>,
    change: Change,
    /// Bytes still to be handed on, if known.
    left: Option<u64>,
    /// Bytes of plaintext that have passed.
    passed: u64,
    trailers: Option<HeaderMap>,
}

/// How plaintext that passes is counted.
pub(super) type Count = fn(&ProxyMetrics, u64);

impl Flow {
    /// `body` through `change`; `length` is what comes out of it, if known.
    pub(crate) fn new(body: Arriving, change: Change, length: Option<u64>) -> Self {
        Self { ahead: VecDeque::new(), body, last: None, change, left: length, passed: 0, trailers: None }
    }

    /// The whole of a body, of which `ahead` was read already, as it is.
    pub(crate) fn resumed(ahead: VecDeque<Bytes>, body: Arriving, length: Option<u64>) -> Self {
        Self { ahead, body, last: None, change: Change::Pass, left: length, passed: 0, trailers: None }
    }

    /// Bytes still to be handed on, if known.
    pub(super) fn left(&self) -> Option<u64> {
        self.left
    }

    /// Bytes of plaintext that have passed so far.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// Whether nothing more comes into it.
    pub(super) fn source_has_ended(&self) -> bool {
        self.ahead.is_empty() && self.body.is_end_stream()
    }

    /// Whether the last frame was handed on.
    pub(super) fn is_spent(&self) -> bool {
        let ended = match self.change {
            Change::Ended => true,
            Change::Pass => self.source_has_ended(),
            Change::Seal(_) | Change::OpenRequest(_) | Change::OpenReply(_) => false,
        };
        ended && self.trailers.is_none()
    }

    /// The next frame; pending only while the body's sender is waited for.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        count: Count,
    ) -> Poll<Option<Result<Frame<Bytes>, FlowFault>>> {
        if matches!(self.change, Change::Ended) {
            return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        if let Some(piece) = self.ahead.pop_front() {
            return Poll::Ready(Some(self.change(piece, shared, count)));
        }
        let frame = match ready!(self.poll_body(cx, shared)) {
            Some(Ok(frame)) => frame,
            Some(Err(_broken)) => return Poll::Ready(Some(Err(FlowFault::Broken))),
            None => return Poll::Ready(self.finish().transpose()),
        };
        Poll::Ready(Some(match frame.into_data() {
            Ok(piece) => self.change(piece, shared, count),
            Err(frame) => self.end_with_trailers(frame, shared),
        }))
    }

    /// The body's next frame. HTTP/2 may end a stream after all of the stated length has come, and whoever gets that
    /// length asks for nothing more: so the last piece waits for the end, which is never far behind it.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            match frame {
                Some(Ok(frame)) if self.last.is_some() => {
                    // Beside a length that is handed on there is no place for trailers.
                    if let Ok(mut trailers) = frame.into_trailers()
                        && self.left.is_none()
                    {
                        shared.strip_trailers(&mut trailers);
                        self.trailers = Some(trailers);
                    }
                }
                Some(Ok(frame)) if frame.is_data() && self.awaits_end_alone() => self.last = Some(frame),
                None if self.last.is_some() => return Poll::Ready(self.last.take().map(Ok)),
                frame => return Poll::Ready(frame),
            }
        }
    }

    /// Whether the length has come, and the end of the stream has not.
    fn awaits_end_alone(&self) -> bool {
        !self.body.is_end_stream() && self.body.size_hint().exact() == Some(0)
    }

    fn change(&mut self, piece: Bytes, shared: &Shared, count: Count) -> Result<Frame<Bytes>, FlowFault> {
        let last = self.source_has_ended();
        count(&shared.metrics, piece.len() as u64);
        self.passed += piece.len() as u64;
        let changed = match &mut self.change {
            Change::Pass => piece,
            Change::Seal(sealer) => {
                let mut sealed = BytesMut::with_capacity(piece.len() + 16);
                // P8: past the bound of one GCM message the transfer breaks.
                sealer.update(&piece, &mut sealed).map_err(|_too_long| FlowFault::TooLong)?;
                if last && let Change::Seal(sealer) = std::mem::replace(&mut self.change, Change::Ended) {
                    sealer.finish(&mut sealed);
                }
                sealed.freeze()
            }
            Change::OpenRequest(opening) => {
                let mut plain = BytesMut::with_capacity(piece.len());
                opening.update(&piece, &mut plain).map_err(|_refused| FlowFault::Broken)?;
                plain.freeze()
            }
            Change::OpenReply(opening) => {
                let mut plain = BytesMut::with_capacity(piece.len());
                opening.update(&piece, &mut plain).map_err(|_refused| FlowFault::Broken)?;
                plain.freeze()
            }
            Change::Ended => return Err(FlowFault::Broken),
        };
        if last {
            self.finish()?;
        }
        Ok(self.hand_on(changed))
    }

    /// Ends the change; what comes out is the tag, after a body whose end was not known in advance.
    fn finish(&mut self) -> Result<Option<Frame<Bytes>>, FlowFault> {
        let mut tag = BytesMut::new();
        match std::mem::replace(&mut self.change, Change::Ended) {
            Change::Pass | Change::Ended => {}
            Change::Seal(sealer) => sealer.finish(&mut tag),
            Change::OpenRequest(opening) => {
                opening.finish().map_err(|_forged| FlowFault::Broken)?;
            }
            Change::OpenReply(opening) => {
                opening.finish().map_err(|_forged| FlowFault::Broken)?;
            }
        }
        Ok((!tag.is_empty()).then(|| self.hand_on(tag.freeze())))
    }

    /// The tag first, then the trailers.
    fn end_with_trailers(&mut self, frame: Frame<Bytes>, shared: &Shared) -> Result<Frame<Bytes>, FlowFault> {
        let mut trailers = frame.into_trailers().unwrap_or_default();
        shared.strip_trailers(&mut trailers);
        Ok(match self.finish()? {
            Some(tag) => {
                self.trailers = Some(trailers);
                tag
            }
            None => Frame::trailers(trailers),
        })
    }

    fn hand_on(&mut self, piece: Bytes) -> Frame<Bytes> {
        self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
        Frame::data(piece)
    }
}

/// Why a body did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlowFault {
    /// Its sender broke it off, or it does not open.
    Broken,
    /// P8: it is longer than one message may be.
    TooLong,
}
