//! The host that a request is addressed to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

/// The host that a request is addressed to, without the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// A name in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// The host of a request: a single valid `Host` header, which must match the request line if that names a host as well.
    pub(super) fn from_request(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let host = Self::parse(single(headers, &header::HOST)?.to_str().ok()?)?;
        match uri.authority() {
            Some(authority) if Self::parse(authority.as_str()).as_ref() != Some(&host) => None,
            _ => Some(host),
        }
    }

    /// Parses `host` or `host:port`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, after) = rest.split_once(']')?;
            (Self::Address(IpAddr::V6(address.parse().ok()?)), after)
        } else {
            let (name, after) = text.split_at(text.find(':').unwrap_or(text.len()));
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
            let address = name.parse::<Ipv4Addr>().map(|address| Self::Address(IpAddr::V4(address)));
            let host = address.unwrap_or_else(|_error| Self::Name(name.to_ascii_lowercase()));
            (is_name.then_some(host)?, after)
        };
        let is_valid_port = port.is_empty()
            || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
        is_valid_port.then_some(host)
    }

    /// Whether the host is this machine's loopback interface.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost",
            Self::Address(address) => is_loopback(*address),
        }
    }

    /// Whether the host is one that every server answers to: `localhost`, `127.0.0.1` or `[::1]`.
    pub(super) fn is_standard_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost",
            Self::Address(address) => [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(address),
        }
    }
}

/// Whether an address is loopback, including IPv4 addresses mapped to IPv6 (`::ffff:127.0.0.1`), which dual-stack sockets report.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The value of a header that is present exactly once.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_first| values.next().is_none())
}

#[cfg(test)]
mod tests {
    //! Rules: D2, I1.

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mapped_ipv4_loopback_addresses_are_loopback() {
        for address in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert!(is_loopback(address.parse().unwrap()), "{address}");
        }
        for address in ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "0.0.0.0", "::"] {
            assert!(!is_loopback(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn invalid_hosts_are_rejected() {
        for text in [
            "",
            ":",
            "localhost:",
            "localhost:x",
            "localhost:99999",
            "localhost:+80",
            "a@localhost",
            "localhost,evil",
            "[::1",
            "[::1]x",
            "[localhost]",
            "::1",
            "localhost/",
        ] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_only_this_machines_names_are_loopback(text in "\\PC{0,60}") {
            if let Some(Host::Name(name)) = Host::parse(&text) {
                prop_assert_eq!(Host::Name(name.clone()).is_loopback(), name == "localhost");
            }
        }
    }
}
