//! Which addresses webhooks may be sent to (rule C3).
//!
//! Host names are resolved only here, and the connection uses an address that was checked here, so DNS rebinding has no effect. An address
//! literal in a URL is not resolved and is therefore checked before each attempt.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::egress::{is_local_name, is_public};

/// Decides which addresses webhooks may be sent to. Cloning shares the configuration.
#[derive(Clone)]
pub struct AddressGuard {
    allowed_hosts: Arc<[String]>,
    is_allowed: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

/// A host was rejected. The message does not contain its addresses, which may be confidential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host resolves to a private or local address")]
pub(in crate::run) struct Rejected;

impl AddressGuard {
    /// Allows public addresses, `allowed_hosts` (in lower case) and the addresses for which `is_allowed` returns true.
    pub fn new(allowed_hosts: Vec<String>, is_allowed: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self { allowed_hosts: allowed_hosts.into(), is_allowed: Arc::new(is_allowed) }
    }

    /// Whether a URL is allowed as far as it can be decided without resolving its host.
    pub(in crate::run) fn allows_url(&self, url: &Url) -> bool {
        match address_literal(url) {
            Some(address) => self.allows_address(address) || url.host_str().is_some_and(|host| self.allows_host(host)),
            None => url.host_str().is_some_and(|host| !is_local_name(host) || self.allows_host(host)),
        }
    }

    /// Whether the host of a URL is one of the exceptions by itself, without resolving it.
    pub(in crate::run) fn names(&self, url: &Url) -> bool {
        let is_host = url.host_str().is_some_and(|host| self.allows_host(host));
        is_host || address_literal(url).is_some_and(|address| (self.is_allowed)(address))
    }

    fn allows_host(&self, host: &str) -> bool {
        self.allowed_hosts.iter().any(|allowed| allowed == host)
    }

    fn allows_address(&self, address: IpAddr) -> bool {
        is_public(address) || (self.is_allowed)(address)
    }

    /// Returns the addresses of a host if all of them are allowed.
    ///
    /// # Errors
    /// [`Rejected`] if one is not.
    pub(in crate::run) fn check(&self, host: &str, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Rejected> {
        let allowed = self.allows_host(host) || addresses.iter().all(|address| self.allows_address(address.ip()));
        if allowed { Ok(addresses) } else { Err(Rejected) }
    }
}

impl std::fmt::Debug for AddressGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddressGuard").field("allowed_hosts", &self.allowed_hosts).finish_non_exhaustive()
    }
}

impl Resolve for AddressGuard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let checked = guard.check(&name.as_str().to_ascii_lowercase(), addresses)?;
            Ok(Box::new(checked.into_iter()) as Addrs)
        })
    }
}

/// The host of a URL if it is an address. `Url` normalizes all notations, for example `0x7f.1`.
fn address_literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    //! Rules: C3.

    use std::net::Ipv4Addr;

    use super::*;

    fn no_exceptions() -> AddressGuard {
        AddressGuard::new(vec![], |_| false)
    }

    fn allows(guard: &AddressGuard, url: &str) -> bool {
        guard.allows_url(&url.parse().unwrap())
    }

    #[test]
    fn urls_with_local_or_private_hosts_are_rejected() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://017700000001/",
            "http://0.0.0.0/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://172.31.255.255/",
            "http://192.168.1.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://100.64.0.1/",
            "http://100.127.255.255/",
            "http://198.18.0.1/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[::]/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[2001::1]/",
            "http://[fe80::1]/",
            "http://[fc00::1]/",
            "http://[fd12:3456::1]/",
            "http://[ff02::1]/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost/",
        ] {
            assert!(!allows(&no_exceptions(), url), "{url}");
        }
        for url in
            ["https://hooks.example.org/x", "http://8.8.8.8/", "http://172.32.0.1/", "http://100.128.0.1/", "http://[2606:4700::1111]/"]
        {
            assert!(allows(&no_exceptions(), url), "{url}");
        }
        assert!(allows(&no_exceptions(), "http://[64:ff9b::808:808]/"), "NAT64 with a public IPv4 address");
    }

    #[test]
    fn exceptions_allow_nothing_else() {
        let guard = AddressGuard::new(vec!["hooks.internal".into(), "localhost".into()], |address| address == Ipv4Addr::new(10, 0, 0, 7));
        assert!(allows(&guard, "http://10.0.0.7/") && !allows(&guard, "http://10.0.0.8/"));
        assert!(allows(&guard, "http://localhost:8080/") && !allows(&guard, "http://127.0.0.1:8080/"));
        let private = vec![SocketAddr::from(([10, 0, 0, 8], 0))];
        assert_eq!(guard.check("hooks.internal", private.clone()), Ok(private.clone()));
        assert_eq!(guard.check("other.internal", private), Err(Rejected));
    }

    #[test]
    fn a_name_with_one_private_address_is_rejected() {
        let mixed = vec![SocketAddr::from(([8, 8, 8, 8], 0)), SocketAddr::from(([127, 0, 0, 1], 0))];
        assert_eq!(no_exceptions().check("rebind.example", mixed), Err(Rejected));
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_rejected() {
        let resolved = no_exceptions().resolve("localhost".parse().unwrap()).await;
        assert_eq!(resolved.err().map(|error| error.to_string()), Some(Rejected.to_string()));
        let guard = AddressGuard::new(vec![], |address| address.is_loopback());
        assert!(guard.resolve("localhost".parse().unwrap()).await.is_ok_and(|mut addresses| addresses.all(|to| to.ip().is_loopback())));
    }
}
