//! How many connections a listener bears, in all and of one peer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::peer;

/// How many connections there may be at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionBounds {
    /// In all.
    pub connections: u32,
    /// Of one address; under IPv6 of a /64.
    pub per_peer: u32,
}

/// Counts the connections of one listener, whichever worker serves them.
#[derive(Debug)]
pub struct ConnectionGate {
    connections: AtomicU32,
    per_peer: AtomicU32,
    open: AtomicU32,
    /// Those that have connections. Their counts change under the lock only, and are read without it.
    peers: Mutex<HashMap<IpAddr, Arc<AtomicU32>>>,
}

impl ConnectionGate {
    /// A gate that nobody has passed yet.
    pub fn new(bounds: ConnectionBounds) -> Self {
        let ConnectionBounds { connections, per_peer } = bounds;
        Self {
            connections: AtomicU32::new(connections),
            per_peer: AtomicU32::new(per_peer),
            open: AtomicU32::new(0),
            peers: Mutex::default(),
        }
    }

    /// Other bounds from now on; who is in stays.
    pub fn set_bounds(&self, bounds: ConnectionBounds) {
        self.connections.store(bounds.connections, Relaxed);
        self.per_peer.store(bounds.per_peer, Relaxed);
    }

    /// A place for a connection, whoever's it is.
    pub fn admit(self: &Arc<Self>) -> Result<ConnectionPermit, Excess> {
        take(&self.open, self.connections.load(Relaxed)).ok_or(Excess::Connections)?;
        Ok(ConnectionPermit { gate: Arc::clone(self), peer: None })
    }

    /// Connections that are open now.
    pub fn open(&self) -> u32 {
        self.open.load(Relaxed)
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<IpAddr, Arc<AtomicU32>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection, given back when this is dropped.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct ConnectionPermit {
    gate: Arc<ConnectionGate>,
    peer: Option<(IpAddr, Arc<AtomicU32>)>,
}

impl ConnectionPermit {
    /// The connection is this peer's; if that has too many, the place is given back.
    pub fn claim(mut self, peer: IpAddr) -> Result<Self, Excess> {
        self.leave_peer();
        let peer = peer::counted(peer);
        let mut peers = self.gate.peers();
        let known = peers.get(&peer).map(Arc::clone);
        let open = known.unwrap_or_default();
        take(&open, self.gate.per_peer.load(Relaxed)).ok_or(Excess::ConnectionsPerPeer)?;
        peers.entry(peer).or_insert_with(|| Arc::clone(&open));
        drop(peers);
        self.peer = Some((peer, open));
        Ok(self)
    }

    /// For asking whether others wait for places like this one.
    pub fn crowd(&self) -> Crowd {
        let peer = self.peer.as_ref().map(|(_, open)| Arc::clone(open));
        Crowd { gate: Arc::clone(&self.gate), peer }
    }

    fn leave_peer(&mut self) {
        if let Some((peer, open)) = self.peer.take() {
            let mut peers = self.gate.peers();
            if open.fetch_sub(1, Relaxed) == 1 {
                peers.remove(&peer);
            }
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.leave_peer();
        self.gate.open.fetch_sub(1, Relaxed);
    }
}

/// Whether places are so scarce that who does nothing with one should leave.
#[derive(Clone, Debug)]
pub struct Crowd {
    gate: Arc<ConnectionGate>,
    peer: Option<Arc<AtomicU32>>,
}

impl Crowd {
    /// Whether seven eighths of all places, or of the peer's own, are taken.
    pub(crate) fn is_dense(&self) -> bool {
        let dense = |open: &AtomicU32, bound: &AtomicU32| {
            u64::from(open.load(Relaxed)) * 8 >= u64::from(bound.load(Relaxed)) * 7
        };
        let Self { gate, peer } = self;
        dense(&gate.open, &gate.connections) || peer.as_ref().is_some_and(|open| dense(open, &gate.per_peer))
    }
}

/// Why there is no place for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// The listener has as many as it may.
    Connections,
    /// The peer has as many as it may.
    ConnectionsPerPeer,
}

fn take(counter: &AtomicU32, bound: u32) -> Option<()> {
    let more = |count: u32| count.checked_add(1).filter(|count| *count <= bound);
    counter.fetch_update(Relaxed, Relaxed, more).ok().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(connections: u32, per_peer: u32) -> Arc<ConnectionGate> {
        Arc::new(ConnectionGate::new(ConnectionBounds { connections, per_peer }))
    }

    fn enter(gate: &Arc<ConnectionGate>, peer: &str) -> Result<ConnectionPermit, Excess> {
        gate.admit()?.claim(peer.parse().unwrap())
    }

    #[test]
    fn one_more_than_the_bound_is_refused_until_one_leaves() {
        let gate = gate(2, 2);
        let first = enter(&gate, "192.0.2.1").unwrap();
        let _second = enter(&gate, "192.0.2.2").unwrap();
        assert_eq!(enter(&gate, "192.0.2.3").unwrap_err(), Excess::Connections);
        assert_eq!(gate.open(), 2);
        drop(first);
        assert!(enter(&gate, "192.0.2.3").is_ok());
    }

    #[test]
    fn peer_past_its_bound_takes_no_place_from_others() {
        let gate = gate(3, 2);
        let first = enter(&gate, "192.0.2.1").unwrap();
        let _second = enter(&gate, "192.0.2.1").unwrap();
        for _ in 0..10 {
            assert_eq!(enter(&gate, "192.0.2.1").unwrap_err(), Excess::ConnectionsPerPeer);
        }
        assert_eq!(gate.open(), 2);
        assert!(enter(&gate, "192.0.2.2").is_ok());
        drop(first);
        assert!(enter(&gate, "192.0.2.1").is_ok());
    }

    #[test]
    fn addresses_that_one_host_can_choose_from_are_one_peer() {
        let gate = gate(9, 1);
        let _first = enter(&gate, "2001:db8:0:1::1").unwrap();
        assert!(enter(&gate, "2001:db8:0:1:ffff::2").is_err());
        let _other = enter(&gate, "2001:db8:0:2::1").unwrap();
        let _v4 = enter(&gate, "192.0.2.1").unwrap();
        assert!(enter(&gate, "::ffff:192.0.2.1").is_err());
    }

    #[test]
    fn who_leaves_last_leaves_no_trace() {
        let gate = gate(9, 9);
        let permits = ["192.0.2.1", "192.0.2.1", "192.0.2.2"].map(|peer| enter(&gate, peer).unwrap());
        drop(permits);
        assert!(gate.peers().is_empty());
        assert_eq!(gate.open(), 0);
    }

    #[test]
    fn connection_that_turns_out_to_be_of_another_peer_counts_as_that_ones() {
        let gate = gate(9, 1);
        let permit = enter(&gate, "192.0.2.1").unwrap();
        let _permit = permit.claim("192.0.2.2".parse().unwrap()).unwrap();
        assert!(enter(&gate, "192.0.2.2").is_err());
        assert!(enter(&gate, "192.0.2.1").is_ok());
    }

    #[test]
    fn lower_bounds_keep_who_is_in_and_let_nobody_else_in() {
        let gate = gate(9, 9);
        let first = enter(&gate, "192.0.2.1").unwrap();
        let second = enter(&gate, "192.0.2.1").unwrap();
        gate.set_bounds(ConnectionBounds { connections: 1, per_peer: 1 });
        assert!(enter(&gate, "192.0.2.2").is_err());
        drop(first);
        assert!(enter(&gate, "192.0.2.2").is_err());
        drop(second);
        assert!(enter(&gate, "192.0.2.2").is_ok());
    }

    #[test]
    fn crowd_is_dense_from_seven_eighths_on_of_all_places_or_of_ones_own() {
        let gate = gate(16, 8);
        let mut own: Vec<_> = (0..6).map(|_| enter(&gate, "192.0.2.1").unwrap()).collect();
        let other = enter(&gate, "192.0.2.2").unwrap();
        assert!(!own[0].crowd().is_dense());
        own.push(enter(&gate, "192.0.2.1").unwrap());
        assert!(own[0].crowd().is_dense());
        assert!(!other.crowd().is_dense());
        let _more: Vec<_> = (0..6).map(|_| enter(&gate, "192.0.2.3").unwrap()).collect();
        assert!(other.crowd().is_dense());
    }

    #[test]
    fn bounds_hold_among_threads() {
        let gate = gate(50, 20);
        std::thread::scope(|scope| {
            for peer in 0..4 {
                let gate = &gate;
                scope.spawn(move || {
                    let mut held = Vec::new();
                    for round in 0..2000 {
                        held.extend(enter(gate, &format!("192.0.2.{peer}")));
                        assert!(gate.open() <= 50 && held.len() <= 20);
                        if round % 3 == 0 {
                            held.pop();
                        }
                    }
                });
            }
        });
        assert_eq!(gate.open(), 0);
        assert!(gate.peers().is_empty());
    }
}
