//! Where a request comes from.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The origin of a request, determined once per request by the HTTP API. The default is an unknown remote client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientOrigin {
    /// Address of the client, or behind a trusted proxy the address that the proxy reports; `None` if unknown.
    pub addr: Option<IpAddr>,
    /// Whether the client is on this machine: its connection and the `Host` are loopback, it speaks HTTP/1.1, and no proxy is in between.
    /// Default passwords work for local clients only, and of these only for the account that runs the server; see
    /// [`ClientAccount`](super::ClientAccount).
    pub is_local: bool,
}

impl ClientOrigin {
    /// The network that the client is counted by; `None` if it is unknown.
    pub fn network(self) -> Option<IpAddr> {
        self.addr.map(client_network)
    }
}

/// The network of a client: its IPv4 address, or its IPv6 network of 64 bits, which every IPv6 client controls as a whole.
pub fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        IpAddr::V4(address) => IpAddr::V4(address),
    }
}

/// Prints the address, or `unknown`.
impl fmt::Display for ClientOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addr {
            Some(addr) => addr.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}
