//! From where sessions may clone repositories (rules S9 and C3).

use std::net::SocketAddr;
use std::path::PathBuf;

use reqwest::Url;

use super::webhooks::AddressGuard;
use crate::types::{HostPattern, HostPort};
use crate::workspace::Remote;

/// Maximum length of a URL, in bytes.
const MAX_URL: usize = 2048;

/// The operator's rules for clones.
#[derive(Clone, Debug)]
pub struct GitHosts {
    /// The hosts from which repositories may be cloned; empty for none.
    pub hosts: Vec<HostPattern>,
    /// The addresses that the hosts may have.
    pub guard: AddressGuard,
    /// The program that knows the credentials, in the form of git's credential helpers.
    pub credentials: Option<PathBuf>,
    /// Whether branches of sessions may be pushed.
    pub may_push: bool,
}

impl Default for GitHosts {
    fn default() -> Self {
        Self { hosts: Vec::new(), guard: AddressGuard::new(Vec::new(), |_| false), credentials: None, may_push: false }
    }
}

/// Why a repository may not be cloned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRemote {
    /// It is no URL of a repository.
    #[error("must be a URL such as https://github.com/owner/repository, without user, password, query and fragment")]
    Url,
    /// The protocol is not encrypted.
    #[error("must begin with https://; http:// is permitted only for hosts in OPENRUNNER_GIT_PRIVATE")]
    Protocol,
    /// The operator does not permit the host.
    #[error("the server may not clone from {0}; the operator permits hosts with OPENRUNNER_GIT_HOSTS")]
    Host(String),
    /// The address is not on the public internet.
    #[error("the host has a private or local address; the operator can permit it with OPENRUNNER_GIT_PRIVATE")]
    Private,
    /// The host was not found.
    #[error("the host cannot be resolved")]
    Unresolved,
}

impl GitHosts {
    /// Checks a URL as far as that is possible without resolving its host. Returns it in normal form.
    ///
    /// # Errors
    /// [`BadRemote`].
    pub(super) fn check(&self, url: &str) -> Result<Url, BadRemote> {
        if url.len() > MAX_URL || url.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(BadRemote::Url);
        }
        let url = Url::parse(url).map_err(|_| BadRemote::Url)?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        if !is_plain || !matches!(url.scheme(), "https" | "http") {
            return Err(BadRemote::Url);
        }
        // Git would take a name with a dot at its end for another one, and resolve it again.
        if url.host_str().is_none_or(|host| host.ends_with('.')) {
            return Err(BadRemote::Url);
        }
        let host = host_of(&url).ok_or(BadRemote::Url)?;
        if !self.hosts.iter().any(|pattern| pattern.matches(&host)) {
            return Err(BadRemote::Host(host.to_string()));
        }
        if !self.guard.allows_url(&url) {
            return Err(BadRemote::Private);
        }
        if url.scheme() == "http" && !self.guard.names(&url) {
            return Err(BadRemote::Protocol);
        }
        Ok(url)
    }

    /// Checks a URL and resolves its host.
    ///
    /// # Errors
    /// [`BadRemote`].
    pub(super) async fn remote(&self, url: &str) -> Result<Remote, BadRemote> {
        let url = self.check(url)?;
        let host = host_of(&url).ok_or(BadRemote::Url)?;
        let addresses: Vec<SocketAddr> =
            tokio::net::lookup_host((host.host(), host.port())).await.map_err(|_| BadRemote::Unresolved)?.collect();
        if addresses.is_empty() {
            return Err(BadRemote::Unresolved);
        }
        let addresses = self.guard.check(host.host(), addresses).map_err(|_| BadRemote::Private)?;
        let protocol = if url.scheme() == "https" { "https" } else { "http" };
        let name = host.address().is_none().then(|| host.to_string());
        Ok(Remote { url: url.to_string(), protocol, host: name, addresses, credentials: self.credentials.clone() })
    }
}

fn host_of(url: &Url) -> Option<HostPort> {
    HostPort::parse(url.host_str()?, url.port_or_known_default()).ok()
}

#[cfg(test)]
mod tests {
    //! Rules: C3, S9.

    use std::net::Ipv4Addr;

    use super::*;

    fn hosts(patterns: &[&str]) -> GitHosts {
        let guard = AddressGuard::new(vec!["git.internal".into()], |address| address == Ipv4Addr::new(10, 0, 0, 7));
        GitHosts { hosts: patterns.iter().map(|pattern| pattern.parse().unwrap()).collect(), guard, ..GitHosts::default() }
    }

    #[test]
    fn only_plain_urls_of_permitted_hosts_are_cloned() {
        let hosts = hosts(&[
            "github.com",
            "github.com:80",
            "*.example.org",
            "git.internal:8080",
            "10.0.0.7:80",
            "10.0.0.8",
            "127.0.0.1",
            "localhost",
        ]);
        for url in [
            "https://github.com/owner/repository",
            "https://GitHub.com:443/owner/repository.git",
            "https://git.example.org/x",
            "http://git.internal:8080/x",
            "http://10.0.0.7/x",
        ] {
            assert!(hosts.check(url).is_ok(), "{url}");
        }
        for (url, expected) in [
            ("ssh://github.com/x", BadRemote::Url),
            ("git://github.com/x", BadRemote::Url),
            ("file:///etc", BadRemote::Url),
            ("ext::sh -c id", BadRemote::Url),
            ("git@github.com:owner/repository", BadRemote::Url),
            ("/srv/repository", BadRemote::Url),
            ("--upload-pack=id", BadRemote::Url),
            ("https://user:secret@github.com/x", BadRemote::Url),
            ("https://token@github.com/x", BadRemote::Url),
            ("https://github.com/x?token=secret", BadRemote::Url),
            ("https://github.com/x#y", BadRemote::Url),
            ("https://github.com./x", BadRemote::Url),
            ("https://github.com/a b", BadRemote::Url),
            ("https://github.com/a\nb", BadRemote::Url),
            ("http://github.com/x", BadRemote::Protocol),
            ("https://github.com:8443/x", BadRemote::Host("github.com:8443".into())),
            ("https://github.com.evil.org/x", BadRemote::Host("github.com.evil.org:443".into())),
            ("https://example.org/x", BadRemote::Host("example.org:443".into())),
            ("https://10.0.0.8/x", BadRemote::Private),
            ("https://127.0.0.1/x", BadRemote::Private),
            ("https://localhost/x", BadRemote::Private),
        ] {
            assert_eq!(hosts.check(url), Err(expected), "{url}");
        }
        assert!(matches!(GitHosts::default().check("https://github.com/x"), Err(BadRemote::Host(_))), "none by default");
    }

    #[tokio::test]
    async fn a_permitted_name_with_a_private_address_is_refused_when_it_is_resolved() {
        let hosts = GitHosts { hosts: vec!["*:443".parse().unwrap()], ..GitHosts::default() };
        // Not recognized as a local name, and resolved without a network.
        let url = "https://127.0.0.1.:443/x";
        assert!(hosts.remote(url).await.is_err());
        let own = AddressGuard::new(Vec::new(), |_| false);
        assert!(own.check("git.example.org", vec![SocketAddr::from(([192, 168, 0, 1], 443))]).is_err());
    }
}
