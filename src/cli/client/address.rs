//! Addresses of servers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use reqwest::Url;

/// Where a server is: scheme, host, port and perhaps a path, without a slash at the end. Never with a user, a query or a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Address {
    url: String,
    is_loopback: bool,
}

/// Why a text is not the address of a server.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the address of a server; give one such as http://127.0.0.1:3000")]
pub(in crate::cli) struct BadAddress(String);

impl Address {
    /// The address with a path of the API behind it.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Whether the server is on this machine.
    pub(in crate::cli) fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// A name for the server, made from its host and, where there is one, its port.
    pub(in crate::cli) fn host_name(&self) -> String {
        let authority = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest.split('/').next().unwrap_or(rest));
        let letters = authority.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' });
        letters.collect::<String>().trim_matches('-').to_owned()
    }

    /// Whether what is sent there can be read on the way.
    pub(in crate::cli) fn is_readable_on_the_way(&self) -> bool {
        !self.is_loopback && self.url.starts_with("http://")
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(text.to_owned());
        let url = Url::parse(text).map_err(|_| bad())?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        let Some(host) = url.host_str().filter(|_| is_plain && matches!(url.scheme(), "http" | "https")) else { return Err(bad()) };
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_loopback = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
        Ok(Self { url: url.as_str().trim_end_matches('/').to_owned(), is_loopback })
    }
}

impl From<SocketAddr> for Address {
    /// Where a server on this machine is reached that listens there: one that listens on every network is on the loopback one, too.
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
    fn an_address_is_kept_without_the_slash_at_its_end() {
        for (text, url, is_loopback) in [
            ("http://127.0.0.1:3000/", "http://127.0.0.1:3000", true),
            ("http://LOCALHOST:8090", "http://localhost:8090", true),
            ("http://[::1]:3000", "http://[::1]:3000", true),
            ("https://runner.example.org/team/", "https://runner.example.org/team", false),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.is_loopback()), (url, is_loopback));
        }
    }

    #[test]
    fn what_is_no_address_of_a_server_is_refused() {
        for text in ["", "office", "127.0.0.1:3000", "ftp://x", "http://", "http://me:secret@host", "http://host/?a=b", "http://host/#x"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_server_on_every_network_is_reached_on_this_machine() {
        let at = |text: &str| Address::from(text.parse::<SocketAddr>().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:8090"), "http://127.0.0.1:8090");
        assert_eq!(at("[::]:8090"), "http://[::1]:8090");
        assert_eq!(at("192.0.2.7:3000"), "http://192.0.2.7:3000");
    }

    #[test]
    fn a_name_is_made_from_the_host() {
        let name = |text: &str| text.parse::<Address>().unwrap().host_name();
        assert_eq!(name("https://runner.example.org/team"), "runner.example.org");
        assert_eq!([name("http://127.0.0.1:3000"), name("http://[::1]:3000")], ["127.0.0.1-3000", "1--3000"]);
    }

    #[test]
    fn a_password_over_plain_http_to_another_machine_can_be_read() {
        let readable = |text: &str| text.parse::<Address>().unwrap().is_readable_on_the_way();
        assert!(readable("http://192.0.2.7:3000") && !readable("https://192.0.2.7") && !readable("http://127.0.0.1:3000"));
    }
}
