//! Where a request comes from, worked out in one place.
//!
//! The connection tells an address that cannot be made up. Headers that proxies leave can: they are believed only when the connection
//! comes from a proxy that the operator has named, and then only as far back as such proxies reach.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::Response;

use super::HostPolicy;
use super::host_guard::PeerAddress;
use crate::auth::PeerFacts;
use crate::config::Network;

/// Headers that proxies leave. That one is there tells that somebody stands between the client and us.
pub(super) const FORWARDING_HEADERS: [&str; 7] =
    ["forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "x-envoy-external-address"];

/// What the names of all others of them begin with: `x-forwarded-for`, `-host`, `-proto` and so on.
const FORWARDING_PREFIX: &str = "x-forwarded";

/// Whether a proxy has left its mark, believed or not.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    let is_mark = |name: &HeaderName| FORWARDING_HEADERS.contains(&name.as_str()) || name.as_str().starts_with(FORWARDING_PREFIX);
    headers.keys().any(is_mark)
}

/// The address that a request comes from: the connection's, or behind the operator's own proxies the one that they name. Unknown where
/// the connection has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ClientAddress(Option<IpAddr>);

impl ClientAddress {
    /// The address of a request that came over `peer` with these headers.
    fn of(peer: Option<IpAddr>, headers: &HeaderMap, proxies: &[Network]) -> Self {
        let Some(peer) = peer.map(|peer| peer.to_canonical()) else { return Self(None) };
        let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
        if !is_proxy(peer) {
            return Self(Some(peer));
        }
        let behind = |hops: Vec<Option<IpAddr>>| {
            let mut client = peer;
            // From the hop that our own proxy has added back to the first that is not one of ours. What stands before that one, the
            // client may have written.
            for hop in hops.into_iter().rev() {
                let Some(address) = hop else { break };
                client = address;
                if !is_proxy(address) {
                    break;
                }
            }
            client
        };
        let (listed, standard) = (behind(listed_hops(headers)), behind(standard_hops(headers)));
        let both_are_there = headers.contains_key("x-forwarded-for") && headers.contains_key("forwarded");
        // A proxy writes one of the two and lets the other pass as the client made it up: which one, nobody tells.
        let client = match (both_are_there, listed == standard) {
            (true, false) => peer,
            _ if headers.contains_key("forwarded") => standard,
            _ => listed,
        };
        Self(Some(client))
    }

    /// Whether it is this machine's own loopback.
    pub(super) fn is_loopback(self) -> bool {
        self.0.is_some_and(PeerFacts::address_is_loopback)
    }

    /// The address, where it is known.
    pub(super) fn ip(self) -> Option<IpAddr> {
        self.0
    }

    /// What clients are counted by: the address, or of IPv6 the network of 64 bits, of which anybody has a whole one.
    pub(super) fn network(self) -> Option<IpAddr> {
        self.0.map(|address| match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        })
    }
}

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(Some(address.to_canonical()))
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or_default())
    }
}

/// Attaches the [`ClientAddress`] to a request.
pub(super) async fn attach(State(policy): State<Arc<HostPolicy>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<PeerAddress>().map(|PeerAddress(address)| address.ip());
    let client = ClientAddress::of(peer, request.headers(), policy.proxies());
    request.extensions_mut().insert(client);
    next.run(request).await
}

/// The hops of `X-Forwarded-For`, the one nearest to us last. One that is no address is `None`.
fn listed_hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = headers.get_all("x-forwarded-for").iter();
    values.flat_map(|value| value.to_str().unwrap_or("?").split(',').map(address_of)).collect()
}

/// The hops of `Forwarded` (RFC 7239), likewise.
fn standard_hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = headers.get_all("forwarded").iter();
    let hop = |element: &str| {
        let pairs = outside_quotes(element, ';');
        let named = pairs.iter().find_map(|pair| pair.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("for")));
        named.and_then(|(_name, value)| address_of(value))
    };
    values.flat_map(|value| outside_quotes(value.to_str().unwrap_or("?"), ',').into_iter().map(hop).collect::<Vec<_>>()).collect()
}

/// Splits where the separator does not stand in a quoted string.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
    .collect()
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`, quoted or not.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bracketed.unwrap_or(text).parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(peer: &str, list: &[(&str, &str)]) -> String {
        let proxies: Vec<Network> = ["10.0.0.0/8", "127.0.0.1", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec();
        let headers = list.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect();
        ClientAddress::of(peer.parse().ok(), &headers, &proxies).to_string()
    }

    #[test]
    fn d6_only_a_configured_proxy_is_believed() {
        for header in [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")] {
            assert_eq!(client("198.51.100.7", &[header]), "198.51.100.7");
            assert_eq!(client("10.1.1.1", &[header]), "203.0.113.9");
            assert_eq!(client("::ffff:10.1.1.1", &[header]), "203.0.113.9");
        }
        assert_eq!(client("10.1.1.1", &[]), "10.1.1.1");
        assert_eq!(client("10.1.1.1", &[("x-real-ip", "203.0.113.9")]), "10.1.1.1", "a header that proxies do not extend proves nothing");
        assert_eq!(client("nobody", &[("x-forwarded-for", "203.0.113.9")]), "unknown");
    }

    #[test]
    fn d6_what_the_client_wrote_before_our_proxies_did_is_not_believed() {
        assert_eq!(client("10.1.1.1", &[("x-forwarded-for", "127.0.0.1, 203.0.113.9, 10.2.2.2")]), "203.0.113.9");
        assert_eq!(client("10.1.1.1", &[("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "203.0.113.9")]), "203.0.113.9");
        assert_eq!(client("10.1.1.1", &[("forwarded", "for=127.0.0.1, for=\"[2001:db8::1]:4711\";proto=https")]), "2001:db8::1");
        assert_eq!(client("10.1.1.1", &[("x-forwarded-for", "10.3.3.3, 10.2.2.2")]), "10.3.3.3", "a client within our own network");
        assert_eq!(client("10.1.1.1", &[("x-forwarded-for", "203.0.113.9, unknown, 10.2.2.2")]), "10.2.2.2");
        assert_eq!(client("10.1.1.1", &[("forwarded", "for=203.0.113.9, proto=http")]), "10.1.1.1", "a hop that does not say for whom");
    }

    #[test]
    fn d6_two_headers_that_disagree_are_both_not_believed() {
        assert_eq!(client("10.1.1.1", &[("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=127.0.0.1")]), "10.1.1.1");
        assert_eq!(client("10.1.1.1", &[("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")]), "203.0.113.9");
    }

    #[test]
    fn d6_hops_are_read_in_every_form_that_proxies_write() {
        for (text, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            (" 192.0.2.1:8080 ", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("\"[2001:db8::1]:80\"", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
            ("192.0.2", None),
        ] {
            assert_eq!(address_of(text), expected.map(|text| text.parse().unwrap()), "{text}");
        }
        assert_eq!(outside_quotes("a=\"x;y\";b", ';'), ["a=\"x;y\"", "b"]);
    }

    proptest! {
        #[test]
        fn d6_no_header_is_a_panic_and_none_of_a_strangers_is_believed(name in "x-forwarded-for|forwarded", text in "[ -~]{0,80}") {
            prop_assert_eq!(client("198.51.100.7", &[(&name, &text)]), "198.51.100.7");
            client("10.1.1.1", &[(&name, &text)]);
        }
    }
}
