//! The URL of a database.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::run::store::ConnectError;
use crate::run::store::connect_error::message;

/// How long connecting to one address may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether and how the server's certificate is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verify {
    /// It is not: the connection is encrypted, if at all, against listeners only.
    No,
    /// With the certificates that this machine trusts, or with those in a file. The name must be that of the host.
    Full(Option<PathBuf>),
}

/// The parts of a URL.
#[derive(Clone, Debug)]
pub(super) struct DatabaseUrl {
    pub(super) config: Config,
    pub(super) verify: Verify,
}

impl FromStr for DatabaseUrl {
    type Err = ConnectError;

    /// Accepts what `libpq` accepts as a URL, with `sslmode` and `sslrootcert`. Without `sslmode`, the certificate of a server on another machine
    /// is verified.
    fn from_str(url: &str) -> Result<Self, ConnectError> {
        let wrong = |problem: &str| ConnectError::Url(problem.to_owned());
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(wrong("must begin with postgres://"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut root, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) if !value.is_empty() => root = Some(PathBuf::from(value.replace("%2F", "/"))),
                _ => rest.push(pair),
            }
        }
        let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        // The driver's message does not contain the password.
        let mut config: Config = url.parse().map_err(|error| ConnectError::Url(message(&error)))?;
        if config.get_hosts().is_empty() {
            return Err(wrong("names no host"));
        }
        let verify = match mode {
            Some("disable") => {
                config.ssl_mode(SslMode::Disable);
                Verify::No
            }
            Some("prefer" | "allow") => {
                config.ssl_mode(SslMode::Prefer);
                Verify::No
            }
            Some("require") if root.is_none() => {
                config.ssl_mode(SslMode::Require);
                Verify::No
            }
            None if root.is_none() && config.get_hosts().iter().all(is_local) => {
                config.ssl_mode(SslMode::Prefer);
                Verify::No
            }
            Some("require" | "verify-full") | None => {
                config.ssl_mode(SslMode::Require);
                Verify::Full(root)
            }
            Some(other) => return Err(wrong(&format!("sslmode={other} is not supported; use verify-full, require, prefer or disable"))),
        };
        config.application_name("openrunner").connect_timeout(CONNECT_TIMEOUT);
        config.keepalives_idle(Duration::from_secs(10)).keepalives_interval(Duration::from_secs(5)).keepalives_retries(3);
        // Of several hosts, the one that can be written.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite).tcp_user_timeout(Duration::from_secs(30));
        Ok(Self { config, verify })
    }
}

/// Whether the host is this machine.
fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> (SslMode, Verify) {
        let parsed: DatabaseUrl = url.parse().unwrap();
        (parsed.config.get_ssl_mode(), parsed.verify)
    }

    #[test]
    fn a_server_on_another_machine_is_verified_unless_the_url_says_otherwise() {
        let full = |root: Option<&str>| (SslMode::Require, Verify::Full(root.map(PathBuf::from)));
        assert_eq!(parsed("postgres://u:p@db.example.org/o"), full(None));
        assert_eq!(parsed("postgresql://db.example.org/o?sslmode=verify-full"), full(None));
        assert_eq!(parsed("postgres://db/o?sslmode=require&sslrootcert=%2Fetc%2Fca.pem"), full(Some("/etc/ca.pem")));
        assert_eq!(parsed("postgres://db,127.0.0.1/o"), full(None), "one of them is another machine");
        assert_eq!(parsed("postgres://db/o?sslmode=require"), (SslMode::Require, Verify::No));
        assert_eq!(parsed("postgres://db/o?sslmode=disable&connect_timeout=3"), (SslMode::Disable, Verify::No));
        for local in ["postgres://127.0.0.1/o", "postgres://localhost/o", "postgres://[::1]:5433/o", "postgres:///o?host=/run/postgresql"] {
            assert_eq!(parsed(local), (SslMode::Prefer, Verify::No), "{local}");
        }
    }

    #[test]
    fn a_wrong_url_is_refused_without_showing_its_password() {
        for wrong in ["", "mysql://u:geheim@h/d", "postgres://u:geheim@h/d?sslmode=maybe", "postgres://u:geheim@h:port/d", "postgres:///d"]
        {
            let error = DatabaseUrl::from_str(wrong).unwrap_err().to_string();
            assert!(error.starts_with("OPENRUNNER_DATABASE_URL: ") && !error.contains("geheim"), "{wrong}: {error}");
        }
    }
}
