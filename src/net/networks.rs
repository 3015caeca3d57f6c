//! Networks that a setting names: who is trusted with something, and who is not.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// Networks in CIDR notation (RFC 4632, RFC 4291 §2.3). An address of IPv4 that is written as one of IPv6
/// (`::ffff:192.0.2.7`) counts as what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// These.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Whether an address lies in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether one of them is every address of IPv4, or of IPv6.
    pub fn contain_all(&self) -> bool {
        self.0.iter().any(|network| network.prefix_len() == 0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.0.iter().enumerate() {
            let before = if index == 0 { "" } else { ", " };
            write!(f, "{before}{network}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_in_a_network_whichever_way_it_is_written() {
        let networks: Networks =
            Networks::new(["192.0.2.0/24", "2001:db8::/32", "10.0.0.7/32"].map(|text| text.parse().unwrap()));
        for (address, is_in) in [
            ("192.0.2.7", true),
            ("::ffff:192.0.2.7", true),
            ("192.0.3.7", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
            ("10.0.0.7", true),
            ("10.0.0.8", false),
            ("::192.0.2.7", false),
        ] {
            assert_eq!(networks.contain(address.parse().unwrap()), is_in, "{address}");
        }
        assert_eq!(networks.to_string(), "192.0.2.0/24, 2001:db8::/32, 10.0.0.7/32");
        assert!(!Networks::default().contain("127.0.0.1".parse().unwrap()));
        assert!(!networks.contain_all());
        for all in ["0.0.0.0/0", "::/0"] {
            assert!(Networks::new([all.parse().unwrap()]).contain_all());
        }
    }
}
