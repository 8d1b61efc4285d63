//! Items of settings that are lists. Each item is checked when it is read.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Why a value was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct BadItem {
    text: String,
    expected: &'static str,
}

impl BadItem {
    /// Rejects `text`, where `expected` is accepted.
    pub(super) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.to_owned(), expected }
    }
}

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadItem;

            fn from_str(text: &str) -> Result<Self, BadItem> {
                let check: fn(&str) -> Option<String> = $check;
                check(text).map(Self).ok_or_else(|| BadItem::new(text, $expected))
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadItem;

            fn try_from(text: String) -> Result<Self, BadItem> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_text! {
    /// A host name that clients may use in `Host`: lower case, without scheme and port. An IPv6 address is in brackets.
    HostName, host_name, "a host name without scheme, port or path, such as `runner.example.org`"
}

checked_text! {
    /// An origin as browsers send it: `https://console.example.org`, with the port unless it is the default of the scheme. Apps and browser
    /// extensions have schemes of their own: `app://obsidian.md`, `chrome-extension://…`.
    Origin, origin, "an origin such as `https://console.example.org`, `http://localhost:5173` or `app://obsidian.md`"
}

checked_text! {
    /// The path below which a proxy offers the server: `/openrunner`.
    BasePath, base_path, "a path such as `/openrunner`: letters, digits, `-`, `_`, `.` and `/`, which is its first and not its last character"
}

checked_text! {
    /// Name of an account of this machine.
    AccountName, account_name, "the name of an account"
}

checked_text! {
    /// Name of an environment variable that may be passed to agents. Never one that holds a secret of this server.
    VariableName, variable_name, "the name of a variable that may be passed to agents (`OPENRUNNER_…`, `DATABASE_URL`, `PG…` and `NATS_…` never are)"
}

fn host_name(text: &str) -> Option<String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let is_name = !text.is_empty() && text.bytes().all(allowed);
    let is_bracketed =
        text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok());
    (is_name || is_bracketed).then(|| text.to_ascii_lowercase())
}

fn origin(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let mut letters = scheme.bytes();
    let is_scheme = letters.next().is_some_and(|b| b.is_ascii_lowercase())
        && letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.'));
    // Content that any page or program can supply, and schemes whose pages send no origin.
    if !is_scheme || matches!(scheme, "file" | "data" | "blob" | "javascript" | "about" | "ftp" | "ws" | "wss") {
        return None;
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => port.parse::<u16>().ok().map(|_port| host)?,
        _ => authority,
    };
    host_name(host)?;
    Some(text)
}

fn base_path(text: &str) -> Option<String> {
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..") && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    text.strip_prefix('/').is_some_and(|path| path.split('/').all(is_segment)).then(|| text.to_owned())
}

fn account_name(text: &str) -> Option<String> {
    let is_name = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b':' | b'/'));
    is_name.then(|| text.to_owned())
}

fn variable_name(text: &str) -> Option<String> {
    let is_name = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let upper = text.to_ascii_uppercase();
    let is_reserved = upper == "DATABASE_URL" || ["OPENRUNNER_", "PG", "NATS_"].iter().any(|prefix| upper.starts_with(prefix));
    (is_name && !is_reserved).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    //! Rules: S7.

    use super::*;

    #[test]
    fn a_host_name_has_neither_scheme_nor_port() {
        assert_eq!("Runner.Example.org".parse::<HostName>().unwrap().as_str(), "runner.example.org");
        assert!("[fe80::1]".parse::<HostName>().is_ok());
        for invalid in ["", "http://a", "a:80", "a/b", "*", "a b", "[x]", "ä.example"] {
            assert!(invalid.parse::<HostName>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_and_never_a_wildcard() {
        for valid in [
            "https://a.example",
            "http://localhost:5173",
            "http://[::1]:8080",
            "http://[::1]",
            "app://obsidian.md",
            "capacitor://localhost",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "moz-extension://0a1b2c3d-0000-4000-8000-000000000000",
        ] {
            assert_eq!(valid.parse::<Origin>().unwrap().as_str(), valid);
        }
        for invalid in [
            "*",
            "null",
            "a.example",
            "https://",
            "https://*",
            "https://a/",
            "ftp://a",
            "file://",
            "file://a",
            "data://a",
            "app:obsidian.md",
            "app://*",
            "a b://c",
            "://a",
            "https://a:99999",
            "https://u@a",
        ] {
            assert!(invalid.parse::<Origin>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_base_path_has_segments_and_no_slash_at_its_end() {
        for valid in ["/openrunner", "/a/b-c_d.e"] {
            assert_eq!(valid.parse::<BasePath>().unwrap().as_str(), valid);
        }
        for invalid in ["", "/", "openrunner", "/a/", "//a", "/a//b", "/a/../b", "/.", "/a?b", "/a%20b", "/\u{e4}", "http://a/b"] {
            assert!(invalid.parse::<BasePath>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn no_setting_passes_a_secret_of_the_server_to_an_agent() {
        assert!("HTTPS_PROXY".parse::<VariableName>().is_ok());
        for invalid in ["", "A B", "1A", "A=B", "OPENRUNNER_JWT_SECRET", "openrunner_x", "DATABASE_URL", "PGPASSWORD", "NATS_URL"] {
            assert!(invalid.parse::<VariableName>().is_err(), "{invalid}");
        }
    }
}
