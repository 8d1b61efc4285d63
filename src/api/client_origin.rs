//! Determines the [`ClientOrigin`] of a request, in one place.
//!
//! The address of a connection cannot be forged. The headers that proxies add can: they are used only if the connection comes from a proxy
//! that the operator trusts, and only as far back as such proxies reach.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Version};
use axum::middleware::Next;
use axum::response::Response;

use super::HostPolicy;
use super::host::{Host, is_loopback};
use crate::auth::{ClientAccount, ClientOrigin};
use crate::config::Network;

/// Headers that proxies add. Any of them shows that a proxy is between the client and this server.
const FORWARDING_HEADERS: [&str; 7] =
    ["forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "x-envoy-external-address"];

/// Prefix of all other such headers: `x-forwarded-for`, `-host`, `-proto` and so on.
const FORWARDING_PREFIX: &str = "x-forwarded";

/// Inserts the [`ClientOrigin`] into a request. The accept loop provides the address of the connection as [`ConnectInfo`].
pub(super) async fn insert(State(policy): State<Arc<HostPolicy>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    let host = Host::from_request(request.uri(), request.headers());
    let origin = origin(peer, host.as_ref(), request.version(), request.headers(), policy.proxies());
    request.extensions_mut().insert(origin);
    next.run(request).await
}

impl<S: Send + Sync> FromRequestParts<S> for ClientOrigin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or_default())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAccount {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// The origin of a request to `host` that came over a connection from `peer` with this version and these headers.
///
/// A client behind a proxy is never local, even if a trusted proxy says so: a misconfigured proxy would otherwise open the default
/// passwords to everyone. nginx without further configuration adds no header, but sends HTTP/1.0, which no client of this machine does.
fn origin(peer: Option<IpAddr>, host: Option<&Host>, version: Version, headers: &HeaderMap, proxies: &[Network]) -> ClientOrigin {
    let is_direct = |peer: IpAddr| {
        is_loopback(peer) && !is_proxy(peer.to_canonical(), proxies) && version >= Version::HTTP_11 && !is_forwarded(headers)
    };
    let is_local = peer.is_some_and(is_direct) && host.is_some_and(Host::is_loopback);
    ClientOrigin { addr: peer.map(|peer| client_addr(peer, headers, proxies)), is_local }
}

fn is_proxy(address: IpAddr, proxies: &[Network]) -> bool {
    proxies.iter().any(|network| network.contains(address))
}

/// Whether the headers show a proxy, trusted or not.
fn is_forwarded(headers: &HeaderMap) -> bool {
    let is_mark = |name: &HeaderName| FORWARDING_HEADERS.contains(&name.as_str()) || name.as_str().starts_with(FORWARDING_PREFIX);
    headers.keys().any(is_mark)
}

/// The address of the client: that of the connection, or behind a trusted proxy the one that the proxy reports.
fn client_addr(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_proxy(peer, proxies) {
        return peer;
    }
    // From the hop that the nearest proxy added back to the first one that is not a trusted proxy. Earlier hops may be forged.
    let last_untrusted = |hops: Vec<Option<IpAddr>>| {
        let mut client = peer;
        for hop in hops.into_iter().rev() {
            let Some(address) = hop else { break };
            client = address;
            if !is_proxy(address, proxies) {
                break;
            }
        }
        client
    };
    let (x_forwarded_for, forwarded) = (last_untrusted(x_forwarded_for_hops(headers)), last_untrusted(forwarded_hops(headers)));
    let has_both = headers.contains_key("x-forwarded-for") && headers.contains_key("forwarded");
    // A proxy writes one of the two headers and passes on the other as the client sent it. If they disagree, neither is used.
    match (has_both, x_forwarded_for == forwarded) {
        (true, false) => peer,
        _ if headers.contains_key("forwarded") => forwarded,
        _ => x_forwarded_for,
    }
}

/// The hops of `X-Forwarded-For`, the nearest one last; `None` for a hop without an address.
fn x_forwarded_for_hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = headers.get_all("x-forwarded-for").iter();
    values.flat_map(|value| value.to_str().unwrap_or("?").split(',').map(parse_hop)).collect()
}

/// The hops of `Forwarded` (RFC 7239), likewise.
fn forwarded_hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = headers.get_all("forwarded").iter();
    let hop = |element: &str| {
        let pairs = split_unquoted(element, ';');
        let for_pair = pairs.iter().find_map(|pair| pair.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("for")));
        for_pair.and_then(|(_name, value)| parse_hop(value))
    };
    values.flat_map(|value| split_unquoted(value.to_str().unwrap_or("?"), ',').into_iter().map(hop).collect::<Vec<_>>()).collect()
}

/// Splits at separators outside quoted strings.
fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
    .collect()
}

/// Parses `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`, quoted or not.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bracketed.unwrap_or(text).parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    //! Rules: D6, D11, I1.

    use proptest::prelude::*;

    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    fn client(peer: &str, list: &[(&str, &str)]) -> String {
        let proxies: Vec<Network> = ["10.0.0.0/8", "127.0.0.1", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec();
        origin(peer.parse().ok(), None, Version::HTTP_11, &headers(list), &proxies).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        for header in [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")] {
            assert_eq!(client("198.51.100.7", &[header]), "198.51.100.7");
            assert_eq!(client("10.1.1.1", &[header]), "203.0.113.9");
            assert_eq!(client("::ffff:10.1.1.1", &[header]), "203.0.113.9");
        }
        assert_eq!(client("10.1.1.1", &[]), "10.1.1.1");
        assert_eq!(client("10.1.1.1", &[("x-real-ip", "203.0.113.9")]), "10.1.1.1", "a header that proxies do not extend proves nothing");
        assert_eq!(client("no address", &[("x-forwarded-for", "203.0.113.9")]), "unknown");
    }

    #[test]
    fn hops_before_those_of_trusted_proxies_are_ignored() {
        assert_eq!(client("10.1.1.1", &[("x-forwarded-for", "127.0.0.1, 203.0.113.9, 10.2.2.2")]), "203.0.113.9");
        assert_eq!(client("10.1.1.1", &[("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "203.0.113.9")]), "203.0.113.9");
        assert_eq!(client("10.1.1.1", &[("forwarded", "for=127.0.0.1, for=\"[2001:db8::1]:4711\";proto=https")]), "2001:db8::1");
        assert_eq!(client("10.1.1.1", &[("x-forwarded-for", "10.3.3.3, 10.2.2.2")]), "10.3.3.3", "a client in the proxies' own network");
        assert_eq!(client("10.1.1.1", &[("x-forwarded-for", "203.0.113.9, unknown, 10.2.2.2")]), "10.2.2.2");
        assert_eq!(client("10.1.1.1", &[("forwarded", "for=203.0.113.9, proto=http")]), "10.1.1.1", "a hop without `for`");
    }

    #[test]
    fn contradictory_headers_are_both_ignored() {
        assert_eq!(client("10.1.1.1", &[("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=127.0.0.1")]), "10.1.1.1");
        assert_eq!(client("10.1.1.1", &[("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")]), "203.0.113.9");
    }

    #[test]
    fn hops_are_parsed_in_every_form_that_proxies_write() {
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
            assert_eq!(parse_hop(text), expected.map(|text| text.parse().unwrap()), "{text}");
        }
        assert_eq!(split_unquoted("a=\"x;y\";b", ';'), ["a=\"x;y\"", "b"]);
    }

    #[test]
    fn a_client_is_local_only_with_a_loopback_address_a_loopback_host_and_no_proxy() {
        let is_local = |peer: Option<&str>, host: &str, list: &[(&str, &str)]| {
            let host = Host::parse(host);
            origin(peer.map(|peer| peer.parse().unwrap()), host.as_ref(), Version::HTTP_11, &headers(list), &[]).is_local
        };
        for (peer, host) in
            [("127.0.0.1", "localhost"), ("127.0.0.1", "127.0.0.1:3000"), ("::1", "[::1]"), ("::ffff:127.0.0.1", "localhost")]
        {
            assert!(is_local(Some(peer), host, &[]), "{peer} {host}");
        }
        assert!(!is_local(None, "localhost", &[]));
        assert!(!is_local(Some("10.0.0.9"), "localhost", &[]));
        assert!(!is_local(Some("127.0.0.1"), "runner.example", &[]));
        assert!(!is_local(Some("127.0.0.1"), "", &[]));
        for name in FORWARDING_HEADERS.into_iter().chain(["x-forwarded-for", "X-Forwarded-Host", "x-forwarded-anything"]) {
            assert!(!is_local(Some("127.0.0.1"), "localhost", &[(name, "127.0.0.1")]), "{name}");
        }
    }

    #[test]
    fn a_trusted_proxy_and_http_1_0_are_never_local_even_without_a_forwarding_header() {
        let proxies: Vec<Network> = vec!["127.0.0.2".parse().unwrap()];
        let is_local = |peer: &str, version: Version| {
            origin(Some(peer.parse().unwrap()), Host::parse("127.0.0.1:3000").as_ref(), version, &HeaderMap::new(), &proxies).is_local
        };
        assert!(is_local("127.0.0.1", Version::HTTP_11));
        assert!(!is_local("127.0.0.2", Version::HTTP_11) && !is_local("::ffff:127.0.0.2", Version::HTTP_11), "the proxy itself");
        assert!(!is_local("127.0.0.1", Version::HTTP_10) && !is_local("127.0.0.1", Version::HTTP_09), "what nginx sends by default");
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_never_believes_an_untrusted_peer(name in "x-forwarded-for|forwarded", text in "[ -~]{0,80}") {
            prop_assert_eq!(client("198.51.100.7", &[(&name, &text)]), "198.51.100.7");
            client("10.1.1.1", &[(&name, &text)]);
        }
    }
}
