//! IP networks in CIDR notation.
//!
//! Rules: D6.

use std::net::IpAddr;
use std::str::FromStr;

use serde::Deserialize;

use super::BadItem;

/// A network in CIDR notation, or a single address. An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) equals its IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    /// First address of the network.
    address: IpAddr,
    /// Prefix length, at least 1.
    prefix: u32,
}

impl Network {
    /// Whether `address` is in this network.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => (ours.to_bits() ^ theirs.to_bits()).leading_zeros() >= self.prefix,
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (ours.to_bits() ^ theirs.to_bits()).leading_zeros() >= self.prefix,
            _ => false,
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = BadItem;

    /// Rejects a network of all addresses, because trusting every peer would trust forged headers, and an address with bits set after
    /// the prefix, because it may be meant as a single address.
    fn from_str(text: &str) -> Result<Self, BadItem> {
        let bad =
            || BadItem::new(text, "an address or a network such as 10.0.0.7, 10.0.0.0/8 or fd00::/8, with no bits set after the prefix");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address = address.parse::<IpAddr>().map_err(|_| bad())?.to_canonical();
        let (bits, trailing_zeros) = match address {
            IpAddr::V4(address) => (32, address.to_bits().trailing_zeros()),
            IpAddr::V6(address) => (128, address.to_bits().trailing_zeros()),
        };
        let prefix = match prefix {
            None => bits,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().map_err(|_| bad())?,
            Some(_) => return Err(bad()),
        };
        let is_valid = (1..=bits).contains(&prefix) && trailing_zeros >= bits - prefix;
        is_valid.then_some(Self { address, prefix }).ok_or_else(bad)
    }
}

impl TryFrom<String> for Network {
    type Error = BadItem;

    fn try_from(text: String) -> Result<Self, BadItem> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
            ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::1", "::1", "127.0.0.1"),
            ("128.0.0.0/1", "255.0.0.1", "127.0.0.1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()) && !network.contains(outside.parse().unwrap()), "{network:?}");
        }
    }

    #[test]
    fn an_invalid_or_universal_network_is_rejected() {
        for wrong in
            ["", "*", "proxy", "10.0.0.1/8", "0.0.0.0/0", "::/0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0", "fd00::/129", "a/8"]
        {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
