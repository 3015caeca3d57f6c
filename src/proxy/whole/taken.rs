//! A body taken in as it is, in one piece, and one that is made of it.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::proxy::body::Arriving;
use bytes::{Bytes, BytesMut};
use http_body::Body;

use crate::ale::Refusal;
use crate::net::{NoCapacity, PeerAccount, Reservation};
use crate::proxy::ProxyConfig;
use crate::proxy::body::{HeldBody, HoldFault, HoldLimits, Opening, hold};
use crate::proxy::client::Client;
use crate::proxy::exchange::Shared;
use crate::proxy::respond::Failure;

/// Takes a body in as it comes. `F` says of whose it is how it can fail.
struct Taking<F>(PhantomData<F>);

impl<F> Opening for Taking<F> {
    type Opened = ();
    type Fault = F;

    const HELD_BACK: u64 = 0;

    fn overhead(&self) -> u64 {
        0
    }

    fn update(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<(), F> {
        out.extend_from_slice(piece);
        Ok(())
    }

    fn finish(self) -> Result<(), F> {
        Ok(())
    }
}

/// The whole body in one piece; `length` is its `content-length`, if known. It stays in the budget while it lasts. What
/// follows it as trailers is dropped: nothing of it could be sealed or opened.
pub(super) async fn take<F>(
    body: Arriving,
    length: Option<u64>,
    limits: HoldLimits<'_>,
) -> Result<Bytes, HoldFault<F>> {
    let account = limits.account;
    let mut held = hold(body, Taking::<F>(PhantomData), length, limits).await?;
    if held.pieces.len() < 2 {
        return Ok(held.pieces.pop_front().unwrap_or_default());
    }
    let whole = Charging::of(account, held.length)?;
    let mut bytes = Vec::with_capacity(usize::try_from(held.length).unwrap_or(0));
    // Each piece leaves the budget as soon as it is copied.
    while let Some(piece) = held.pieces.pop_front() {
        bytes.extend_from_slice(&piece);
    }
    Ok(Bytes::from_owner(Charged { bytes, _charged: whole.0 }))
}

/// The whole body of a request. A client that is refused in the middle of it is heard out.
pub(super) async fn take_request(
    body: Arriving,
    config: &ProxyConfig,
    shared: &Shared,
    client: &Client,
) -> Result<Bytes, Failure> {
    let length = body.size_hint().exact();
    let limits = HoldLimits::of_request(config, &shared.limits, &client.account);
    let taken = take(body, length, limits).await;
    taken.map_err(|fault: HoldFault<Refusal>| {
        client.activity.linger();
        fault.into()
    })
}

/// Room in the budget for something that is about to be made.
pub(super) struct Charging(Reservation);

impl Charging {
    pub(super) fn of(account: &Arc<PeerAccount>, bytes: u64) -> Result<Self, NoCapacity> {
        account.reserve(bytes).map(Self)
    }

    /// A body that was made, which stays in the budget until it is written.
    pub(super) fn into_body<B>(mut self, bytes: B) -> Result<HeldBody, NoCapacity>
    where
        B: AsRef<[u8]> + Send + 'static,
    {
        let length = bytes.as_ref().len();
        self.0.grow_to(length as u64)?;
        if length == 0 {
            return Ok(HeldBody::empty());
        }
        let piece = Bytes::from_owner(Charged { bytes, _charged: self.0 });
        Ok(HeldBody::new(VecDeque::from([piece]), None))
    }
}

/// Bytes with their place in the budget.
struct Charged<B> {
    bytes: B,
    _charged: Reservation,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Charged<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// The plaintext of a body, which wipes itself.
pub(super) struct Plain(pub(super) crate::ale::PlainBody);

impl AsRef<[u8]> for Plain {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
