//! Where a request comes from.

use std::fmt;
use std::net::IpAddr;

/// The origin of a request, determined once per request by the HTTP API. The default is an unknown remote client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientOrigin {
    /// Address of the client, or behind a trusted proxy the address that the proxy reports; `None` if unknown.
    pub addr: Option<IpAddr>,
    /// Whether the client is on this machine: the address and the `Host` are loopback, and no proxy is in between. Default passwords
    /// work for local clients only.
    pub is_local: bool,
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
