//! Holding a GCM body until its tag verifies (P10).
//!
//! The pieces are opened as they arrive into segments; nothing of them leaves before the tag is verified, and all of
//! them are wiped if it never is. The budget is charged for what has arrived, not for what was declared or set aside:
//! a peer that promises much and sends little takes nothing from the others.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use tokio::time::timeout;
use zeroize::Zeroize;

use super::arriving::Arriving;
use crate::ale::{BodyOpening, Opened, Receipt, Refusal, ReplyBodyOpening, ReplyFault};
use crate::net::{NoCapacity, PeerAccount, Reservation};
use crate::proxy::ProxyConfig;
use crate::proxy::limits::{Limits, Pace, TooSlow};

/// One segment at most; a body of this size or less lies in one piece.
const LARGEST_SEGMENT: u64 = 64 * 1024;
const SMALLEST_SEGMENT: u64 = 4 * 1024;

/// Bounds on one held body.
pub(crate) struct HoldLimits<'a> {
    /// Plaintext bytes at most.
    pub(crate) max_body: u64,
    /// Between two pieces.
    pub(crate) progress: Duration,
    /// How fast it must come, if that matters.
    pub(crate) pace: Option<Pace>,
    /// Who pays for the bytes.
    pub(crate) account: &'a Arc<PeerAccount>,
}

impl<'a> HoldLimits<'a> {
    /// Those of a proxy for a reply.
    pub(crate) fn of_reply(config: &ProxyConfig, account: &'a Arc<PeerAccount>) -> Self {
        Self { max_body: config.max_body, progress: config.timeouts.body, pace: None, account }
    }

    /// Those of a proxy for a request.
    pub(crate) fn of_request(
        config: &ProxyConfig,
        limits: &Arc<Limits>,
        account: &'a Arc<PeerAccount>,
    ) -> Self {
        let pace = Pace::new(config, limits);
        Self { pace: Some(pace), ..Self::of_reply(config, account) }
    }
}

/// What opens a body that is to be held.
pub(crate) trait Opening {
    /// What is known of a body that opened.
    type Opened;
    /// Why one does not.
    type Fault;

    /// Bytes at the end so far that it keeps back, since they may be the tag.
    const HELD_BACK: u64;

    /// Bytes of a sealed body that are not plaintext.
    fn overhead(&self) -> u64;
    /// Opens the next piece and appends its plaintext to `out`.
    fn update(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<(), Self::Fault>;
    /// Ends the body and verifies its tag.
    fn finish(self) -> Result<Self::Opened, Self::Fault>;
}

impl Opening for BodyOpening {
    type Opened = Opened;
    type Fault = Refusal;

    const HELD_BACK: u64 = 16;

    fn overhead(&self) -> u64 {
        self.overhead()
    }

    fn update(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<(), Refusal> {
        self.update(piece, out)
    }

    fn finish(self) -> Result<Opened, Refusal> {
        self.finish()
    }
}

impl Opening for ReplyBodyOpening {
    type Opened = Receipt;
    type Fault = ReplyFault;

    const HELD_BACK: u64 = 16;

    fn overhead(&self) -> u64 {
        self.overhead()
    }

    fn update(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<(), ReplyFault> {
        self.update(piece, out)
    }

    fn finish(self) -> Result<Receipt, ReplyFault> {
        self.finish()
    }
}

/// A verified body.
pub(crate) struct Held<O> {
    pub(crate) pieces: VecDeque<Bytes>,
    pub(crate) length: u64,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) opened: O,
}

/// Why a body could not be held to its end.
#[derive(Debug)]
pub(crate) enum HoldFault<F> {
    /// Its sender broke it off.
    Broke(hyper::Error),
    /// It does not open.
    Forged(F),
    /// Too many bytes are held already.
    NoCapacity(NoCapacity),
    /// Its sender stopped sending.
    TimedOut,
    /// It is longer than `max_body`.
    TooLarge,
    /// Its sender sent too slowly.
    TooSlow,
}

impl<F> From<TooSlow> for HoldFault<F> {
    fn from(_: TooSlow) -> Self {
        Self::TooSlow
    }
}

impl<F> From<NoCapacity> for HoldFault<F> {
    fn from(full: NoCapacity) -> Self {
        Self::NoCapacity(full)
    }
}

/// Takes in the whole body and verifies it. `sealed_length` is its `content-length`, if known.
pub(crate) async fn hold<O: Opening>(
    mut body: Arriving,
    mut opening: O,
    sealed_length: Option<u64>,
    mut limits: HoldLimits<'_>,
) -> Result<Held<O::Opened>, HoldFault<O::Fault>> {
    let longest = limits.max_body.saturating_add(opening.overhead());
    if sealed_length.is_some_and(|length| length > longest) {
        return Err(HoldFault::TooLarge);
    }
    let expected = sealed_length.map(|length| length.saturating_sub(opening.overhead()));
    let mut segments = Segments::new(expected, limits.max_body);
    let mut trailers = None;
    while let Some(frame) = next_frame(&mut body, &mut limits).await? {
        match frame.into_data() {
            Ok(piece) => {
                limits.pace.as_mut().map_or(Ok(()), |pace| pace.came(piece.len()))?;
                if segments.received + piece.len() as u64 > longest {
                    return Err(HoldFault::TooLarge);
                }
                segments.open(&piece, &mut opening, limits.account)?;
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let opened = opening.finish().map_err(HoldFault::Forged)?;
    let (pieces, length) = segments.release();
    Ok(Held { pieces, length, trailers, opened })
}

async fn next_frame<F>(
    body: &mut Arriving,
    limits: &mut HoldLimits<'_>,
) -> Result<Option<hyper::body::Frame<Bytes>>, HoldFault<F>> {
    if let Some(pace) = &mut limits.pace {
        pace.waits();
    }
    match timeout(limits.progress, Pin::new(body).frame()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(frame))) => Ok(Some(frame)),
        Ok(Some(Err(broken))) => Err(HoldFault::Broke(broken)),
        Err(_elapsed) => Err(HoldFault::TimedOut),
    }
}

/// Unverified plaintext; wiped on drop unless it was released.
struct Segments {
    full: VecDeque<Segment>,
    current: Option<Segment>,
    /// How long the plaintext will be, if known.
    expected: Option<u64>,
    /// How much more may be set aside.
    allowance: u64,
    set_aside: u64,
    /// Sealed bytes that went in.
    received: u64,
    length: u64,
}

impl Segments {
    fn new(expected: Option<u64>, max_body: u64) -> Self {
        Self {
            full: VecDeque::new(),
            current: None,
            expected,
            allowance: max_body,
            set_aside: 0,
            received: 0,
            length: 0,
        }
    }

    fn open<O: Opening>(
        &mut self,
        mut piece: &[u8],
        opening: &mut O,
        account: &Arc<PeerAccount>,
    ) -> Result<(), HoldFault<O::Fault>> {
        while !piece.is_empty() {
            let kept_back = O::HELD_BACK - self.received.min(O::HELD_BACK);
            let segment = self.with_room(kept_back, piece.len(), account)?;
            let before = segment.bytes.len();
            let room = segment.room() + kept_back as usize;
            let (now, later) = piece.split_at(piece.len().min(room));
            segment.charge(now.len().saturating_sub(kept_back as usize))?;
            opening.update(now, &mut segment.bytes).map_err(HoldFault::Forged)?;
            self.length += (segment.bytes.len() - before) as u64;
            self.received += now.len() as u64;
            piece = later;
        }
        Ok(())
    }

    /// The segment to write to, a new one if there is none or it is full.
    fn with_room(
        &mut self,
        kept_back: u64,
        piece: usize,
        account: &Arc<PeerAccount>,
    ) -> Result<&mut Segment, NoCapacity> {
        if let Some(full) = self.current.take_if(|segment| segment.room() == 0 && kept_back == 0) {
            self.full.push_back(full);
        }
        if self.current.is_none() {
            let size = self.next_size(piece);
            self.current = Some(Segment::sized(size, account)?);
            self.set_aside += size as u64;
            self.allowance = self.allowance.saturating_sub(size as u64);
        }
        Ok(self.current.as_mut().expect("it was just put there"))
    }

    /// What is expected to come; where that is unknown, as much again as has come so far. All segments together
    /// never pass `max_body`.
    fn next_size(&self, piece: usize) -> usize {
        let wanted = match self.expected {
            Some(expected) => expected.saturating_sub(self.set_aside),
            None => self.length.max(piece as u64).max(SMALLEST_SEGMENT),
        };
        // At least one byte, so that there is always progress.
        wanted.min(LARGEST_SEGMENT).min(self.allowance).max(1) as usize
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
    charged: Reservation,
}

impl Segment {
    fn sized(size: usize, account: &Arc<PeerAccount>) -> Result<Self, NoCapacity> {
        Ok(Self { bytes: BytesMut::with_capacity(size), size, charged: account.reserve(0)? })
    }

    /// Pays for `more` bytes that are about to be written.
    fn charge(&mut self, more: usize) -> Result<(), NoCapacity> {
        self.charged.grow_to((self.bytes.len() + more) as u64)
    }

    fn room(&self) -> usize {
        self.size - self.bytes.len()
    }
}

impl AsRef<[u8]> for Segment {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
