//! Where a request comes from, as far as a default password cares.

use std::net::IpAddr;

/// What is known of a request's origin.
///
/// Default passwords work on this machine only. A reverse proxy on this machine connects from loopback too, hence all three facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerFacts {
    /// Whether the connection came from a loopback address.
    pub peer_is_loopback: bool,
    /// Whether the request was addressed to a loopback name.
    pub host_is_loopback: bool,
    /// Whether a proxy left its mark on the request. The mark is never believed otherwise.
    pub forwarded: bool,
}

impl PeerFacts {
    /// Whether whoever asks sits on this machine.
    pub fn is_local(self) -> bool {
        self.peer_is_loopback && self.host_is_loopback && !self.forwarded
    }

    /// Whether an address is loopback, also when it is IPv4 in the clothes of IPv6 (`::ffff:127.0.0.1`, what a dual-stack socket reports).
    pub fn address_is_loopback(address: IpAddr) -> bool {
        address.to_canonical().is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i1_local_means_peer_and_host_and_no_proxy_between() {
        let local = PeerFacts { peer_is_loopback: true, host_is_loopback: true, forwarded: false };
        assert!(local.is_local());
        assert!(!PeerFacts { peer_is_loopback: false, ..local }.is_local());
        assert!(!PeerFacts { host_is_loopback: false, ..local }.is_local());
        assert!(!PeerFacts { forwarded: true, ..local }.is_local());
    }

    #[test]
    fn i1_a_mapped_ipv4_loopback_is_loopback() {
        for address in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert!(PeerFacts::address_is_loopback(address.parse().unwrap()), "{address}");
        }
        for address in ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "0.0.0.0", "::"] {
            assert!(!PeerFacts::address_is_loopback(address.parse().unwrap()), "{address}");
        }
    }
}
