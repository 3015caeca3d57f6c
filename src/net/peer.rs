//! Who counts as one peer.

use std::net::{IpAddr, Ipv6Addr};

/// The part of an IPv6 address that its holder cannot choose.
const NETWORK: u128 = !0 << 64;

/// The address under which a peer is counted. An IPv6 host has a whole /64 to choose its addresses from, so these are one.
pub(super) fn counted(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        v4 => v4,
    }
}
