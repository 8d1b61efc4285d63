//! Addresses of servers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use reqwest::Url;

/// The address of a server: scheme, host, port and optional path, without a trailing slash, user, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Address {
    url: String,
    is_loopback: bool,
}

/// Why a text is not the address of a server.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum AddressError {
    /// It is no URL of a server.
    #[error("`{0}` is not the address of a server; expected one such as http://127.0.0.1:3000 or localhost:3000")]
    Invalid(String),
    /// It does not say how to connect to another machine.
    #[error("`{0}` has no scheme; write https://{0}, or http://{0} without encryption")]
    NoScheme(String),
}

impl Address {
    /// The URL of a path of the API.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Whether it is an address of this machine's loopback interface.
    pub(in crate::cli) fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// A default name for the server: its host, and its port if there is one.
    pub(in crate::cli) fn host_name(&self) -> String {
        let authority = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest.split('/').next().unwrap_or(rest));
        let letters = authority.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' });
        letters.collect::<String>().trim_matches('-').to_owned()
    }

    /// Whether passwords and tokens would cross a network without encryption.
    pub(in crate::cli) fn is_plaintext(&self) -> bool {
        !self.is_loopback && self.url.starts_with("http://")
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Takes a URL, or for this machine also `localhost:3000`, `127.0.0.1:3000` and `:3000`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let invalid = || AddressError::Invalid(text.to_owned());
        let is_short = !text.contains("://");
        let full = match text.strip_prefix(':') {
            Some(port) => format!("http://localhost:{port}"),
            None if is_short => format!("http://{text}"),
            None => text.to_owned(),
        };
        let url = Url::parse(&full).map_err(|_| invalid())?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        let Some(host) = url.host_str().filter(|_| is_plain && matches!(url.scheme(), "http" | "https")) else { return Err(invalid()) };
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_loopback = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
        if is_short && (url.port().is_none() || !is_loopback) {
            return Err(if url.port().is_some() { AddressError::NoScheme(text.to_owned()) } else { invalid() });
        }
        Ok(Self { url: url.as_str().trim_end_matches('/').to_owned(), is_loopback })
    }
}

impl From<SocketAddr> for Address {
    /// The address at which this machine reaches a server that listens on `listening`; for `0.0.0.0` and `[::]`, the loopback address.
    fn from(listening: SocketAddr) -> Self {
        let ip = match listening.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self { url: format!("http://{}", SocketAddr::new(ip, listening.port())), is_loopback: ip.is_loopback() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalized() {
        for (text, url, is_loopback) in [
            ("http://127.0.0.1:3000/", "http://127.0.0.1:3000", true),
            ("http://LOCALHOST:8090", "http://localhost:8090", true),
            ("http://[::1]:3000", "http://[::1]:3000", true),
            ("https://runner.example.org/team/", "https://runner.example.org/team", false),
            ("localhost:3000", "http://localhost:3000", true),
            ("127.0.0.1:3000", "http://127.0.0.1:3000", true),
            ("[::1]:3000", "http://[::1]:3000", true),
            (":3000", "http://localhost:3000", true),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.is_loopback()), (url, is_loopback), "{text}");
        }
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for text in ["", ":", ":x", "office", "ftp://x", "http://", "http://me:secret@host", "http://host/?a=b", "http://host/#x"] {
            assert!(matches!(text.parse::<Address>(), Err(AddressError::Invalid(_))), "{text}");
        }
    }

    #[test]
    fn the_address_of_another_machine_needs_a_scheme() {
        let error = "runner.example.org:3000".parse::<Address>().unwrap_err().to_string();
        assert!(error.contains("https://runner.example.org:3000"), "{error}");
    }

    #[test]
    fn a_server_on_all_interfaces_is_reached_through_the_loopback_address() {
        let at = |text: &str| Address::from(text.parse::<SocketAddr>().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:8090"), "http://127.0.0.1:8090");
        assert_eq!(at("[::]:8090"), "http://[::1]:8090");
        assert_eq!(at("192.0.2.7:3000"), "http://192.0.2.7:3000");
    }

    #[test]
    fn the_default_name_is_the_host_and_port() {
        let name = |text: &str| text.parse::<Address>().unwrap().host_name();
        assert_eq!(name("https://runner.example.org/team"), "runner.example.org");
        assert_eq!([name("http://127.0.0.1:3000"), name("http://[::1]:3000")], ["127.0.0.1-3000", "1--3000"]);
    }

    #[test]
    fn http_to_another_machine_is_plaintext() {
        let is_plaintext = |text: &str| text.parse::<Address>().unwrap().is_plaintext();
        assert!(is_plaintext("http://192.0.2.7:3000") && !is_plaintext("https://192.0.2.7") && !is_plaintext("http://127.0.0.1:3000"));
    }
}
