//! What a leg pays for the messages that it holds.

use std::sync::Arc;

use super::outbox::{HIGH_WATER, LARGE};
use crate::net::{NoCapacity, PeerAccount, Reservation};

/// Pays for what is held of messages, if that is much.
pub(super) struct Held {
    account: Arc<PeerAccount>,
    /// Messages are envelopes, and count as what they hold: the longest message is paid for alike on either leg.
    are_sealed: bool,
    /// Of a message that is not whole.
    assembling: Option<Reservation>,
    /// Of what waits for the peer.
    waiting: Option<Reservation>,
}

impl Held {
    pub(super) fn new(account: Arc<PeerAccount>, are_sealed: bool) -> Self {
        Self { account, are_sealed, assembling: None, waiting: None }
    }

    /// So many bytes have come of a message that is not whole.
    pub(super) fn assembling(&mut self, bytes: usize) -> Result<(), NoCapacity> {
        let charge = self.charge(bytes, LARGE);
        hold(&mut self.assembling, charge, &self.account)
    }

    /// The message is whole, or not wanted any more.
    pub(super) fn assembling_ends(&mut self) {
        self.assembling = None;
    }

    /// So many bytes wait for the peer.
    pub(super) fn waiting(&mut self, bytes: usize) -> Result<(), NoCapacity> {
        let charge = self.charge(bytes, HIGH_WATER);
        hold(&mut self.waiting, charge, &self.account)
    }

    /// Little waits for the peer, or nothing.
    pub(super) fn waiting_ends(&mut self) {
        self.waiting = None;
    }

    /// What is to be paid for `bytes`, of which so many are free.
    fn charge(&self, bytes: usize, free: usize) -> u64 {
        let message = if self.are_sealed { bytes / 4 * 3 } else { bytes };
        message.saturating_sub(free) as u64
    }
}

/// Has `reservation` cover `charge`.
fn hold(
    reservation: &mut Option<Reservation>,
    charge: u64,
    account: &Arc<PeerAccount>,
) -> Result<(), NoCapacity> {
    match reservation {
        _ if charge == 0 => *reservation = None,
        Some(so_far) => so_far.grow_to(charge)?,
        None => *reservation = Some(account.reserve(charge)?),
    }
    Ok(())
}
