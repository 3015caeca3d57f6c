//! The body that the upstream gets.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::flow::{Flow, FlowFault};
use super::held::HeldBody;
use super::stall::Stall;
use crate::capture::{Half, Side, Tap};
use crate::metrics::ProxyMetrics;
use crate::net::{ArrivingBody, Clock, Resend};
use crate::proxy::exchange::Shared;
use crate::proxy::limits::Pace;

/// A request's body on its way to the upstream.
pub(crate) enum RequestBody {
    /// No body at all.
    Empty,
    /// A body that is there as a whole.
    Held(HeldBody),
    /// One that is sealed or opened piece by piece.
    Streamed(Box<StreamedBody>),
    /// Any of these, which is noted on its way.
    Tapped(Box<Self>, Tap),
}

impl RequestBody {
    /// What `flow` makes of the client's body, as it comes.
    pub(crate) fn streamed(
        flow: Flow,
        progress: Duration,
        pace: Pace,
        shared: Arc<Shared>,
        arriving: ArrivingBody,
    ) -> (Self, Arc<Upload>) {
        let upload = Arc::new(Upload::start());
        let streamed = StreamedBody {
            flow,
            stall: Stall::new(progress),
            pace,
            upload: Arc::clone(&upload),
            shared,
            _arriving: arriving,
        };
        (Self::Streamed(Box::new(streamed)), upload)
    }
}

impl RequestBody {
    /// The same, noted as it goes out.
    pub(crate) fn tapped(self, tap: Tap) -> Self {
        Self::Tapped(Box::new(self), tap)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BrokenUpload;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenUpload>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Held(held) => Poll::Ready(held.next().map(Ok)),
            Self::Streamed(streamed) => streamed.poll_next(cx),
            Self::Tapped(body, tap) => {
                let frame = ready!(Pin::new(&mut **body).poll_frame(cx));
                if let Some(Ok(frame)) = &frame {
                    tap.frame(Half::Request, Side::Upstream, frame);
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Held(held) => held.is_spent(),
            Self::Streamed(streamed) => streamed.flow.is_spent(),
            Self::Tapped(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Held(held) => SizeHint::with_exact(held.left()),
            Self::Streamed(streamed) => {
                streamed.flow.left().map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            Self::Tapped(body, _) => body.size_hint(),
        }
    }
}

impl Resend for RequestBody {
    fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Held(held) => Some(Self::Held(held.clone())),
            Self::Streamed(_) => None,
            // What went out in vain is noted with the rest.
            Self::Tapped(body, tap) => Some(body.again()?.tapped(tap.clone())),
        }
    }
}

/// A client's body that is sealed or opened as it streams.
pub(crate) struct StreamedBody {
    flow: Flow,
    stall: Stall,
    pace: Pace,
    upload: Arc<Upload>,
    shared: Arc<Shared>,
    _arriving: ArrivingBody,
}

impl StreamedBody {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenUpload>>> {
        self.upload.asked_for();
        let Self { flow, shared, .. } = self;
        let next = self.pace.look(cx, |cx| flow.poll_next(cx, shared, ProxyMetrics::request_bytes));
        let next = match next {
            Poll::Ready(next) => next,
            Poll::Pending => {
                self.upload.awaits_client();
                ready!(self.stall.poll_elapsed(cx));
                return Poll::Ready(Some(Err(self.broken(UploadEnd::ClientTimedOut))));
            }
        };
        self.stall.progress();
        self.upload.bytes.store(self.flow.passed(), Relaxed);
        Poll::Ready(match next {
            Some(Ok(frame)) => {
                if let Some(piece) = frame.data_ref()
                    && self.pace.came(piece.len()).is_err()
                {
                    return Poll::Ready(Some(Err(self.broken(UploadEnd::ClientTooSlow))));
                }
                // Nothing follows the last frame, and hyper does not ask again.
                if frame.is_trailers() || self.flow.is_spent() {
                    self.upload.ended(UploadEnd::Whole);
                }
                Some(Ok(frame))
            }
            Some(Err(FlowFault::Broken)) => Some(Err(self.broken(UploadEnd::ClientBroke))),
            Some(Err(FlowFault::TooLong)) => Some(Err(self.broken(UploadEnd::TooLong))),
            None => {
                self.upload.ended(UploadEnd::Whole);
                None
            }
        })
    }

    fn broken(&self, end: UploadEnd) -> BrokenUpload {
        self.upload.ended(end);
        BrokenUpload
    }
}

/// The client did not send its body to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client's body broke off")]
pub(crate) struct BrokenUpload;

/// How far a streamed request body has come, for whoever waits for the reply.
pub(crate) struct Upload {
    clock: Clock,
    end: AtomicU8,
    /// When the upstream last asked for more, or the body ended.
    last: AtomicU64,
    awaits_client: AtomicBool,
    /// Bytes of plaintext that have passed.
    bytes: AtomicU64,
}

/// How a streamed request body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum UploadEnd {
    NotYet,
    Whole,
    ClientBroke,
    ClientTimedOut,
    ClientTooSlow,
    /// P8: it is longer than one message may be.
    TooLong,
}

impl Upload {
    fn start() -> Self {
        let clock = Clock::start();
        Self {
            clock,
            end: AtomicU8::new(UploadEnd::NotYet as u8),
            last: AtomicU64::new(clock.now()),
            awaits_client: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
        }
    }

    /// Where it stands.
    pub(crate) fn end(&self) -> UploadEnd {
        match self.end.load(Relaxed) {
            1 => UploadEnd::Whole,
            2 => UploadEnd::ClientBroke,
            3 => UploadEnd::ClientTimedOut,
            4 => UploadEnd::ClientTooSlow,
            5 => UploadEnd::TooLong,
            _ => UploadEnd::NotYet,
        }
    }

    /// Bytes of plaintext that have passed so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// When the upstream must have asked for more or, after the end, answered; `None` while it is the client
    /// that is waited for.
    pub(crate) fn due(&self, progress: Duration, reply: Duration) -> Option<Instant> {
        let limit = match self.end() {
            UploadEnd::NotYet if self.awaits_client.load(Relaxed) => return None,
            UploadEnd::NotYet => progress,
            _ended => reply,
        };
        Some(self.clock.after(self.last.load(Relaxed), limit))
    }

    fn asked_for(&self) {
        self.last.store(self.clock.now(), Relaxed);
        self.awaits_client.store(false, Relaxed);
    }

    fn awaits_client(&self) {
        self.awaits_client.store(true, Relaxed);
    }

    fn ended(&self, end: UploadEnd) {
        self.asked_for();
        self.end.store(end as u8, Relaxed);
    }
}
