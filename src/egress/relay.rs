//! Forwards requests: plain HTTP ones as they are, and those to the model and to git hosts with the operator's credential.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyDataStream, BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::Access;
use super::credentials::{GitCredential, ModelCredential};
use super::report::Counter;
use super::request::GIT_PATH;
use super::tunnel::IDLE_TIMEOUT;
use crate::process::isolation::PROXY_PORT as PORT;
use crate::types::{AuthScheme, HostPort};

/// A body of any origin.
pub(super) type AnyBody = UnsyncBoxBody<Bytes, io::Error>;

/// How long a host may take until it answers a request. Models answer some requests only when they have finished.
const ANSWER_TIMEOUT: Duration = IDLE_TIMEOUT;

/// Headers that concern one connection only (RFC 9110, section 7.6.1), and those for the proxy.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers by which clients identify themselves. The agent's own never reach a host to which the proxy adds a credential: with a key of
/// another account, an agent could carry data away.
const CREDENTIALS: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("x-auth-token"),
];

/// A request could not be forwarded. The cause is not for the agent: it can contain the operator's URLs.
#[derive(Debug)]
pub(super) struct Failed;

/// A response of the proxy itself.
pub(super) fn respond(status: StatusCode, text: &str) -> Response<AnyBody> {
    let body = Full::new(Bytes::from(format!("openrunner: {text}\n"))).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Forwards a plain HTTP request over `stream`, a connection to its host.
pub(super) async fn plain(
    stream: TcpStream,
    path: PathAndQuery,
    target: &HostPort,
    request: Request<Incoming>,
    counter: Counter,
    tasks: &TaskTracker,
) -> Result<Response<AnyBody>, Failed> {
    counter.has_failed.store(true, Ordering::Relaxed);
    let counter = Arc::new(counter);
    let (Parts { method, mut headers, .. }, body) = request.into_parts();
    clean(&mut headers);
    let host = if target.port() == 80 { without_port(target) } else { target.to_string() };
    headers.insert(header::HOST, HeaderValue::from_str(&host).map_err(|_| Failed)?);
    let mut outgoing = Request::new(Metered { body, counter: Arc::clone(&counter), bytes: |counter| &counter.sent });
    (*outgoing.method_mut(), *outgoing.uri_mut(), *outgoing.headers_mut()) = (method, Uri::from(path), headers);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| Failed)?;
    // Ends with the response, or when the sender is dropped without one.
    tasks.spawn(connection);
    let response = timeout(ANSWER_TIMEOUT, sender.send_request(outgoing)).await.map_err(|_| Failed)?.map_err(|_| Failed)?;
    Ok(metered(response, counter))
}

fn without_port(host: &HostPort) -> String {
    let text = host.to_string();
    text.rsplit_once(':').map_or(text.clone(), |(host, _)| host.to_owned())
}

/// Host and port of a base URL.
pub(super) fn host_of(url: &str) -> Option<HostPort> {
    let url: Url = url.parse().ok()?;
    HostPort::parse(&format!("{}:{}", url.host_str()?, url.port_or_known_default()?), None).ok()
}

/// Forwards a request to the model.
pub(super) async fn model(
    access: &Access,
    credential: &ModelCredential,
    path: &str,
    request: Request<Incoming>,
    counter: Counter,
) -> Result<Response<AnyBody>, Failed> {
    let (name, value) = match credential.scheme {
        AuthScheme::ApiKey => (HeaderName::from_static("x-api-key"), credential.key.expose().to_owned()),
        AuthScheme::GoogleApiKey => (HeaderName::from_static("x-goog-api-key"), credential.key.expose().to_owned()),
        AuthScheme::Bearer | AuthScheme::OAuthToken => (header::AUTHORIZATION, format!("Bearer {}", credential.key.expose())),
    };
    forward(access, &credential.base_url, path, (name, &value), request, counter).await
}

/// Forwards a request to a git host.
pub(super) async fn git(
    access: &Access,
    (host, credential): &(HostPort, GitCredential),
    path: &str,
    request: Request<Incoming>,
    counter: Counter,
) -> Result<Response<AnyBody>, Failed> {
    let authorization = format!("Basic {}", STANDARD.encode(format!("{}:{}", credential.username, credential.token.expose())));
    let mut response = forward(access, &credential.base_url, path, (header::AUTHORIZATION, &authorization), request, counter).await?;
    // A repository that was renamed: git follows the redirect, again through the proxy.
    let name = if host.port() == 443 { host.host().to_owned() } else { host.to_string() };
    if let Some(location) = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok())
        && let Some(rest) = location.strip_prefix(&credential.base_url).and_then(|rest| rest.strip_prefix('/'))
        && let Ok(own) = HeaderValue::from_str(&format!("http://127.0.0.1:{PORT}{GIT_PATH}{name}/{rest}"))
    {
        response.headers_mut().insert(header::LOCATION, own);
    }
    Ok(response)
}

/// Forwards a request to `path` below `base`, with a credential in place of the agent's own.
async fn forward(
    access: &Access,
    base: &str,
    path: &str,
    (name, value): (HeaderName, &str),
    request: Request<Incoming>,
    counter: Counter,
) -> Result<Response<AnyBody>, Failed> {
    let url = below(base, path).ok_or(Failed)?;
    counter.has_failed.store(true, Ordering::Relaxed);
    let counter = Arc::new(counter);
    let (Parts { method, mut headers, .. }, body) = request.into_parts();
    clean(&mut headers);
    for name in [header::HOST].iter().chain(&CREDENTIALS) {
        headers.remove(name);
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| Failed)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    let client = access.upstream().client().map_err(|error| {
        tracing::error!(error.cause = error.to_string(), "cannot create the client for requests of agents to their models");
        Failed
    })?;
    let has_body = !body.is_end_stream();
    let mut outgoing = client.request(method, url).headers(headers);
    if has_body {
        let body = Metered { body, counter: Arc::clone(&counter), bytes: |counter| &counter.sent };
        outgoing = outgoing.body(reqwest::Body::wrap_stream(BodyDataStream::new(body)));
    }
    let response = timeout(ANSWER_TIMEOUT, outgoing.send()).await.map_err(|_| Failed)?.map_err(|error| {
        tracing::debug!(error.cause = error.without_url().to_string(), "a request of an agent to its model failed");
        Failed
    })?;
    let mut response = metered(Response::<reqwest::Body>::from(response), counter);
    response.headers_mut().remove(header::SET_COOKIE);
    Ok(response)
}

/// The URL of `path` below `base`. `None` if it would be somewhere else.
fn below(base: &str, path: &str) -> Option<Url> {
    let base = base.trim_end_matches('/');
    let (base_url, url): (Url, Url) = (base.parse().ok()?, format!("{base}{path}").parse().ok()?);
    let base_path = base_url.path().trim_end_matches('/');
    let is_below = url.origin() == base_url.origin()
        && url.username().is_empty()
        && url.path().strip_prefix(base_path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_below.then_some(url)
}

/// Removes what concerns the connection only.
fn clean(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // The length of the body is not the connection's.
        .filter(|name: &HeaderName| name != header::CONTENT_LENGTH && name != header::HOST)
        .collect();
    // `Expect` was answered by the proxy.
    for name in listed.iter().chain(&HOP_BY_HOP).chain([&header::EXPECT]) {
        headers.remove(name);
    }
}

fn metered<B>(response: Response<B>, counter: Arc<Counter>) -> Response<AnyBody>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let mut response = response;
    counter.has_failed.store(false, Ordering::Relaxed);
    clean(response.headers_mut());
    response.map(|body| {
        let metered = Metered { body, counter, bytes: |counter| &counter.received };
        metered.map_err(io::Error::other).boxed_unsync()
    })
}

/// A body whose bytes are counted. The connection is recorded when both bodies are gone.
struct Metered<B> {
    body: B,
    counter: Arc<Counter>,
    bytes: fn(&Counter) -> &AtomicU64,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Metered<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            (self.bytes)(&self.counter).fetch_add(u64::try_from(data.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    //! Rules: G4, G5.

    use super::*;

    #[test]
    fn a_request_stays_below_the_base_url() {
        for (base, path, expected) in [
            ("https://api.example", "/v1/messages?beta=true", Some("https://api.example/v1/messages?beta=true")),
            ("https://api.example/v1/", "/responses", Some("https://api.example/v1/responses")),
            ("https://api.example/v1", "", Some("https://api.example/v1")),
            ("https://api.example/v1", "?x", Some("https://api.example/v1?x")),
            ("https://api.example/v1", "/../admin", None),
            ("https://api.example", "@evil.example/", None),
            ("https://api.example", ".evil.example/", None),
            ("https://api.example", ":8443/", None),
            ("https://api.example/v1", "x", None),
        ] {
            assert_eq!(below(base, path).map(String::from).as_deref(), expected, "{base} {path}");
        }
    }

    #[test]
    fn headers_of_the_connection_are_not_forwarded() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Listed, content-length"),
            ("x-listed", "1"),
            ("content-length", "3"),
            ("proxy-authorization", "Basic x"),
            ("upgrade", "websocket"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("x-kept", "1"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        clean(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "x-kept"]);
    }
}
