//! Checks what the proxy reads from arbitrary bytes, for the fuzz target `egress` and a test.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};

use super::request::{Target, target};
use crate::types::HostPort;

/// The port at which the agent reaches the proxy.
const PORT: u16 = 3128;
/// The base URL that the paths of requests to a model or a git host are appended to.
const BASE: &str = "https://upstream.example/base";

/// Reads `bytes` as the head of a request, one line for the method and the target and one for each header, and checks that what the proxy
/// would do is what the request says. Bytes that are no such head are ignored: they are refused before the proxy sees them.
///
/// # Panics
/// If a request leads to another host than the one that it names, or out of the base URL.
pub fn check_request(bytes: &[u8]) {
    let Some((method, uri, headers)) = parse(bytes) else { return };
    let Ok(found) = target(&method, &uri, &headers, PORT) else { return };
    let hosts: Vec<&HeaderValue> = headers.get_all("host").iter().collect();
    assert!(hosts.len() <= 1, "a repeated header names two hosts");
    match found {
        Target::Tunnel(host) => {
            assert_eq!(method, Method::CONNECT);
            assert_eq!(HostPort::parse(&uri.to_string(), None), Ok(host), "the tunnel leads elsewhere: {uri}");
        }
        Target::Http(host, _path) => {
            // As another implementation reads the URL.
            let named: reqwest::Url = uri.to_string().parse().expect("a URL that was accepted");
            let named_host = named.host_str().and_then(|name| HostPort::parse(name, named.port_or_known_default()).ok());
            assert_eq!(named_host, Some(host), "the request leads elsewhere: {uri}");
            assert!(named.username().is_empty() && named.password().is_none());
        }
        Target::Model(rest) => assert_below_base(&rest),
        Target::Git(host, rest) => {
            assert!(!host.contains(['/', '?', '#']), "{host:?} is not a name");
            assert_below_base(&rest);
        }
    }
}

/// The path stays below the base as a client resolves it.
fn assert_below_base(rest: &str) {
    let url: reqwest::Url = format!("{BASE}{rest}").parse().expect("an accepted path is part of a URL");
    assert_eq!(url.host_str(), Some("upstream.example"), "{rest:?}");
    assert!(url.path() == "/base" || url.path().starts_with("/base/"), "{rest:?} leaves the base URL: {url}");
}

fn parse(bytes: &[u8]) -> Option<(Method, Uri, HeaderMap)> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut words = lines.next()?.splitn(2, |byte| *byte == b' ');
    let (method, uri) = (Method::from_bytes(words.next()?).ok()?, Uri::try_from(words.next()?).ok()?);
    let mut headers = HeaderMap::new();
    for line in lines.take(16) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next()?).ok()?;
        headers.append(name, HeaderValue::from_bytes(parts.next()?.trim_ascii()).ok()?);
    }
    Some((method, uri, headers))
}

#[cfg(test)]
mod tests {
    //! Rules: G4, G5.

    use proptest::prelude::*;

    use super::*;

    /// A head from pieces that matter to the proxy, and arbitrary ones.
    fn head() -> impl Strategy<Value = String> {
        let host = prop_oneof![
            Just("a.example:443".to_owned()),
            Just("127.0.0.1:3128".to_owned()),
            Just("localhost:3128".to_owned()),
            Just("[::1]:3128".to_owned()),
            Just("u:p@a.example:80".to_owned()),
            "[a-zA-Z0-9.:@\\[\\]%_-]{0,20}",
        ];
        let path = prop_oneof![
            Just("/model/v1/messages".to_owned()),
            Just("/git/a.example/x.git/info/refs?service=git-upload-pack".to_owned()),
            "/(model|git/[a-z.@:]{1,9})[a-z./%2e5\\\\?#@:;-]{0,20}",
            "[ -~]{0,20}",
        ];
        let target = (prop_oneof![Just(""), Just("http://"), Just("https://"), Just("//")], host.clone(), path).prop_flat_map(
            |(scheme, host, path)| prop_oneof![Just(format!("{scheme}{host}{path}")), Just(host.clone()), Just(path.clone())],
        );
        let method = prop_oneof![Just("CONNECT"), Just("GET"), Just("POST"), Just("TRACE"), Just("PUT")];
        let header = prop_oneof![
            host.clone().prop_map(|host| format!("\nhost: {host}")),
            Just("\ncontent-length: 3".to_owned()),
            Just("\ntransfer-encoding: chunked".to_owned()),
        ];
        (method, target, proptest::collection::vec(header, 0..3))
            .prop_map(|(method, target, headers)| format!("{method} {target}{}", headers.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn a_request_leads_only_where_it_says(head in head()) {
            check_request(head.as_bytes());
        }

        #[test]
        fn no_bytes_make_the_proxy_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            check_request(&bytes);
        }
    }

    #[test]
    fn heads_that_the_proxy_accepts_are_checked() {
        for head in [
            "CONNECT a.example:443\nhost: a.example:443",
            "GET http://a.example/x?y\nhost: a.example",
            "POST /model/v1/messages\nhost: 127.0.0.1:3128",
            "GET /git/a.example/x.git/info/refs?service=git-upload-pack\nhost: localhost:3128",
        ] {
            let (method, uri, headers) = parse(head.as_bytes()).unwrap();
            assert!(target(&method, &uri, &headers, PORT).is_ok(), "{head}");
            check_request(head.as_bytes());
        }
    }
}
