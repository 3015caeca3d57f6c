//! Holding a GCM body until its tag verifies.
//!
//! The pieces are opened as they arrive into segments that the budget has granted; nothing of them leaves before
//! the tag is verified, and all of them are wiped if it never is.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;
use zeroize::Zeroize;

use crate::ale::{BodyOpening, Opened};
use crate::net::{PeerAccount, Reservation};
use crate::proxy::respond::Failure;

/// The opener may hand out what it held back, so a segment needs that much room beyond a piece.
const HELD_BACK: usize = 16;
/// One segment at most; a body of this size or less lies in one piece.
const LARGEST_SEGMENT: usize = 64 * 1024;
const SMALLEST_SEGMENT: usize = 4 * 1024;

/// Bounds on one held body.
pub(crate) struct HoldLimits<'a> {
    /// Plaintext bytes at most.
    pub(crate) max_body: u64,
    /// Between two pieces.
    pub(crate) progress: Duration,
    /// Who pays for the bytes.
    pub(crate) account: &'a Arc<PeerAccount>,
}

/// A verified body.
pub(crate) struct Held {
    pub(crate) pieces: VecDeque<Bytes>,
    pub(crate) length: u64,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) opened: Opened,
}

/// Takes in the whole body and verifies it. `sealed_length` is its `content-length`, if known.
pub(crate) async fn hold(
    mut body: Incoming,
    mut opening: BodyOpening,
    sealed_length: Option<u64>,
    limits: HoldLimits<'_>,
) -> Result<Held, Failure> {
    let longest = limits.max_body.saturating_add(opening.overhead());
    if sealed_length.is_some_and(|length| length > longest) {
        return Err(Failure::TooLarge);
    }
    let mut segments = Segments::new(sealed_length);
    let mut received = 0_u64;
    let mut trailers = None;
    while let Some(frame) = next_frame(&mut body, limits.progress).await? {
        match frame.into_data() {
            Ok(piece) => {
                received += piece.len() as u64;
                if received > longest {
                    return Err(Failure::TooLarge);
                }
                segments.open(&piece, &mut opening, limits.account)?;
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let opened = opening.finish()?;
    let (pieces, length) = segments.release();
    Ok(Held { pieces, length, trailers, opened })
}

async fn next_frame(
    body: &mut Incoming,
    progress: Duration,
) -> Result<Option<hyper::body::Frame<Bytes>>, Failure> {
    match timeout(progress, Pin::new(body).frame()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(frame))) => Ok(Some(frame)),
        Ok(Some(Err(_broken))) => Err(Failure::ClientBroke),
        Err(_elapsed) => Err(Failure::ClientTimedOut),
    }
}

/// Unverified plaintext; wiped on drop unless it was released.
struct Segments {
    full: VecDeque<Segment>,
    current: Option<Segment>,
    /// How much is still to come, if known.
    expected: Option<u64>,
    length: u64,
}

impl Segments {
    fn new(sealed_length: Option<u64>) -> Self {
        Self { full: VecDeque::new(), current: None, expected: sealed_length, length: 0 }
    }

    fn open(
        &mut self,
        mut piece: &[u8],
        opening: &mut BodyOpening,
        account: &Arc<PeerAccount>,
    ) -> Result<(), Failure> {
        while !piece.is_empty() {
            let segment = self.with_room(piece.len(), account)?;
            let before = segment.bytes.len();
            let (now, later) = piece.split_at(piece.len().min(segment.room()));
            opening.update(now, &mut segment.bytes)?;
            let opened = segment.bytes.len() - before;
            self.length += opened as u64;
            self.expected = self.expected.map(|expected| expected.saturating_sub(now.len() as u64));
            piece = later;
        }
        Ok(())
    }

    /// The segment to write to, a new one if there is none or it is full.
    fn with_room(&mut self, piece: usize, account: &Arc<PeerAccount>) -> Result<&mut Segment, Failure> {
        if let Some(full) = self.current.take_if(|segment| segment.room() == 0) {
            self.full.push_back(full);
        }
        if self.current.is_none() {
            self.current = Some(Segment::reserve(self.next_size(piece), account)?);
        }
        Ok(self.current.as_mut().expect("it was just put there"))
    }

    /// What is expected to come; where that is unknown, as much again as has come so far.
    fn next_size(&self, piece: usize) -> usize {
        let wanted = match self.expected {
            Some(expected) => usize::try_from(expected).unwrap_or(usize::MAX),
            None => usize::try_from(self.length).unwrap_or(usize::MAX).max(piece).max(SMALLEST_SEGMENT),
        };
        wanted.min(LARGEST_SEGMENT) + HELD_BACK
    }

    /// The plaintext, now that it is verified. Each piece stays in the budget until it is written.
    fn release(mut self) -> (VecDeque<Bytes>, u64) {
        let mut segments = std::mem::take(&mut self.full);
        segments.extend(self.current.take());
        let pieces =
            segments.into_iter().filter(|segment| !segment.bytes.is_empty()).map(Bytes::from_owner).collect();
        (pieces, self.length)
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        for segment in self.full.iter_mut().chain(&mut self.current) {
            segment.bytes.as_mut().zeroize();
        }
    }
}

struct Segment {
    bytes: BytesMut,
    size: usize,
    _reserved: Reservation,
}

impl Segment {
    fn reserve(size: usize, account: &Arc<PeerAccount>) -> Result<Self, Failure> {
        let reserved = account.reserve(size as u64)?;
        Ok(Self { bytes: BytesMut::with_capacity(size), size, _reserved: reserved })
    }

    /// How long a piece may be so that opening it stays within the segment.
    fn room(&self) -> usize {
        (self.size - self.bytes.len()).saturating_sub(HELD_BACK)
    }
}

impl AsRef<[u8]> for Segment {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
