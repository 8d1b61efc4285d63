//! The accept loop: accepts connections, serves their requests with the router, and drains on shutdown.
//!
//! ```text
//! listener ─ accept (with a permit)   ─ connection task ─ hyper, HTTP/1.1 ─ router
//!                                            │ stop: finish the current response ────────┐
//!                                            └ deadline: close ──────────────────────────┴─ drained
//! ```
//! Used instead of `axum::serve`, which limits neither the time to receive a request's head nor the time of a shutdown.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::lingering_close;
use super::write_timeout::WriteTimeout;

/// Maximum time to receive a request's head; also the maximum idle time between two requests.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Length of the accept queue. When many clients reconnect at once and the queue is full, the kernel drops the SYN and the client retries
/// after 1 s, 3 s, 7 s. Capped by `net.core.somaxconn`, which is 4096 since Linux 5.4.
const BACKLOG: u32 = 4096;

/// How long an accepted connection without a request may still send one after shutdown was requested. Its request is usually already on
/// the way and would be lost if the connection were closed.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);

/// Initial and maximum backoff after `accept` failed for lack of descriptors or memory.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Limits of the accept loop.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Maximum number of concurrent connections. Further connections wait in the accept queue.
    pub max_connections: usize,
    /// How long open connections may take to finish after shutdown was requested.
    pub drain: Duration,
}

impl Default for Listening {
    /// 12,000 connections (one descriptor each) and 10 s to drain.
    fn default() -> Self {
        Self { max_connections: 12_000, drain: Duration::from_secs(10) }
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
    let permits = Arc::new(Semaphore::new(listening.max_connections));
    let mut backoff = BACKOFF.0;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((permit, stream, address)) => {
                backoff = BACKOFF.0;
                let (router, stop, cut) = (router.clone(), stop.clone(), cut.clone());
                tasks.spawn(async move {
                    let _permit = permit;
                    tokio::select! {
                        () = cut.cancelled() => {}
                        () = serve_connection(stream, address, router, stop) => {}
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

/// Acquires a permit, then accepts a connection. Without a permit, connections stay in the kernel's accept queue, where they cost nothing.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(tokio::sync::OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((permit, stream, address))
}

fn is_client_error(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
}

/// Serves one connection until it is closed. Connection errors are the client's and are logged at debug level only.
async fn serve_connection(stream: TcpStream, address: SocketAddr, router: Router, stop: CancellationToken) {
    // Events are small and must not be delayed by Nagle's algorithm. If this fails, the connection still works.
    let _ = stream.set_nodelay(true);
    let first_request = CancellationToken::new();
    let mut connection = http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).serve_connection(
        TokioIo::new(WriteTimeout::new(stream)),
        RequestService { router, address, first_request: first_request.clone() },
    );
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
        Box::pin(self.router.clone().oneshot(request))
    }
}
