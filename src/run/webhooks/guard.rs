//! Which addresses webhooks may go to (C3 of the threat model).
//!
//! Names are resolved here and nowhere else, and the connection goes to an address that was judged here: a name that leads to another
//! address a moment later changes nothing. What the URL writes as an address never meets a resolver, so it is judged before each attempt.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Judges addresses. Cloning gives another handle to the same.
#[derive(Clone)]
pub struct Guard {
    hosts: Arc<[String]>,
    allows: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

/// The refusal of a name. It does not say where the name leads: that may be nobody's business outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host has an address that webhooks may not go to")]
struct Refused;

impl Guard {
    /// Lets through what lies on the internet, and these hosts and addresses beside it. Hosts are in lower case.
    pub fn new(hosts: Vec<String>, allows: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self { hosts: hosts.into(), allows: Arc::new(allows) }
    }

    /// Whether a URL may be gone to as far as the URL itself shows: what it says as an address is judged, a name is resolved later.
    pub(super) fn passes(&self, url: &Url) -> bool {
        match literal(url) {
            Some(address) => self.passes_address(address) || url.host_str().is_some_and(|host| self.names(host)),
            None => url.host_str().is_some_and(|host| !is_local_name(host) || self.names(host)),
        }
    }

    fn names(&self, host: &str) -> bool {
        self.hosts.iter().any(|allowed| allowed == host)
    }

    fn passes_address(&self, address: IpAddr) -> bool {
        is_public(address) || (self.allows)(address)
    }

    /// All of these, if all of them may be gone to.
    fn judge(&self, host: &str, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let good = self.names(host) || addresses.iter().all(|address| self.passes_address(address.ip()));
        if good { Ok(addresses) } else { Err(Refused) }
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let judged = guard.judge(&name.as_str().to_ascii_lowercase(), addresses)?;
            Ok(Box::new(judged.into_iter()) as Addrs)
        })
    }
}

/// The address that a URL writes in the place of a name. However it is written (`0x7f.1`), the URL has it in its plain form.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// A name that leads to this machine by definition (RFC 6761).
fn is_local_name(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host == "localhost" || host.ends_with(".localhost")
}

/// Whether an address is one of the internet: none of this machine, of a network of somebody's own or of a special purpose, by the
/// registries of IANA (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        // This network, private, carrier, loopback, link-local, private, protocols, documentation, 6to4 relays, private, benchmarks,
        // documentation twice, multicast and reserved.
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Behind NAT64 the last bits are an address of IPv4 (RFC 6052).
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = segments {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Only this block is the internet's; of it, 2001::/23 is for protocols such as Teredo, 2002::/16 is 6to4, which leads to an address of
    // IPv4, and 2001:db8::/32 and 3fff::/20 are for documents.
    let [first, second, ..] = segments;
    let special = match first {
        0x2001 => second < 0x200 || second == 0xdb8,
        0x2002 => true,
        0x3fff => second < 0x1000,
        _ => false,
    };
    (0x2000..=0x3fff).contains(&first) && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none_allowed() -> Guard {
        Guard::new(vec![], |_| false)
    }

    fn passes(guard: &Guard, url: &str) -> bool {
        guard.passes(&url.parse().unwrap())
    }

    #[test]
    fn c3_no_url_names_this_machine_or_a_network_of_somebodys_own() {
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
            assert!(!passes(&none_allowed(), url), "{url}");
        }
        for url in
            ["https://hooks.example.org/x", "http://8.8.8.8/", "http://172.32.0.1/", "http://100.128.0.1/", "http://[2606:4700::1111]/"]
        {
            assert!(passes(&none_allowed(), url), "{url}");
        }
        assert!(passes(&none_allowed(), "http://[64:ff9b::808:808]/"), "NAT64 to an address of the internet");
    }

    #[test]
    fn c3_what_is_allowed_is_allowed_and_nothing_beside_it() {
        let guard = Guard::new(vec!["hooks.internal".into(), "localhost".into()], |address| address == Ipv4Addr::new(10, 0, 0, 7));
        assert!(passes(&guard, "http://10.0.0.7/") && !passes(&guard, "http://10.0.0.8/"));
        assert!(passes(&guard, "http://localhost:8080/") && !passes(&guard, "http://127.0.0.1:8080/"));
        let inside = vec![SocketAddr::from(([10, 0, 0, 8], 0))];
        assert_eq!(guard.judge("hooks.internal", inside.clone()), Ok(inside.clone()));
        assert_eq!(guard.judge("other.internal", inside), Err(Refused));
    }

    #[test]
    fn c3_one_address_inside_among_others_refuses_a_name() {
        let mixed = vec![SocketAddr::from(([8, 8, 8, 8], 0)), SocketAddr::from(([127, 0, 0, 1], 0))];
        assert_eq!(none_allowed().judge("rebind.example", mixed), Err(Refused));
    }

    #[tokio::test]
    async fn c3_a_name_that_leads_to_this_machine_is_not_connected_to() {
        let resolved = none_allowed().resolve("localhost".parse().unwrap()).await;
        assert_eq!(resolved.err().map(|error| error.to_string()), Some(Refused.to_string()));
        let guard = Guard::new(vec![], |address| address.is_loopback());
        assert!(guard.resolve("localhost".parse().unwrap()).await.is_ok_and(|mut addresses| addresses.all(|to| to.ip().is_loopback())));
    }
}
