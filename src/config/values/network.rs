//! Networks in CIDR notation.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::SeqAccess;

use crate::document::{Refusal, Value};
use crate::net::Networks;

/// One network or several.
pub(in crate::config) struct NetworkList(pub(in crate::config) Networks);

impl Value for NetworkList {
    const EXPECTED: &'static str = "a network such as \"10.0.0.0/8\", or a list of them";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        Written::from_text(text).map(|Written(network)| Self(Networks::new([network])))
    }

    fn from_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Result<Self, Refusal>, A::Error> {
        let networks = Vec::<Written>::from_list(list)?;
        Ok(networks.map(|networks| Self(Networks::new(networks.into_iter().map(|Written(network)| network)))))
    }
}

/// One of them.
struct Written(IpNet);

impl Value for Written {
    const EXPECTED: &'static str = "a network such as \"10.0.0.0/8\"";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let remedy = "write \"ADDRESS/BITS\", for example \"10.0.0.0/8\" or \"fd00::/8\", or one address";
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse().map_err(|_| Refusal::new(format!("{text:?} is not a network"), remedy))?,
        };
        if network.trunc() != network {
            // Who writes 10.1.2.3/8 may have meant that host or that network, and the second lets in more.
            let problem = format!("{text:?} has bits past its length");
            let remedy = format!("write \"{}\" for the network, or the address alone", network.trunc());
            return Err(Refusal::new(problem, remedy));
        }
        Ok(Self(network))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_is_written_with_its_length_or_is_one_address() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("fd00::/8", "fd00::/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            let NetworkList(networks) = NetworkList::from_text(text).ok().unwrap();
            assert_eq!(networks.to_string(), shown);
        }
    }

    #[test]
    fn network_that_is_none_or_says_more_than_its_length_is_refused() {
        for (text, problem) in [
            ("10.0.0.0/33", "\"10.0.0.0/33\" is not a network"),
            ("kitchen.example", "\"kitchen.example\" is not a network"),
            ("", "\"\" is not a network"),
            ("10.1.2.3/8", "\"10.1.2.3/8\" has bits past its length"),
        ] {
            assert_eq!(NetworkList::from_text(text).err().unwrap().problem, problem);
        }
    }
}
