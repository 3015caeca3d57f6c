//! One budget for all bytes that are held until their tag verifies.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use prometheus_client::metrics::gauge::Gauge;

use super::peer;

/// Counts the bytes held in the whole process and for each peer address.
///
/// No peer may hold more than a quarter, so that one sender cannot shut out the others.
pub struct HeldBudget {
    limit: u64,
    held: AtomicU64,
    peers: Mutex<HashMap<IpAddr, Weak<PeerAccount>>>,
    gauge: Gauge,
}

impl HeldBudget {
    /// A budget of `limit` bytes, shown by `gauge`.
    pub fn new(limit: u64, gauge: Gauge) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicU64::new(0), peers: Mutex::default(), gauge })
    }

    /// The account of one peer address; all its connections share it.
    ///
    /// An IPv6 host has a whole /64 to choose its addresses from, so these count as one.
    pub fn account(self: &Arc<Self>, peer: IpAddr) -> Arc<PeerAccount> {
        let peer = peer::counted(peer);
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = peers.get(&peer).and_then(Weak::upgrade) {
            return account;
        }
        let account = Arc::new(PeerAccount { budget: Arc::clone(self), peer, held: AtomicU64::new(0) });
        peers.insert(peer, Arc::downgrade(&account));
        account
    }

    /// Bytes held now.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    fn forget(&self, peer: IpAddr) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        // Another connection may have opened a new account meanwhile.
        if peers.get(&peer).is_some_and(|account| account.strong_count() == 0) {
            peers.remove(&peer);
        }
    }
}

/// What one peer address holds.
pub struct PeerAccount {
    budget: Arc<HeldBudget>,
    peer: IpAddr,
    held: AtomicU64,
}

impl PeerAccount {
    /// Reserves `bytes` until the reservation is dropped.
    pub fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reservation, NoCapacity> {
        let mut reservation = Reservation { account: Arc::clone(self), bytes: 0 };
        reservation.grow_to(bytes)?;
        Ok(reservation)
    }

    fn take(&self, bytes: u64) -> Result<(), NoCapacity> {
        take(&self.held, bytes, self.budget.limit / 4)?;
        if let Err(full) = take(&self.budget.held, bytes, self.budget.limit) {
            self.held.fetch_sub(bytes, Ordering::Relaxed);
            return Err(full);
        }
        self.budget.gauge.inc_by(bytes.cast_signed());
        Ok(())
    }
}

impl Drop for PeerAccount {
    fn drop(&mut self) {
        self.budget.forget(self.peer);
    }
}

/// Bytes that count as held as long as this lives.
#[must_use]
pub struct Reservation {
    account: Arc<PeerAccount>,
    bytes: u64,
}

impl Reservation {
    /// Makes it at least `bytes`; a refusal leaves it as it was.
    pub fn grow_to(&mut self, bytes: u64) -> Result<(), NoCapacity> {
        let more = bytes.saturating_sub(self.bytes);
        if more > 0 {
            self.account.take(more)?;
            self.bytes += more;
        }
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.account.held.fetch_sub(self.bytes, Ordering::Relaxed);
        self.account.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
        self.account.budget.gauge.dec_by(self.bytes.cast_signed());
    }
}

/// The budget has no room for these bytes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for more held bytes")]
pub struct NoCapacity;

/// Adds `bytes` to `counter` unless that passes `limit`.
fn take(counter: &AtomicU64, bytes: u64, limit: u64) -> Result<(), NoCapacity> {
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(bytes).filter(|&total| total <= limit)
        })
        .map(drop)
        .map_err(|_full| NoCapacity)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
    }

    #[test]
    fn one_peer_gets_no_more_than_a_quarter() {
        let budget = HeldBudget::new(400, Gauge::default());
        let account = budget.account(peer(1));
        let first = account.reserve(100).unwrap();
        assert_eq!(account.reserve(1).err(), Some(NoCapacity));
        drop(first);
        assert!(account.reserve(1).is_ok());
    }

    #[test]
    fn a_reservation_grows_within_the_quarter_and_gives_all_of_it_back() {
        let budget = HeldBudget::new(400, Gauge::default());
        let account = budget.account(peer(1));
        let mut held = account.reserve(10).unwrap();
        assert_eq!(held.grow_to(100), Ok(()));
        assert_eq!(held.grow_to(101), Err(NoCapacity));
        assert_eq!(held.grow_to(50), Ok(()));
        assert_eq!(budget.held(), 100);
        drop(held);
        assert_eq!(budget.held(), 0);
        assert!(account.reserve(100).is_ok());
    }

    #[test]
    fn connections_of_one_peer_share_its_quarter() {
        let budget = HeldBudget::new(400, Gauge::default());
        let (one, other) = (budget.account(peer(1)), budget.account(peer(1)));
        let _held = one.reserve(60).unwrap();
        assert_eq!(other.reserve(60).err(), Some(NoCapacity));
    }

    #[test]
    fn addresses_that_one_host_can_choose_from_share_a_quarter() {
        let budget = HeldBudget::new(400, Gauge::default());
        let account = |text: &str| budget.account(text.parse().unwrap());
        for (one, other) in [("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"), ("192.0.2.1", "::ffff:192.0.2.1")] {
            let (one, other) = (account(one), account(other));
            let _held = one.reserve(60).unwrap();
            assert_eq!(other.reserve(60).err(), Some(NoCapacity));
        }
        for (one, other) in [("2001:db8:0:1::1", "2001:db8:0:2::1"), ("::ffff:192.0.2.1", "::ffff:192.0.2.2")]
        {
            let (one, other) = (account(one), account(other));
            let _held = one.reserve(60).unwrap();
            assert!(other.reserve(60).is_ok());
        }
    }

    #[test]
    fn all_peers_together_stay_within_the_limit_and_a_refusal_leaves_no_trace() {
        let budget = HeldBudget::new(400, Gauge::default());
        let accounts: Vec<_> = (1..=5).map(|last| budget.account(peer(last))).collect();
        let mut held: Vec<_> = accounts[..4].iter().map(|account| account.reserve(100).unwrap()).collect();
        assert_eq!(accounts[4].reserve(1).err(), Some(NoCapacity));
        held.pop();
        assert_eq!(budget.held(), 300);
        assert!(accounts[4].reserve(100).is_ok());
    }

    #[test]
    fn the_last_connection_of_a_peer_takes_its_account_along() {
        let budget = HeldBudget::new(400, Gauge::default());
        drop((budget.account(peer(1)), budget.account(peer(1)), budget.account(peer(2))));
        assert!(budget.peers.lock().unwrap().is_empty());
    }
}
