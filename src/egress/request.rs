//! Reads what a request to the proxy asks for. A request that is not understood, or that contradicts itself, is refused.

use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap, TRANSFER_ENCODING};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Uri};
use percent_encoding::percent_decode_str;

use crate::types::HostPort;

/// Prefix of the paths that lead to the model.
pub(super) const MODEL_PATH: &str = "/model";
/// Prefix of the paths that lead to git hosts; the name of the host follows.
pub(super) const GIT_PATH: &str = "/git/";

/// Methods that the proxy forwards with a credential. `TRACE` would return the credential.
const METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A tunnel (`CONNECT`).
    Tunnel(HostPort),
    /// A plain HTTP request to this host, with this path.
    Http(HostPort, PathAndQuery),
    /// A request to the model, with this path below its base URL.
    Model(String),
    /// A request to this git host, with this path.
    Git(String, String),
}

/// Why a request is refused before its host is known or looked at. The text is for the agent's error output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRequest {
    #[error("CONNECT needs a host and a port")]
    Tunnel,
    #[error("the URL of a request to this proxy must be http://HOST/PATH")]
    Url,
    #[error("the header Host is missing, repeated or names another host")]
    Host,
    #[error("the length of the body is ambiguous")]
    Length,
    #[error("this method is not forwarded")]
    Method,
    #[error("the path contains `.` or `..`")]
    Path,
    #[error("this path leads nowhere")]
    NotFound,
}

/// Reads a request, as far as its head tells. `port` is the port at which the agent reaches the proxy.
pub(super) fn target(method: &Method, uri: &Uri, headers: &HeaderMap, port: u16) -> Result<Target, BadRequest> {
    let host = one_host(headers)?;
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    if lengths > 1 || lengths == 1 && headers.contains_key(TRANSFER_ENCODING) {
        return Err(BadRequest::Length);
    }
    if method == Method::CONNECT {
        if lengths > 0 || headers.contains_key(TRANSFER_ENCODING) {
            return Err(BadRequest::Length);
        }
        return tunnel(uri, host);
    }
    let path = uri.path_and_query().ok_or(BadRequest::Url)?;
    let Some(scheme) = uri.scheme_str() else { return own(method, path, host, port) };
    if scheme != "http" {
        return Err(BadRequest::Url);
    }
    let authority = uri.authority().ok_or(BadRequest::Url)?;
    let target = HostPort::parse(authority.as_str(), Some(80)).map_err(|_| BadRequest::Url)?;
    if host.is_some_and(|host| HostPort::parse(host, Some(80)).ok().as_ref() != Some(&target)) {
        return Err(BadRequest::Host);
    }
    // Clients that ignore NO_PROXY.
    if is_own(&target, port) {
        return own(method, path, Some(authority.as_str()), port);
    }
    if *method == Method::TRACE { Err(BadRequest::Method) } else { Ok(Target::Http(target, path.clone())) }
}

/// The header `Host`, which may be absent.
fn one_host(headers: &HeaderMap) -> Result<Option<&str>, BadRequest> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(None),
        (Some(host), None) => host.to_str().map(Some).map_err(|_| BadRequest::Host),
        (Some(_), Some(_)) => Err(BadRequest::Host),
    }
}

fn tunnel(uri: &Uri, host: Option<&str>) -> Result<Target, BadRequest> {
    let authority = uri.authority().filter(|_| uri.scheme().is_none() && uri.path_and_query().is_none()).ok_or(BadRequest::Tunnel)?;
    let target = HostPort::parse(authority.as_str(), None).map_err(|_| BadRequest::Tunnel)?;
    // Some clients omit the port.
    if host.is_some_and(|host| HostPort::parse(host, Some(target.port())).ok().as_ref() != Some(&target)) {
        return Err(BadRequest::Host);
    }
    Ok(Target::Tunnel(target))
}

fn is_own(host: &HostPort, port: u16) -> bool {
    host.port() == port && (host.host() == "localhost" || host.address().is_some_and(|address| address.is_loopback()))
}

/// A request to the proxy itself.
fn own(method: &Method, path: &PathAndQuery, host: Option<&str>, port: u16) -> Result<Target, BadRequest> {
    if !host.and_then(|host| HostPort::parse(host, Some(80)).ok()).is_some_and(|host| is_own(&host, port)) {
        return Err(BadRequest::Host);
    }
    if !METHODS.contains(method) {
        return Err(BadRequest::Method);
    }
    if !path.path().starts_with('/') || has_dot_segment(path.path()) {
        return Err(BadRequest::Path);
    }
    if let Some(rest) = path.as_str().strip_prefix(MODEL_PATH).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) {
        return Ok(Target::Model(rest.to_owned()));
    }
    let (host, rest) = path.as_str().strip_prefix(GIT_PATH).and_then(|rest| rest.split_once('/')).ok_or(BadRequest::NotFound)?;
    let rest = format!("/{rest}");
    if is_git_request(method, rest.split('?').next().unwrap_or_default()) {
        Ok(Target::Git(host.to_owned(), rest))
    } else {
        Err(BadRequest::NotFound)
    }
}

/// Whether a server could take a part of the path for `.` or `..`.
fn has_dot_segment(path: &str) -> bool {
    let mut decoded = path.to_owned();
    // Twice, since a server behind another one may decode what is left.
    for _ in 0..2 {
        decoded = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
    }
    decoded.split(['/', '\\']).any(|segment| segment == "." || segment == "..")
}

/// Whether a request is part of git's protocol over HTTP, or of git LFS: the credential is not for the host's other services.
fn is_git_request(method: &Method, path: &str) -> bool {
    let is_get = *method == Method::GET || *method == Method::HEAD;
    is_get && path.ends_with("/info/refs")
        || *method == Method::POST && (path.ends_with("/git-upload-pack") || path.ends_with("/git-receive-pack"))
        || path.contains("/info/lfs/")
}

#[cfg(test)]
mod tests {
    //! Rules: G4, G5.

    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PORT: u16 = 3128;

    fn read(method: &str, uri: &str, headers: &[(&'static str, &str)]) -> Result<Target, BadRequest> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        target(&method.parse().unwrap(), &uri.parse().unwrap(), &map, PORT)
    }

    fn host(text: &str) -> HostPort {
        HostPort::parse(text, None).unwrap()
    }

    #[test]
    fn a_tunnel_leads_to_the_host_that_all_parts_of_the_request_name() {
        for (uri, header) in [("a.example:443", "a.example:443"), ("A.Example.:443", "a.example"), ("a.example:443", "A.EXAMPLE.:443")] {
            assert_eq!(read("CONNECT", uri, &[("host", header)]), Ok(Target::Tunnel(host("a.example:443"))), "{uri} {header}");
        }
        assert_eq!(read("CONNECT", "[::1]:22", &[]), Ok(Target::Tunnel(host("[::1]:22"))));
        for (uri, header) in
            [("a.example:443", "b.example:443"), ("a.example:443", "a.example:80"), ("a.example:443", "a.example:443,b.example")]
        {
            assert_eq!(read("CONNECT", uri, &[("host", header)]), Err(BadRequest::Host), "{uri} {header}");
        }
        let twice = [("host", "a.example:443"), ("host", "a.example:443")];
        assert_eq!(read("CONNECT", "a.example:443", &twice), Err(BadRequest::Host));
        for uri in ["a.example", "u@a.example:443", "http://a.example:443/", "/a", "a.example:0", "0x7f.1:80", "2130706433:80"] {
            assert_eq!(read("CONNECT", uri, &[]), Err(BadRequest::Tunnel), "{uri}");
        }
        assert_eq!(read("CONNECT", "a.example:443", &[("content-length", "3")]), Err(BadRequest::Length));
        assert_eq!(read("CONNECT", "a.example:443", &[("transfer-encoding", "chunked")]), Err(BadRequest::Length));
    }

    #[test]
    fn a_plain_request_names_its_host_in_the_url() {
        let expected = Target::Http(host("a.example:80"), "/x?y".parse().unwrap());
        assert_eq!(read("GET", "http://A.example/x?y", &[("host", "a.example")]), Ok(expected.clone()));
        assert_eq!(read("GET", "http://a.example:80/x?y", &[("host", "a.example:80")]), Ok(expected));
        assert_eq!(read("GET", "http://a.example/", &[("host", "b.example")]), Err(BadRequest::Host));
        assert_eq!(read("GET", "http://a.example/", &[("host", "a.example"), ("host", "b.example")]), Err(BadRequest::Host));
        assert_eq!(read("TRACE", "http://a.example/", &[]), Err(BadRequest::Method));
        for uri in ["https://a.example/", "ftp://a.example/", "http://u:p@a.example/", "http://a.example:99999/", "http://127.1/"] {
            assert_eq!(read("GET", uri, &[]), Err(BadRequest::Url), "{uri}");
        }
        let both = [("content-length", "3"), ("transfer-encoding", "chunked")];
        assert_eq!(read("POST", "http://a.example/", &both), Err(BadRequest::Length));
        assert_eq!(read("POST", "http://a.example/", &[("content-length", "3"), ("content-length", "4")]), Err(BadRequest::Length));
    }

    #[test]
    fn a_request_to_the_proxy_itself_leads_to_the_model_or_to_a_git_host() {
        let own = [("host", "127.0.0.1:3128")];
        assert_eq!(read("POST", "/model/v1/messages?beta=true", &own), Ok(Target::Model("/v1/messages?beta=true".into())));
        assert_eq!(read("POST", "http://localhost:3128/model/v1/messages", &[]), Ok(Target::Model("/v1/messages".into())));
        let refs = "/git/github.com/a/b.git/info/refs?service=git-upload-pack";
        let expected = Target::Git("github.com".into(), "/a/b.git/info/refs?service=git-upload-pack".into());
        assert_eq!(read("GET", refs, &own), Ok(expected));
        assert!(read("POST", "/git/github.com/a/b.git/git-receive-pack", &own).is_ok());
        assert!(read("POST", "/git/github.com/a/b.git/info/lfs/objects/batch", &own).is_ok());
        for (method, uri) in [
            ("GET", "/"),
            ("GET", "/models"),
            ("GET", "/git/github.com"),
            ("GET", "/git/github.com/settings/tokens"),
            ("GET", "/git/github.com/a/b.git/git-receive-pack"),
            ("POST", "/git/github.com/a/info/refs"),
        ] {
            assert_eq!(read(method, uri, &own), Err(BadRequest::NotFound), "{method} {uri}");
        }
        for uri in
            ["/model/../x", "/model/%2e%2e/x", "/model/a%2F..%2Fx", "/model/.%2e/x", "/model/%252e%252e/x", "/model/..\\x", "/model/./x"]
        {
            assert_eq!(read("GET", uri, &own), Err(BadRequest::Path), "{uri}");
        }
        for method in ["TRACE", "OPTIONS", "PROPFIND"] {
            assert_eq!(read(method, "/model/v1", &own), Err(BadRequest::Method), "{method}");
        }
        for header in ["evil.example:3128", "127.0.0.1", "127.0.0.1:3129"] {
            assert_eq!(read("GET", "/model/v1", &[("host", header)]), Err(BadRequest::Host), "{header}");
        }
        assert_eq!(read("GET", "/model/v1", &[]), Err(BadRequest::Host));
    }

    proptest! {
        #[test]
        fn a_tunnel_is_opened_only_to_the_host_that_was_written(text in "[a-zA-Z0-9.:@\\[\\]%_/-]{1,30}", header in "[a-z0-9.:]{1,20}") {
            let Ok(uri) = text.parse::<Uri>() else { return Ok(()) };
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(&header).unwrap());
            if let Ok(target) = target(&Method::CONNECT, &uri, &headers, PORT) {
                let expected = HostPort::parse(&text, None).map(Target::Tunnel);
                prop_assert_eq!(Ok(target), expected);
            }
        }

        #[test]
        fn no_path_leaves_the_base_url(path in "[a-z./%2e5\\\\-]{0,20}") {
            let Ok(uri) = format!("/model/{path}").parse::<Uri>() else { return Ok(()) };
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("127.0.0.1:3128"));
            if let Ok(Target::Model(rest)) = target(&Method::GET, &uri, &headers, PORT) {
                let url: reqwest::Url = format!("http://model.example/base{rest}").parse().unwrap();
                prop_assert!(url.path().starts_with("/base/"), "{}", url);
            }
        }
    }
}
