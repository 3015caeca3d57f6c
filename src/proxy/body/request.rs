//! The body that the application gets.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::hold::Held;
use super::stall::Stall;
use crate::ale::BodyOpening;
use crate::metrics::ProxyMetrics;
use crate::net::{ArrivingBody, Clock, Resend};
use crate::profile::Profile;
use crate::proxy::forward;

/// A request's plaintext on its way to the application.
pub(crate) enum RequestBody {
    /// No body at all.
    Empty,
    /// Verified plaintext.
    Held(HeldBody),
    /// CFB and CTR: opened piece by piece.
    Streamed(Box<StreamedBody>),
}

impl RequestBody {
    /// Verified plaintext, with the trailers that may follow it.
    pub(crate) fn held(held: Held) -> Self {
        Self::Held(HeldBody { pieces: held.pieces, left: held.length, trailers: held.trailers })
    }

    /// Opens `body` as it comes; `length` is its `content-length`, if known.
    pub(crate) fn streamed(
        body: Incoming,
        opening: BodyOpening,
        length: Option<u64>,
        progress: Duration,
        metrics: ProxyMetrics,
        profile: Arc<Profile>,
        arriving: ArrivingBody,
    ) -> (Self, Arc<Upload>) {
        let upload = Arc::new(Upload::start());
        let streamed = StreamedBody {
            body,
            opening: Some(opening),
            left: length,
            stall: Stall::new(progress),
            upload: Arc::clone(&upload),
            metrics,
            profile,
            _arriving: arriving,
        };
        (Self::Streamed(Box::new(streamed)), upload)
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
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Held(held) => held.pieces.is_empty() && held.trailers.is_none(),
            Self::Streamed(streamed) => streamed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Held(held) => SizeHint::with_exact(held.left),
            Self::Streamed(streamed) => streamed.left.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl Resend for RequestBody {
    fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Held(held) => Some(Self::Held(held.clone())),
            Self::Streamed(_) => None,
        }
    }
}

/// Verified plaintext in pieces.
#[derive(Clone)]
pub(crate) struct HeldBody {
    pieces: VecDeque<Bytes>,
    left: u64,
    trailers: Option<HeaderMap>,
}

impl HeldBody {
    fn next(&mut self) -> Option<Frame<Bytes>> {
        if let Some(piece) = self.pieces.pop_front() {
            self.left -= piece.len() as u64;
            return Some(Frame::data(piece));
        }
        self.trailers.take().map(Frame::trailers)
    }
}

/// A body that is opened as it streams.
pub(crate) struct StreamedBody {
    body: Incoming,
    /// Gone once the body has ended.
    opening: Option<BodyOpening>,
    left: Option<u64>,
    stall: Stall,
    upload: Arc<Upload>,
    metrics: ProxyMetrics,
    profile: Arc<Profile>,
    _arriving: ArrivingBody,
}

impl StreamedBody {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenUpload>>> {
        self.upload.asked_for();
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                self.upload.awaits_client();
                ready!(self.stall.poll_elapsed(cx));
                return Poll::Ready(Some(Err(self.broken(UploadEnd::ClientTimedOut))));
            }
        };
        self.stall.progress();
        Poll::Ready(match frame {
            None => self.finish().err().map(Err),
            Some(Err(_gone)) => Some(Err(self.broken(UploadEnd::ClientBroke))),
            Some(Ok(frame)) => Some(self.open(frame)),
        })
    }

    fn open(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BrokenUpload> {
        let piece = match frame.into_data() {
            Ok(piece) => piece,
            Err(frame) => {
                let mut trailers = frame.into_trailers().unwrap_or_default();
                forward::strip_trailers(&mut trailers, &self.profile);
                // Nothing follows trailers, and hyper does not ask again.
                self.finish()?;
                return Ok(Frame::trailers(trailers));
            }
        };
        let mut plain = BytesMut::with_capacity(piece.len());
        if let Some(opening) = &mut self.opening
            && opening.update(&piece, &mut plain).is_err()
        {
            return Err(self.broken(UploadEnd::ClientBroke));
        }
        self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
        self.metrics.request_bytes(plain.len() as u64);
        if self.body.is_end_stream() {
            self.finish()?;
        }
        Ok(Frame::data(plain.freeze()))
    }

    fn finish(&mut self) -> Result<(), BrokenUpload> {
        let verified = self.opening.take().is_none_or(|opening| opening.finish().is_ok());
        if !verified {
            return Err(self.broken(UploadEnd::ClientBroke));
        }
        self.upload.ended(UploadEnd::Whole);
        Ok(())
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
    /// When the application last asked for more, or the body ended.
    last: AtomicU64,
    awaits_client: AtomicBool,
}

/// How a streamed request body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum UploadEnd {
    NotYet,
    Whole,
    ClientBroke,
    ClientTimedOut,
}

impl Upload {
    fn start() -> Self {
        let clock = Clock::start();
        Self {
            clock,
            end: AtomicU8::new(UploadEnd::NotYet as u8),
            last: AtomicU64::new(clock.now()),
            awaits_client: AtomicBool::new(false),
        }
    }

    /// Where it stands.
    pub(crate) fn end(&self) -> UploadEnd {
        match self.end.load(Relaxed) {
            1 => UploadEnd::Whole,
            2 => UploadEnd::ClientBroke,
            3 => UploadEnd::ClientTimedOut,
            _ => UploadEnd::NotYet,
        }
    }

    /// When the application must have asked for more or, after the end, answered; `None` while it is the client
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
