//! The host guard: decides before authentication which requests are processed.
//!
//! A web page can make the browser of a user on this machine send requests here, and can rebind its own name to 127.0.0.1. Such a request
//! cannot forge `Host`, `Origin` and `Sec-Fetch-Site`, and cannot send JSON without a preflight request. [`check`] decides on these alone,
//! as a pure function.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower::{Layer, ServiceExt};
use tower_http::cors::CorsLayer;

use super::ApiError;
use super::body;
use super::cors;
use super::extract::{is_json, not_json};
use super::host::{Host, is_loopback};
use crate::config::{HostName, Network, Origin};

/// Longest host that an error quotes, in characters.
const MAX_QUOTED_HOST: usize = 100;

/// The hosts, origins and proxies that the operator allows.
#[derive(Clone, Debug)]
pub struct HostPolicy {
    bind_is_loopback: bool,
    hosts: HashSet<String>,
    origins: HashSet<String>,
    proxies: Vec<Network>,
}

impl HostPolicy {
    /// The policy of a server that binds to `bind`, answers to `hosts`, and may be called by pages of `origins`.
    pub fn new(bind: IpAddr, hosts: &[HostName], origins: &[Origin]) -> Self {
        Self {
            bind_is_loopback: is_loopback(bind),
            hosts: hosts.iter().map(|host| host.as_str().to_owned()).collect(),
            origins: origins.iter().map(|origin| origin.as_str().to_owned()).collect(),
            proxies: Vec::new(),
        }
    }

    /// Adds the console's own origins for a server on `port`. On a loopback bind these are the standard loopback names; any other name
    /// could lead elsewhere, so the operator has to list it.
    #[must_use]
    pub fn listening_on(mut self, port: u16) -> Self {
        if self.bind_is_loopback {
            self.origins.extend(["localhost", "127.0.0.1", "[::1]"].map(|host| format!("http://{host}:{port}")));
        }
        self
    }

    /// Trusts the forwarding headers of `proxies`.
    #[must_use]
    pub fn behind(self, proxies: &[Network]) -> Self {
        Self { proxies: proxies.to_vec(), ..self }
    }

    /// The proxies whose forwarding headers are trusted.
    pub(super) fn proxies(&self) -> &[Network] {
        &self.proxies
    }

    /// Whether pages of `origin` may call this server. Only the list counts: an origin that equals the host proves nothing, because on a
    /// rebound page both are the page's own name.
    pub(super) fn lists(&self, origin: &str) -> bool {
        self.origins.contains(&origin.to_ascii_lowercase())
    }

    /// Whether this server answers to `host`. A rebound page carries its own name, so names have to be listed. An address cannot be
    /// rebound, so a server that listens on the network answers to any.
    fn serves(&self, host: &Host) -> bool {
        match host {
            Host::Name(name) => host.is_standard_loopback() || self.hosts.contains(name),
            Host::Address(address) => host.is_standard_loopback() || !self.bind_is_loopback || self.hosts.contains(&bracketed(*address)),
        }
    }
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// The parts of a request that the decision depends on.
struct RequestFacts<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    /// Whether it has a body, and no file as such.
    needs_json: bool,
}

impl RequestFacts<'_> {
    /// Whether the request is for a file of the console. These are public, and a browser sends an `Origin` when it loads a module even if
    /// the page is this server's own under an unlisted name. That page must load, because it explains what to configure. Pages of other
    /// origins still cannot read the files, because no CORS header permits it.
    fn is_console_file(&self) -> bool {
        matches!(*self.method, Method::GET | Method::HEAD) && self.uri.path().starts_with("/console/")
    }

    fn changes_state(&self) -> bool {
        !matches!(*self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }
}

/// Why a request is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rejection {
    /// The host as sent, empty if it is missing.
    Host(String),
    Origin,
    CrossSite,
    NotJson,
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Host(host) => {
                let problem =
                    if host.is_empty() { "the request needs one Host header".to_owned() } else { format!("host `{host}` is not allowed") };
                let detail = format!("{problem}; use localhost or 127.0.0.1, or add the host to OPENRUNNER_ALLOWED_HOSTS");
                Self::new(StatusCode::MISDIRECTED_REQUEST, "host_not_served", detail)
            }
            Rejection::Origin => Self::new(
                StatusCode::FORBIDDEN,
                "origin_not_allowed",
                "the page's origin is not allowed; add it to OPENRUNNER_ALLOWED_ORIGINS if the page should call this server",
            ),
            Rejection::CrossSite => {
                Self::new(StatusCode::FORBIDDEN, "cross_site", "pages of other sites may not change anything on this server")
            }
            Rejection::NotJson => not_json(),
        }
    }
}

/// Decides whether a request is processed.
fn check(facts: &RequestFacts<'_>, policy: &HostPolicy) -> Result<(), Rejection> {
    if !Host::from_request(facts.uri, facts.headers).is_some_and(|host| policy.serves(&host)) {
        let host = facts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        return Err(Rejection::Host(host.chars().take(MAX_QUOTED_HOST).collect()));
    }
    let is_listed = |origin: &HeaderValue| origin.to_str().is_ok_and(|origin| policy.lists(origin));
    if !facts.is_console_file() && !facts.headers.get_all(header::ORIGIN).iter().all(is_listed) {
        return Err(Rejection::Origin);
    }
    if facts.changes_state() {
        let is_cross_site = |site: &HeaderValue| site.as_bytes().eq_ignore_ascii_case(b"cross-site");
        let from_listed_origin = facts.headers.contains_key(header::ORIGIN);
        if !from_listed_origin && facts.headers.get_all("sec-fetch-site").iter().any(is_cross_site) {
            return Err(Rejection::CrossSite);
        }
        // A page may send a form or plain text without a preflight request, but not JSON.
        if facts.needs_json && !is_json(facts.method, facts.headers) {
            return Err(Rejection::NotJson);
        }
    }
    Ok(())
}

/// The guard as a layer: the policy, and the CORS layer for its origins.
#[derive(Clone)]
pub(super) struct HostGuard {
    policy: Arc<HostPolicy>,
    cors: CorsLayer,
}

impl HostGuard {
    pub(super) fn new(policy: Arc<HostPolicy>) -> Self {
        let listed = Arc::clone(&policy);
        Self { policy, cors: cors::layer(move |origin| listed.lists(origin)) }
    }
}

/// Passes a request on, or answers with the rejection. Requests of pages from a listed origin pass through the CORS layer, which answers
/// preflight requests itself, because these carry no token.
pub(super) async fn guard(State(guard): State<HostGuard>, request: Request, next: Next) -> Response {
    let facts = RequestFacts {
        method: request.method(),
        uri: request.uri(),
        headers: request.headers(),
        needs_json: !request.body().is_end_stream() && !body::is_upload(request.method(), request.extensions().get::<MatchedPath>()),
    };
    if let Err(rejection) = check(&facts, &guard.policy) {
        return ApiError::from(rejection).into_response();
    }
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    if origin.is_some_and(|origin| guard.policy.lists(origin)) {
        let answered: Result<Response, Infallible> = guard.cors.layer(next).oneshot(request).await;
        return answered.unwrap_or_else(|never| match never {});
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    //! Rules: D2, D3, D4, D6.

    use axum::http::HeaderName;
    use proptest::prelude::*;

    use super::*;

    fn policy(bind: &str) -> HostPolicy {
        HostPolicy::new(bind.parse().unwrap(), &["runner.example".parse().unwrap()], &["https://console.example".parse().unwrap()])
    }

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    fn checked(bind: &str, method: &Method, uri: &str, list: &[(&str, &str)], needs_json: bool) -> Result<(), Rejection> {
        let (uri, headers) = (uri.parse().unwrap(), headers(list));
        check(&RequestFacts { method, uri: &uri, headers: &headers, needs_json }, &policy(bind))
    }

    fn is_wrong_host(result: &Result<(), Rejection>) -> bool {
        matches!(result, Err(Rejection::Host(_)))
    }

    fn checked_host(bind: &str, host: &str) -> Result<(), Rejection> {
        checked(bind, &Method::GET, "/health", &[("host", host)], false)
    }

    #[test]
    fn a_loopback_bind_answers_only_to_loopback_and_configured_names() {
        for bind in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            for host in
                ["localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:3000", "[::1]", "[::1]:65535", "runner.example", "Runner.Example:80"]
            {
                assert_eq!(checked_host(bind, host), Ok(()), "{bind} {host}");
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
                assert!(is_wrong_host(&checked_host(bind, host)), "{bind} {host}");
            }
        }
    }

    #[test]
    fn a_network_bind_answers_to_any_address_but_only_to_configured_names() {
        for bind in ["0.0.0.0", "10.0.0.1", "::"] {
            for host in ["localhost:8090", "10.0.0.1:8090", "[2001:db8::1]:8090", "runner.example"] {
                assert_eq!(checked_host(bind, host), Ok(()), "{bind} {host}");
            }
            for host in ["evil.example", "10.0.0.1.evil.example", "0x7f000001", "localhost."] {
                assert!(is_wrong_host(&checked_host(bind, host)), "{bind} {host}");
            }
        }
    }

    #[test]
    fn a_missing_repeated_or_invalid_host_is_rejected() {
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
            assert!(is_wrong_host(&checked_host("127.0.0.1", host)), "{host}");
        }
        assert!(is_wrong_host(&checked("127.0.0.1", &Method::GET, "/", &[], false)));
        assert!(is_wrong_host(&checked("127.0.0.1", &Method::GET, "/", &[("host", "localhost"), ("host", "localhost")], false)));
    }

    #[test]
    fn the_request_line_must_name_the_same_host() {
        let host = [("host", "localhost:3000")];
        assert_eq!(checked("127.0.0.1", &Method::GET, "http://localhost:3000/health", &host, false), Ok(()));
        assert!(is_wrong_host(&checked("127.0.0.1", &Method::GET, "http://evil.example/health", &host, false)));
    }

    #[test]
    fn only_listed_origins_and_requests_without_origin_pass() {
        let origin = |origin: &str| checked("127.0.0.1", &Method::GET, "/health", &[("host", "localhost:3000"), ("origin", origin)], false);
        assert_eq!(checked_host("127.0.0.1", "localhost:3000"), Ok(()));
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
            assert_eq!(origin(refused), Err(Rejection::Origin), "{refused}");
        }
        let both = [("host", "localhost"), ("origin", "https://console.example"), ("origin", "https://evil.example")];
        assert_eq!(checked("127.0.0.1", &Method::GET, "/", &both, false), Err(Rejection::Origin));
    }

    #[test]
    fn an_origin_that_equals_the_host_is_rejected() {
        let rebound = [("host", "evil.example:3000"), ("origin", "http://evil.example:3000")];
        assert!(is_wrong_host(&checked("127.0.0.1", &Method::GET, "/", &rebound, false)));
        let own = [("host", "127.0.0.1:3000"), ("origin", "http://127.0.0.1:3000")];
        assert_eq!(checked("127.0.0.1", &Method::POST, "/", &own, false), Err(Rejection::Origin));
    }

    #[test]
    fn only_the_consoles_files_are_served_to_any_origin() {
        let foreign = [("host", "localhost:3000"), ("origin", "http://elsewhere.example:3000")];
        let checked = |method: Method, uri: &str| checked("127.0.0.1", &method, uri, &foreign, false);
        assert_eq!(checked(Method::GET, "/console/0/app/main.js"), Ok(()));
        for (method, uri) in
            [(Method::POST, "/console/0/app/main.js"), (Method::GET, "/"), (Method::GET, "/consoles/x"), (Method::GET, "/api/console/x")]
        {
            assert_eq!(checked(method, uri), Err(Rejection::Origin), "{uri}");
        }
        let rebound = [("host", "evil.example:3000"), ("origin", "http://evil.example:3000")];
        assert!(is_wrong_host(&self::checked("127.0.0.1", &Method::GET, "/console/0/app/main.js", &rebound, false)));
    }

    #[test]
    fn on_a_loopback_bind_the_console_may_call_from_the_servers_own_port() {
        let is_allowed = |bind: &str, origin: &str| {
            let headers = headers(&[("host", "localhost:8090"), ("origin", origin)]);
            let facts = RequestFacts { method: &Method::POST, uri: &"/".parse().unwrap(), headers: &headers, needs_json: false };
            check(&facts, &policy(bind).listening_on(8090)).is_ok()
        };
        for bind in ["127.0.0.1", "::1"] {
            for own in ["http://localhost:8090", "http://127.0.0.1:8090", "http://[::1]:8090"] {
                assert!(is_allowed(bind, own), "{bind} {own}");
            }
            for other in ["http://localhost:8091", "http://localhost", "https://localhost:8090", "http://localhost:8090.evil.example"] {
                assert!(!is_allowed(bind, other), "{bind} {other}");
            }
        }
        assert!(!is_allowed("0.0.0.0", "http://localhost:8090"), "behind a published port or a tunnel the operator lists the origin");
    }

    #[test]
    fn state_changing_requests_must_be_json_and_not_cross_site() {
        let host = ("host", "localhost");
        let json = ("content-type", "application/json");
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let checked = |list: &[(&str, &str)], needs_json| checked("127.0.0.1", &method, "/", list, needs_json);
            assert_eq!(checked(&[host, json], true), Ok(()));
            assert_eq!(checked(&[host], false), Ok(()), "a request without a body needs no content type");
            assert_eq!(checked(&[host], true), Err(Rejection::NotJson));
            assert_eq!(checked(&[host, ("content-type", "text/plain")], true), Err(Rejection::NotJson));
            assert_eq!(checked(&[host, json, ("content-type", "text/plain")], true), Err(Rejection::NotJson));
            for (site, expected) in
                [("cross-site", Err(Rejection::CrossSite)), ("same-site", Ok(())), ("same-origin", Ok(())), ("none", Ok(()))]
            {
                assert_eq!(checked(&[host, json, ("sec-fetch-site", site)], true), expected, "{site}");
                assert_eq!(checked(&[host, ("sec-fetch-site", site)], false), expected, "{site}");
            }
            let listed = [host, json, ("origin", "https://console.example"), ("sec-fetch-site", "cross-site")];
            assert_eq!(checked(&listed, true), Ok(()), "a page of a listed origin is cross-site by definition");
        }
        assert_eq!(
            checked("127.0.0.1", &Method::GET, "/", &[host, ("sec-fetch-site", "cross-site")], false),
            Ok(()),
            "links from other sites are allowed"
        );
    }

    #[test]
    fn a_forged_forwarding_header_does_not_change_the_host() {
        let forged = [("host", "evil.example"), ("x-forwarded-host", "localhost"), ("x-forwarded-for", "127.0.0.1")];
        assert!(is_wrong_host(&checked("127.0.0.1", &Method::GET, "/", &forged, false)));
    }

    #[test]
    fn patch_also_takes_a_json_merge_patch() {
        let headers = [("host", "localhost"), ("content-type", "application/merge-patch+json")];
        assert_eq!(checked("127.0.0.1", &Method::PATCH, "/", &headers, true), Ok(()));
        assert_eq!(checked("127.0.0.1", &Method::POST, "/", &headers, true), Err(Rejection::NotJson));
    }

    #[test]
    fn the_error_names_the_host() {
        let error = ApiError::from(Rejection::Host("evil.example".to_owned()));
        assert_eq!(
            error.detail(),
            "host `evil.example` is not allowed; use localhost or 127.0.0.1, or add the host to OPENRUNNER_ALLOWED_HOSTS"
        );
        assert!(ApiError::from(Rejection::Host(String::new())).detail().contains("needs one Host header"));
    }

    proptest! {
        #[test]
        fn unknown_names_are_never_served(text in "\\PC{0,60}") {
            if let Some(Host::Name(name)) = Host::parse(&text) {
                prop_assert_eq!(policy("127.0.0.1").serves(&Host::Name(name.clone())), name == "localhost" || name == "runner.example");
            }
        }
    }
}
