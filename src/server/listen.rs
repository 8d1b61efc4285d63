//! The accept loop: accepts connections, serves their requests with the router, and drains on shutdown.
//!
//! ```text
//! listener ─ accept ─ admit or refuse ─ connection task ─ hyper, HTTP/1.1 ─ router
//!                                            │ stop: finish the current response ────────┐
//!                                            └ deadline: close ──────────────────────────┴─ drained
//! ```
//! Used instead of `axum::serve`, which limits neither the time to receive a request's head nor the time of a shutdown.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::lingering_close;
use super::write_timeout::WriteTimeout;
use crate::api::{ConnectionHandle, Connections, InProgress, Source};
use crate::auth::{ClientAccount, client_network};
use crate::config::Network;

/// Maximum time to receive a request's head; also the maximum idle time between two requests.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum size of a request's head, in bytes, and of the buffer that a connection receives bodies in. A larger head is answered with 431.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Length of the accept queue. When many clients reconnect at once and the queue is full, the kernel drops the SYN and the client retries
/// after 1 s, 3 s, 7 s. Capped by `net.core.somaxconn`, which is 4096 since Linux 5.4.
const BACKLOG: u32 = 4096;

/// How long an accepted connection without a request may still send one after shutdown was requested. Its request is usually already on
/// the way and would be lost if the connection were closed.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);

/// Response to a connection for which there is no room.
const REFUSAL: &str = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: application/problem+json\r\ncontent-length: 130\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"the server has no free connection\",\"code\":\"overloaded\"}";

/// Time between two reports that connections are short.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);

/// Descriptors that a server with a few hundred runs needs besides those for connections.
pub const OTHER_DESCRIPTORS: u64 = 1000;

/// Initial and maximum backoff after `accept` failed for lack of descriptors or memory.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Limits of the accept loop.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Maximum number of concurrent connections; see [`Connections`] for what happens to further ones.
    pub max_connections: usize,
    /// The trusted proxies.
    pub proxies: Vec<Network>,
    /// Whether an address belongs to this machine.
    pub is_local: fn(IpAddr) -> bool,
    /// How long open connections may take to finish after shutdown was requested.
    pub drain: Duration,
}

impl Default for Listening {
    /// 12,000 connections (one descriptor each), no proxies, loopback addresses as local, and 10 s to drain.
    fn default() -> Self {
        Self { max_connections: 12_000, proxies: Vec::new(), is_local: |address| address.is_loopback(), drain: Duration::from_secs(10) }
    }
}

/// Binds a listener to `address`. `SO_REUSEADDR` is set, so a restart does not have to wait for old connections in `TIME_WAIT`.
///
/// # Errors
/// If the address is in use, not local, or not permitted.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Takes over a listening socket inherited from the service manager.
///
/// # Errors
/// If the socket cannot be made non-blocking or registered with the runtime.
pub(super) fn adopt(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Result of draining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every connection finished.
    Finished,
    /// This many connections were still open at the deadline and were closed.
    Cut(usize),
}

/// Serves `router` on `listener` until `stop` is cancelled, then stops accepting, lets every connection finish its current response, and
/// returns when all have finished or the drain time is over. Connections still open at that point, such as streams, are closed.
///
/// Dropping the future closes all connections immediately.
pub async fn serve(listener: TcpListener, router: Router, listening: Listening, stop: CancellationToken) -> Drained {
    let tasks = TaskTracker::new();
    let cut = CancellationToken::new();
    let _cut_on_drop = cut.clone().drop_guard();
    let connections = Connections::new(listening.max_connections);
    let mut pressure = Pressure::default();
    let mut backoff = BACKOFF.0;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                backoff = BACKOFF.0;
                let admitted = connections.admit(listening.source(address.ip()));
                pressure.report(&connections, admitted.is_err());
                let Ok(connection) = admitted else {
                    refuse(stream);
                    continue;
                };
                let (router, stop, cut) = (router.clone(), stop.clone(), cut.clone());
                tasks.spawn(async move {
                    tokio::select! {
                        () = cut.cancelled() => {}
                        () = connection.evicted() => {}
                        () = serve_connection(stream, address, connection.handle(), router, stop) => {}
                    }
                });
            }
            // The client disconnected before its connection was accepted.
            Err(error) if is_client_error(&error) => {}
            Err(error) => {
                tracing::error!(error.cause = error.to_string(), "cannot accept connections; retrying");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(backoff) => {}
                }
                backoff = (backoff * 2).min(BACKOFF.1);
            }
        }
    }
    drop(listener);
    tasks.close();
    match tokio::time::timeout(listening.drain, tasks.wait()).await {
        Ok(()) => Drained::Finished,
        Err(_elapsed) => {
            let left = tasks.len();
            cut.cancel();
            tasks.wait().await;
            if left == 0 { Drained::Finished } else { Drained::Cut(left) }
        }
    }
}

impl Listening {
    /// Lowers the number of connections to what this many descriptors allow. Otherwise the descriptors would run out first, and no connection
    /// would make room for another.
    #[must_use]
    pub fn within(self, descriptors: Option<u64>) -> Self {
        let Some(descriptors) = descriptors else { return self };
        let available = descriptors.saturating_sub(OTHER_DESCRIPTORS).max(descriptors / 2);
        Self { max_connections: self.max_connections.min(usize::try_from(available).unwrap_or(usize::MAX)), ..self }
    }

    /// Where a connection from `peer` comes from.
    fn source(&self, peer: IpAddr) -> Source {
        let peer = peer.to_canonical();
        if self.proxies.iter().any(|network| network.contains(peer)) {
            Source::Proxy
        } else if (self.is_local)(peer) {
            Source::Local(client_network(peer))
        } else {
            Source::Network(client_network(peer))
        }
    }
}

/// Closes a connection for which there is no room, with a response that does not wait for the request.
fn refuse(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        // The client may be gone, and the buffer of a new connection has room.
        let _ = stream.write_all(REFUSAL.as_bytes());
    }
}

/// Reports at most once a minute that connections were closed or refused.
#[derive(Debug, Default)]
struct Pressure {
    refused: u64,
    reported: Option<Instant>,
}

impl Pressure {
    fn report(&mut self, connections: &Connections, is_refused: bool) {
        self.refused += u64::from(is_refused);
        if self.reported.is_some_and(|last| last.elapsed() < REPORT_INTERVAL) {
            return;
        }
        let (evicted, refused) = (connections.take_evicted(), std::mem::take(&mut self.refused));
        if evicted + refused > 0 {
            tracing::warn!(evicted, refused, "no free connections: closed idle ones or refused new ones");
            self.reported = Some(Instant::now());
        }
    }
}

fn is_client_error(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
}

/// Serves one connection until it is closed. Connection errors are the client's and are logged at debug level only.
async fn serve_connection(stream: TcpStream, address: SocketAddr, connection: ConnectionHandle, router: Router, stop: CancellationToken) {
    // Events are small and must not be delayed by Nagle's algorithm. If this fails, the connection still works.
    let _ = stream.set_nodelay(true);
    let account = match stream.local_addr() {
        Ok(local) if address.ip().to_canonical().is_loopback() => ClientAccount::of_connection(address, local),
        _ => ClientAccount::default(),
    };
    let first_request = CancellationToken::new();
    let service = RequestService { router, address, account, connection, first_request: first_request.clone() };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    let mut connection = http.serve_connection(TokioIo::new(WriteTimeout::new(stream)), service);
    let mut stopping = false;
    loop {
        let ended = {
            let mut serving = pin!(std::future::poll_fn(|context| connection.poll_without_shutdown(context)));
            tokio::select! {
                ended = &mut serving => Some(ended),
                () = shutdown_due(&stop, &first_request), if !stopping => None,
            }
        };
        match ended {
            Some(Ok(())) => break,
            Some(Err(error)) => {
                tracing::debug!(error.cause = error.to_string(), "connection failed");
                break;
            }
            None => {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
    let stream = connection.into_parts().io.into_inner().into_inner();
    tokio::select! {
        () = lingering_close::close(stream) => {}
        () = stop.cancelled() => {}
    }
}

/// Completes when a connection should finish its current response and accept no further request.
async fn shutdown_due(stop: &CancellationToken, first_request: &CancellationToken) {
    stop.cancelled().await;
    let _ = tokio::time::timeout(FIRST_REQUEST_GRACE, first_request.cancelled()).await;
}

/// Adapts the router to hyper and attaches the client's address to each request.
struct RequestService {
    router: Router,
    address: SocketAddr,
    account: ClientAccount,
    connection: ConnectionHandle,
    /// Cancelled when the first request arrives.
    first_request: CancellationToken,
}

impl hyper::service::Service<Request<Incoming>> for RequestService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.first_request.cancel();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.address));
        request.extensions_mut().insert(self.account.clone());
        request.extensions_mut().insert(self.connection.clone());
        let in_progress = self.connection.begin();
        let response = self.router.clone().oneshot(request);
        Box::pin(async move { Ok(response.await?.map(|body| Body::new(ResponseBody { body, _in_progress: in_progress }))) })
    }
}

/// The body of a response. Its request is in progress until the body is dropped.
struct ResponseBody {
    body: Body,
    _in_progress: InProgress,
}

impl hyper::body::Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
