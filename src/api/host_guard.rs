//! The door: which requests are looked at further, decided before anyone asks for a token.
//!
//! A web page can make the browser of someone on this machine send requests here, and can rebind its own name to 127.0.0.1. What such a
//! request cannot do is lie about `Host`, `Origin` and `Sec-Fetch-Site`, or send JSON without asking first. [`judge`] decides on these
//! alone, as a pure function.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::ApiError;
use super::authn::Peer;
use super::client_origin::{ClientAddress, is_forwarded};
use super::cors;
use super::extract::{is_json, not_json};
use crate::auth::PeerFacts;
use crate::config::{HostName, Network, Origin};

/// Address of the connection that a request came by. The accept loop puts it into the request; without one the peer counts as remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// What the operator's settings allow at the door.
#[derive(Clone, Debug)]
pub struct HostPolicy {
    bind_is_loopback: bool,
    hosts: HashSet<String>,
    origins: HashSet<String>,
    proxies: Vec<Network>,
}

impl HostPolicy {
    /// The policy of a server that listens on `bind` and goes by the names of `hosts`, for pages of `origins`.
    pub fn new(bind: IpAddr, hosts: &[HostName], origins: &[Origin]) -> Self {
        Self {
            bind_is_loopback: PeerFacts::address_is_loopback(bind),
            hosts: hosts.iter().map(|host| host.as_str().to_owned()).collect(),
            origins: origins.iter().map(|origin| origin.as_str().to_owned()).collect(),
            proxies: Vec::new(),
        }
    }

    /// The same policy for a server that listens on `port`: on this machine alone, the console's own page may call it under the names
    /// that this machine has for itself. Of any other name only the operator can know that it leads here and nowhere else.
    #[must_use]
    pub fn listening_on(mut self, port: u16) -> Self {
        if self.bind_is_loopback {
            self.origins.extend(["localhost", "127.0.0.1", "[::1]"].map(|host| format!("http://{host}:{port}")));
        }
        self
    }

    /// The same policy, behind `proxies`: what their headers say of the client is believed.
    #[must_use]
    pub fn behind(self, proxies: &[Network]) -> Self {
        Self { proxies: proxies.to_vec(), ..self }
    }

    /// The proxies whose headers are believed.
    pub(super) fn proxies(&self) -> &[Network] {
        &self.proxies
    }

    /// "The origin is the host" would prove nothing: of a rebound page both are its own name. So only the list counts.
    fn lists(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.origins.contains(&origin.to_ascii_lowercase()))
    }

    /// A page that rebinds its name carries that name, so names are from a list. An address cannot be rebound: where the server listens
    /// to the network, any will do.
    fn serves(&self, host: &Host) -> bool {
        match host {
            Host::Name(name) => name == "localhost" || self.hosts.contains(name),
            Host::Address(address) => {
                let is_ours = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(address);
                is_ours || !self.bind_is_loopback || self.hosts.contains(&bracketed(*address))
            }
        }
    }
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// Whom a request is addressed to, without the port.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Name(String),
    Address(IpAddr),
}

impl Host {
    /// Reads `host` or `host:port`. `None` for anything else.
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, after) = rest.split_once(']')?;
            (Self::Address(IpAddr::V6(address.parse().ok()?)), after)
        } else {
            let (name, after) = text.split_at(text.find(':').unwrap_or(text.len()));
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
            let address = name.parse::<Ipv4Addr>().map(|address| Self::Address(IpAddr::V4(address)));
            let host = address.unwrap_or_else(|_not_one| Self::Name(name.to_ascii_lowercase()));
            (is_name.then_some(host)?, after)
        };
        let port_is_fine = port.is_empty()
            || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
        port_is_fine.then_some(host)
    }

    fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost",
            Self::Address(address) => PeerFacts::address_is_loopback(*address),
        }
    }
}

/// What the decision is made from.
struct RequestFacts<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    has_body: bool,
}

impl RequestFacts<'_> {
    /// Whom the request is addressed to: the `Host` header, said once, and the same in the request line where that names one as well.
    fn host(&self) -> Option<Host> {
        let host = Host::parse(self.single(&header::HOST)?.to_str().ok()?)?;
        match self.uri.authority() {
            Some(authority) if Host::parse(authority.as_str()).as_ref() != Some(&host) => None,
            _ => Some(host),
        }
    }

    fn single(&self, name: &HeaderName) -> Option<&HeaderValue> {
        let mut values = self.headers.get_all(name).iter();
        values.next().filter(|_first| values.next().is_none())
    }

    /// The console's files are the same for everyone, and a browser names an origin when it asks for a module, even if the page is this
    /// server's own under a name that is not listed. That page must come up to say what to do about it. A page of elsewhere still cannot
    /// use them: it is not told that it may.
    fn is_console_file(&self) -> bool {
        matches!(*self.method, Method::GET | Method::HEAD) && self.uri.path().starts_with("/console/")
    }

    fn changes_state(&self) -> bool {
        !matches!(*self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    /// Whoever comes by a proxy is never on this machine, even if the proxy is believed and says so: one that is set up a little wrong
    /// would hand the default passwords to everyone.
    fn peer(&self, client: ClientAddress, host: &Host) -> PeerFacts {
        PeerFacts { peer_is_loopback: client.is_loopback(), host_is_loopback: host.is_loopback(), forwarded: is_forwarded(self.headers) }
    }
}

/// Why a request is not looked at further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Host,
    Origin,
    CrossSite,
    NotJson,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Host => Self::new(
                StatusCode::MISDIRECTED_REQUEST,
                "host_not_served",
                "this server does not go by the name in `Host`: use localhost or 127.0.0.1, or add the name to OPENRUNNER_ALLOWED_HOSTS",
            ),
            Refusal::Origin => Self::new(
                StatusCode::FORBIDDEN,
                "origin_not_allowed",
                "pages of this origin may not call this server: add the origin to OPENRUNNER_ALLOWED_ORIGINS if they should",
            ),
            Refusal::CrossSite => {
                Self::new(StatusCode::FORBIDDEN, "cross_site", "a page of another site may not change anything on this server")
            }
            Refusal::NotJson => not_json(),
        }
    }
}

/// Decides whether a request is looked at further, and for whom it is meant.
fn judge(facts: &RequestFacts<'_>, policy: &HostPolicy) -> Result<Host, Refusal> {
    let host = facts.host().filter(|host| policy.serves(host)).ok_or(Refusal::Host)?;
    if !facts.is_console_file() && !facts.headers.get_all(header::ORIGIN).iter().all(|origin| policy.lists(origin)) {
        return Err(Refusal::Origin);
    }
    if facts.changes_state() {
        let is_cross_site = |site: &HeaderValue| site.as_bytes().eq_ignore_ascii_case(b"cross-site");
        let from_listed_origin = facts.headers.contains_key(header::ORIGIN);
        if !from_listed_origin && facts.headers.get_all("sec-fetch-site").iter().any(is_cross_site) {
            return Err(Refusal::CrossSite);
        }
        // A page may send a form or plain text without asking; JSON it may not.
        if facts.has_body && !is_json(facts.headers) {
            return Err(Refusal::NotJson);
        }
    }
    Ok(host)
}

/// Lets a request through with [`PeerFacts`] attached, or answers with the refusal. A browser's question on behalf of a listed origin is
/// answered here, since it comes without a token.
pub(super) async fn guard(State(policy): State<Arc<HostPolicy>>, mut request: Request, next: Next) -> Response {
    let facts = RequestFacts {
        method: request.method(),
        uri: request.uri(),
        headers: request.headers(),
        has_body: !request.body().is_end_stream(),
    };
    match judge(&facts, &policy) {
        Ok(host) => {
            let origin = request.headers().get(header::ORIGIN).filter(|origin| policy.lists(origin)).cloned();
            let is_preflight = cors::is_preflight(request.method(), request.headers());
            let peer = facts.peer(request.extensions().get().copied().unwrap_or_default(), &host);
            request.extensions_mut().insert(Peer(peer));
            match origin {
                Some(origin) if is_preflight => cors::preflight(origin),
                Some(origin) => cors::allow(next.run(request).await, origin),
                None => next.run(request).await,
            }
        }
        Err(refusal) => ApiError::from(refusal).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::client_origin::FORWARDING_HEADERS;
    use super::*;

    fn policy(bind: &str) -> HostPolicy {
        HostPolicy::new(bind.parse().unwrap(), &["runner.example".parse().unwrap()], &["https://console.example".parse().unwrap()])
    }

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    fn verdict(bind: &str, method: &Method, uri: &str, list: &[(&str, &str)], has_body: bool) -> Result<(), Refusal> {
        let (uri, headers) = (uri.parse().unwrap(), headers(list));
        judge(&RequestFacts { method, uri: &uri, headers: &headers, has_body }, &policy(bind)).map(drop)
    }

    fn host_verdict(bind: &str, host: &str) -> Result<(), Refusal> {
        verdict(bind, &Method::GET, "/health", &[("host", host)], false)
    }

    #[test]
    fn d2_on_loopback_only_this_machines_names_and_configured_ones_are_served() {
        for bind in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            for host in
                ["localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:3000", "[::1]", "[::1]:65535", "runner.example", "Runner.Example:80"]
            {
                assert_eq!(host_verdict(bind, host), Ok(()), "{bind} {host}");
            }
            for host in [
                "evil.example",
                "evil.example:3000",
                "10.0.0.1",
                "0.0.0.0",
                "[fe80::1]",
                "localhost.evil.example",
                "127.0.0.1.evil.example",
            ] {
                assert_eq!(host_verdict(bind, host), Err(Refusal::Host), "{bind} {host}");
            }
        }
    }

    #[test]
    fn d2_on_the_network_any_address_is_served_but_no_other_name() {
        for bind in ["0.0.0.0", "10.0.0.1", "::"] {
            for host in ["localhost:8090", "10.0.0.1:8090", "[2001:db8::1]:8090", "runner.example"] {
                assert_eq!(host_verdict(bind, host), Ok(()), "{bind} {host}");
            }
            for host in ["evil.example", "10.0.0.1.evil.example", "0x7f000001", "localhost."] {
                assert_eq!(host_verdict(bind, host), Err(Refusal::Host), "{bind} {host}");
            }
        }
    }

    #[test]
    fn d2_a_host_that_is_missing_doubled_or_not_one_is_refused() {
        for host in [
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
            assert_eq!(host_verdict("127.0.0.1", host), Err(Refusal::Host), "{host}");
        }
        assert_eq!(verdict("127.0.0.1", &Method::GET, "/", &[], false), Err(Refusal::Host));
        assert_eq!(verdict("127.0.0.1", &Method::GET, "/", &[("host", "localhost"), ("host", "localhost")], false), Err(Refusal::Host));
    }

    #[test]
    fn d2_the_request_line_cannot_name_another_host() {
        let host = [("host", "localhost:3000")];
        assert_eq!(verdict("127.0.0.1", &Method::GET, "http://localhost:3000/health", &host, false), Ok(()));
        assert_eq!(verdict("127.0.0.1", &Method::GET, "http://evil.example/health", &host, false), Err(Refusal::Host));
    }

    #[test]
    fn d3_only_listed_origins_and_programs_pass() {
        let origin = |origin: &str| verdict("127.0.0.1", &Method::GET, "/health", &[("host", "localhost:3000"), ("origin", origin)], false);
        assert_eq!(host_verdict("127.0.0.1", "localhost:3000"), Ok(()));
        assert_eq!(origin("https://console.example"), Ok(()));
        assert_eq!(origin("https://Console.example"), Ok(()));
        for refused in [
            "null",
            "",
            "http://localhost:3000",
            "https://evil.example",
            "http://console.example",
            "https://console.example.evil",
            "https://console.example:444",
        ] {
            assert_eq!(origin(refused), Err(Refusal::Origin), "{refused}");
        }
        let both = [("host", "localhost"), ("origin", "https://console.example"), ("origin", "https://evil.example")];
        assert_eq!(verdict("127.0.0.1", &Method::GET, "/", &both, false), Err(Refusal::Origin));
    }

    #[test]
    fn d3_an_origin_that_equals_the_host_proves_nothing() {
        let rebound = [("host", "evil.example:3000"), ("origin", "http://evil.example:3000")];
        assert_eq!(verdict("127.0.0.1", &Method::GET, "/", &rebound, false), Err(Refusal::Host));
        let own = [("host", "127.0.0.1:3000"), ("origin", "http://127.0.0.1:3000")];
        assert_eq!(verdict("127.0.0.1", &Method::POST, "/", &own, false), Err(Refusal::Origin));
    }

    #[test]
    fn d3_the_consoles_files_come_under_any_origin_and_nothing_else_does() {
        let foreign = [("host", "localhost:3000"), ("origin", "http://elsewhere.example:3000")];
        let verdict = |method: Method, uri: &str| verdict("127.0.0.1", &method, uri, &foreign, false);
        assert_eq!(verdict(Method::GET, "/console/0/app/main.js"), Ok(()));
        for (method, uri) in
            [(Method::POST, "/console/0/app/main.js"), (Method::GET, "/"), (Method::GET, "/consoles/x"), (Method::GET, "/api/console/x")]
        {
            assert_eq!(verdict(method, uri), Err(Refusal::Origin), "{uri}");
        }
        let rebound = [("host", "evil.example:3000"), ("origin", "http://evil.example:3000")];
        assert_eq!(self::verdict("127.0.0.1", &Method::GET, "/console/0/app/main.js", &rebound, false), Err(Refusal::Host));
    }

    #[test]
    fn d3_on_loopback_the_consoles_own_page_may_call_from_its_own_port() {
        let passes = |bind: &str, origin: &str| {
            let headers = headers(&[("host", "localhost:8090"), ("origin", origin)]);
            let facts = RequestFacts { method: &Method::POST, uri: &"/".parse().unwrap(), headers: &headers, has_body: false };
            judge(&facts, &policy(bind).listening_on(8090)).is_ok()
        };
        for bind in ["127.0.0.1", "::1"] {
            for own in ["http://localhost:8090", "http://127.0.0.1:8090", "http://[::1]:8090"] {
                assert!(passes(bind, own), "{bind} {own}");
            }
            for other in ["http://localhost:8091", "http://localhost", "https://localhost:8090", "http://localhost:8090.evil.example"] {
                assert!(!passes(bind, other), "{bind} {other}");
            }
        }
        assert!(
            !passes("0.0.0.0", "http://localhost:8090"),
            "behind a published port or a tunnel the operator says what the page is called"
        );
    }

    #[test]
    fn d4_a_request_that_changes_something_must_be_json_and_not_cross_site() {
        let host = ("host", "localhost");
        let json = ("content-type", "application/json");
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let verdict = |list: &[(&str, &str)], has_body| verdict("127.0.0.1", &method, "/", list, has_body);
            assert_eq!(verdict(&[host, json], true), Ok(()));
            assert_eq!(verdict(&[host], false), Ok(()), "a cancel has no body");
            assert_eq!(verdict(&[host], true), Err(Refusal::NotJson));
            assert_eq!(verdict(&[host, ("content-type", "text/plain")], true), Err(Refusal::NotJson));
            assert_eq!(verdict(&[host, json, ("content-type", "text/plain")], true), Err(Refusal::NotJson));
            for (site, expected) in
                [("cross-site", Err(Refusal::CrossSite)), ("same-site", Ok(())), ("same-origin", Ok(())), ("none", Ok(()))]
            {
                assert_eq!(verdict(&[host, json, ("sec-fetch-site", site)], true), expected, "{site}");
                assert_eq!(verdict(&[host, ("sec-fetch-site", site)], false), expected, "{site}");
            }
            let listed = [host, json, ("origin", "https://console.example"), ("sec-fetch-site", "cross-site")];
            assert_eq!(verdict(&listed, true), Ok(()), "a page of a listed origin is on another site by nature");
        }
        assert_eq!(
            verdict("127.0.0.1", &Method::GET, "/", &[host, ("sec-fetch-site", "cross-site")], false),
            Ok(()),
            "a link may lead here"
        );
    }

    #[test]
    fn d6_a_made_up_relay_header_opens_nothing_and_makes_the_peer_remote() {
        let uri = "/".parse().unwrap();
        let here = ClientAddress::from(IpAddr::from([127, 0, 0, 1]));
        let host = Host::parse("localhost").unwrap();
        let peer = |list: &[(&str, &str)], client| {
            let headers = headers(list);
            RequestFacts { method: &Method::GET, uri: &uri, headers: &headers, has_body: false }.peer(client, &host)
        };
        assert!(peer(&[], here).is_local());
        assert!(!peer(&[], ClientAddress::default()).is_local());
        assert!(!peer(&[], ClientAddress::from(IpAddr::from([10, 0, 0, 9]))).is_local());
        for name in FORWARDING_HEADERS.into_iter().chain(["x-forwarded-for", "X-Forwarded-Host", "x-forwarded-anything"]) {
            assert!(!peer(&[(name, "127.0.0.1")], here).is_local(), "{name}");
        }
        let forged = [("host", "evil.example"), ("x-forwarded-host", "localhost"), ("x-forwarded-for", "127.0.0.1")];
        assert_eq!(verdict("127.0.0.1", &Method::GET, "/", &forged, false), Err(Refusal::Host));
    }

    proptest! {
        #[test]
        fn no_text_in_host_is_a_panic_and_no_unknown_name_is_served(text in "\\PC{0,60}") {
            if let Some(Host::Name(name)) = Host::parse(&text) {
                prop_assert_eq!(policy("127.0.0.1").serves(&Host::Name(name.clone())), name == "localhost" || name == "runner.example");
            }
        }
    }
}
