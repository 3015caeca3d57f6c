//! From which network a message came, as far as it may become a label.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network of the size that belongs to one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// A /24.
    V4([u8; 3]),
    /// A /64.
    V6(u64),
    /// That of the upstream, whose replies were opened.
    Upstream,
}

impl Network {
    /// The client's.
    pub(crate) fn of(peer: IpAddr) -> Self {
        match peer.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::V4([a, b, c]) => write!(f, "{}/24", Ipv4Addr::new(a, b, c, 0)),
            Self::V6(network) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(network) << 64)),
            Self::Upstream => f.write_str("upstream"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_is_what_belongs_to_one_owner() {
        for (address, network) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
        ] {
            assert_eq!(Network::of(address.parse().unwrap()).to_string(), network);
        }
        assert_eq!(Network::Upstream.to_string(), "upstream");
    }
}
