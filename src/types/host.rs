//! Hosts and ports that agents may connect to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Port of an entry without one: HTTPS.
const DEFAULT_PORT: u16 = 443;
/// Maximum length of a host name, and of one of its labels (RFC 1035).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A host and a port, in normal form: names in lower case without a trailing dot, addresses as the standard library writes them, IPv4
/// addresses mapped to IPv6 as IPv4 addresses. Two values are equal exactly if they name the same host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

/// Hosts with a port: `example.org:443`, all names below one (`*.example.org:443`), or all (`*:443`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    hosts: Hosts,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Hosts {
    All,
    /// With the leading dot.
    Below(String),
    One(String),
}

/// Why a text is not a host with a port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host and a port, such as `github.com:443`, `*.example.org:443` or `[2001:db8::1]:8443`")]
pub struct BadHost(String);

impl BadHost {
    fn new(text: &str) -> Self {
        Self(text.chars().take(80).collect())
    }
}

impl HostPort {
    /// Reads `host:port`, or `host` if there is a default port. No user, no path, no spaces.
    ///
    /// # Errors
    /// [`BadHost`] if it is anything else.
    pub fn parse(text: &str, default_port: Option<u16>) -> Result<Self, BadHost> {
        let (host, port) = split(text).ok_or_else(|| BadHost::new(text))?;
        let port = port.map_or(Ok(default_port), |port| parse_port(port).map(Some).ok_or(()));
        match (normal_host(host), port) {
            (Some(host), Ok(Some(port))) => Ok(Self { host, port }),
            _ => Err(BadHost::new(text)),
        }
    }

    /// The host: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, at least 1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, if the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl HostPattern {
    /// Whether `target` is one of these hosts, with this port.
    pub fn matches(&self, target: &HostPort) -> bool {
        let is_host = match &self.hosts {
            Hosts::All => true,
            Hosts::Below(suffix) => target.host.ends_with(suffix) && target.address().is_none(),
            Hosts::One(host) => *host == target.host,
        };
        is_host && self.port == target.port
    }

    /// Whether it names exactly `target`.
    pub fn names(&self, target: &HostPort) -> bool {
        matches!(&self.hosts, Hosts::One(_)) && self.matches(target)
    }

    /// Whether everything that it matches is matched by `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        let is_within = match (&self.hosts, &other.hosts) {
            (_, Hosts::All) => true,
            (Hosts::Below(suffix), Hosts::Below(of)) => suffix.ends_with(of),
            (Hosts::One(host), _) => other.matches(&HostPort { host: host.clone(), port: other.port }),
            (Hosts::All, _) | (Hosts::Below(_), Hosts::One(_)) => false,
        };
        is_within && self.port == other.port
    }
}

impl From<HostPort> for HostPattern {
    fn from(HostPort { host, port }: HostPort) -> Self {
        Self { hosts: Hosts::One(host), port }
    }
}

impl FromStr for HostPattern {
    type Err = BadHost;

    fn from_str(text: &str) -> Result<Self, BadHost> {
        let bad = || BadHost::new(text);
        let Some(rest) = text.strip_prefix('*') else { return HostPort::parse(text, Some(DEFAULT_PORT)).map(Self::from) };
        let (suffix, port) = match rest.split_once(':') {
            Some((suffix, port)) => (suffix, parse_port(port).ok_or_else(bad)?),
            None => (rest, DEFAULT_PORT),
        };
        if suffix.is_empty() {
            return Ok(Self { hosts: Hosts::All, port });
        }
        let name = suffix.strip_prefix('.').and_then(normal_host).filter(|name| name.parse::<IpAddr>().is_err());
        Ok(Self { hosts: Hosts::Below(format!(".{}", name.ok_or_else(bad)?)), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_host(f, &self.host, self.port)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Hosts::All => write!(f, "*:{}", self.port),
            Hosts::Below(suffix) => write!(f, "*{suffix}:{}", self.port),
            Hosts::One(host) => write_host(f, host, self.port),
        }
    }
}

fn write_host(f: &mut fmt::Formatter<'_>, host: &str, port: u16) -> fmt::Result {
    if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The host, still with brackets, and the port as written.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if text.starts_with('[') {
        let (host, rest) = text.split_at(text.find(']')? + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match text.split_once(':') {
        // An IPv6 address needs brackets: otherwise its last part could be a port.
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
        None => Some((text, None)),
    }
}

/// Digits only: the parser of the standard library accepts a sign.
fn parse_port(text: &str) -> Option<u16> {
    let is_number = !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port != 0)
}

/// The normal form of a host. `None` if it is not a host, or an address in a notation that programs read differently, such as `0x7f.1`.
fn normal_host(text: &str) -> Option<String> {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().ok().map(|address| address.to_canonical().to_string());
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if name.len() > MAX_NAME || !name.split('.').all(is_label) {
        return None;
    }
    // As the URL standard: a name whose last label is a number is an address.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_number {
        return name.parse::<Ipv4Addr>().ok().map(|address| address.to_string());
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    //! Rules: G4.

    use proptest::prelude::*;

    use super::*;

    fn host(text: &str) -> Option<String> {
        HostPort::parse(text, None).ok().map(|host| host.to_string())
    }

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    #[test]
    fn spellings_of_one_host_have_one_normal_form() {
        for (text, expected) in [
            ("GitHub.com:443", "github.com:443"),
            ("github.com.:443", "github.com:443"),
            ("github.com:0443", "github.com:443"),
            ("[::FFFF:127.0.0.1]:80", "127.0.0.1:80"),
            ("[0:0:0:0:0:0:0:1]:80", "[::1]:80"),
            ("a_b.example:1", "a_b.example:1"),
        ] {
            assert_eq!(host(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_host_with_a_port_is_rejected() {
        for text in [
            "",
            ":",
            ":443",
            "a",
            "a:",
            "a:0",
            "a:65536",
            "a:+443",
            "a:-1",
            "a: 443",
            "a:443 ",
            " a:443",
            "a:4 43",
            "a:443:443",
            "a:443/",
            "a/b:443",
            "u@a:443",
            "u:p@a:443",
            "a@b:443",
            "a..b:443",
            ".a:443",
            "a..:443",
            "a%2eb:443",
            "a\r\n:443",
            "a\0:443",
            "ä.example:443",
            "*:443",
            "::1:443",
            "[::1]",
            "[::1]443",
            "[::1:443",
            "[::1%25eth0]:443",
            "[127.0.0.1]:443",
            "[a]:443",
            "0x7f.1:80",
            "2130706433:80",
            "127.1:80",
            "0177.0.0.1:80",
            "1.2.3.4.5:80",
            "0x7f000001:80",
            "a.0x1:80",
            "a,b:443",
            "a?b:443",
            "a#b:443",
            "a\\b:443",
        ] {
            assert_eq!(host(text), None, "{text:?}");
        }
        assert_eq!(host(&format!("{}:443", "a".repeat(64))), None);
        assert_eq!(host(&format!("{}a:443", "a.".repeat(127))), None);
    }

    #[test]
    fn a_pattern_matches_a_host_the_names_below_one_or_all_with_its_port() {
        let target = |text: &str| HostPort::parse(text, None).unwrap();
        assert!(pattern("github.com").matches(&target("github.com:443")));
        assert!(!pattern("github.com").matches(&target("github.com:80")));
        assert!(!pattern("github.com").matches(&target("github.com.evil.example:443")));
        assert!(pattern("*.example.org").matches(&target("a.b.example.org:443")));
        for other in ["example.org:443", "evilexample.org:443", "a.example.org:80"] {
            assert!(!pattern("*.example.org").matches(&target(other)), "{other}");
        }
        assert!(pattern("*:80").matches(&target("10.0.0.1:80")) && !pattern("*:80").names(&target("10.0.0.1:80")));
        assert!(pattern("[::1]:80").names(&target("[::1]:80")));
        for text in ["**", "*a.example", "*.", "*.1", "*.a..b", "*:0", "a.*.example", "*.*.example"] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_is_within_another_if_it_matches_nothing_else() {
        for (one, other, expected) in [
            ("github.com", "github.com", true),
            ("github.com", "*", true),
            ("*.github.com", "*", true),
            ("api.github.com", "*.github.com", true),
            ("*.api.github.com", "*.github.com", true),
            ("github.com", "*.github.com", false),
            ("*.github.com", "*.api.github.com", false),
            ("*.evilgithub.com", "*.github.com", false),
            ("*", "*.github.com", false),
            ("*.github.com", "github.com", false),
            ("github.com:22", "github.com", false),
        ] {
            assert_eq!(pattern(one).is_within(&pattern(other)), expected, "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_is_read_as_itself(text in "[a-zA-Z0-9.:\\[\\]_-]{1,24}") {
            if let Ok(host) = HostPort::parse(&text, None) {
                prop_assert_eq!(HostPort::parse(&host.to_string(), None), Ok(host));
            }
        }

        #[test]
        fn any_text_is_a_plain_host_or_rejected(text in any::<String>()) {
            if let Ok(host) = HostPort::parse(&text, Some(443)) {
                prop_assert!(host.host().bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte)));
                prop_assert!(host.host().to_ascii_lowercase() == host.host());
            }
        }
    }
}
