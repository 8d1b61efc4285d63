//! The accept loop: connections in, requests to the router, and an orderly end.
//!
//! ```text
//! listener ─ accept (a place is free) ─ connection task ─ hyper, HTTP/1.1 ─ router
//!                                            │ stop: the answer in progress is the last ─┐
//!                                            └ deadline: cut                            ─┴─ drained
//! ```
//! Our own and not `axum::serve`, which has neither a limit on the time that a request's head may take nor one on the shutdown.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
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
use crate::api::PeerAddress;

/// How long a request's head may take to arrive, and how long a connection may be idle between two requests.
pub(super) const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// Connections that may wait to be accepted. When so many readers come again at once, one that finds the queue full is not told: its
/// system asks again after 1 s, 3 s, 7 s. More than `net.core.somaxconn`, 4096 since Linux 5.4, there cannot be.
const BACKLOG: u32 = 4096;

/// How long a connection that was accepted and has not said anything gets to do so when the server is told to stop. Its request is on its way
/// mostly, and to hang up on it would lose it although the next server is there in a moment.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// The first and the longest wait after an accept that failed for want of descriptors or memory.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How to listen.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Connections at once. Those beyond wait in the system's queue, unaccepted.
    pub max_connections: usize,
    /// How long open connections may take to finish once the server is told to stop.
    pub drain: Duration,
}

impl Default for Listening {
    /// 12,000 connections, of which each takes a descriptor, and 10 s to drain.
    fn default() -> Self {
        Self { max_connections: 12_000, drain: Duration::from_secs(10) }
    }
}

/// A listener on `address`, where another one may just have ended.
///
/// # Errors
/// If the address is taken, is not this machine's, or may not be used.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A listener that was made by somebody else, who may keep it open for the server after this one.
///
/// # Errors
/// If the system refuses.
pub(super) fn take_over(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// How the end went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every connection finished what it was doing.
    Whole,
    /// This many connections were still at it at the deadline and were cut.
    Cut(usize),
}

/// Serves `router` on `listener` until `stop` is cancelled; then accepts no more, lets every connection finish the answer that it is
/// sending, and returns when all are done or the deadline is there. Streams must end on their own by then; those that do not are cut.
///
/// Dropping the future cuts everything at once.
pub async fn serve(listener: TcpListener, router: Router, listening: Listening, stop: CancellationToken) -> Drained {
    let tasks = TaskTracker::new();
    let cut = CancellationToken::new();
    let _cut_when_dropped = cut.clone().drop_guard();
    let places = Arc::new(Semaphore::new(listening.max_connections));
    let mut back_off = BACK_OFF.0;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((place, stream, address)) => {
                back_off = BACK_OFF.0;
                let (router, stop, cut) = (router.clone(), stop.clone(), cut.clone());
                tasks.spawn(async move {
                    let _place = place;
                    tokio::select! {
                        () = cut.cancelled() => {}
                        () = serve_connection(stream, address, router, stop) => {}
                    }
                });
            }
            // The client was gone before we came to it; the next may be there.
            Err(error) if is_the_clients_doing(&error) => {}
            Err(error) => {
                tracing::error!(error.cause = error.to_string(), "no connection can be accepted at the moment");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(back_off) => {}
                }
                back_off = (back_off * 2).min(BACK_OFF.1);
            }
        }
    }
    drop(listener);
    tasks.close();
    match tokio::time::timeout(listening.drain, tasks.wait()).await {
        Ok(()) => Drained::Whole,
        Err(_elapsed) => {
            let left = tasks.len();
            cut.cancel();
            tasks.wait().await;
            if left == 0 { Drained::Whole } else { Drained::Cut(left) }
        }
    }
}

/// A place first, then a connection: one that there is no place for stays in the system's queue, where it costs nothing.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(tokio::sync::OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((place, stream, address))
}

fn is_the_clients_doing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
}

/// Serves one connection to its end. How a connection breaks is the client's affair and is not logged above debug.
async fn serve_connection(stream: TcpStream, address: SocketAddr, router: Router, stop: CancellationToken) {
    // Events are small and must not wait for more to come; a socket that refuses works all the same.
    let _ = stream.set_nodelay(true);
    let begun = CancellationToken::new();
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .serve_connection(TokioIo::new(WriteTimeout::new(stream)), Requests { router, address, begun: begun.clone() });
    let mut stopping = false;
    loop {
        let ended = {
            let mut serving = pin!(std::future::poll_fn(|context| connection.poll_without_shutdown(context)));
            tokio::select! {
                ended = &mut serving => Some(ended),
                () = last_chance(&stop, &begun), if !stopping => None,
            }
        };
        match ended {
            Some(Ok(())) => break,
            Some(Err(error)) => {
                tracing::debug!(error.cause = error.to_string(), "a connection broke");
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

/// Returns when a connection is to finish what it is doing, and take no other request.
async fn last_chance(stop: &CancellationToken, begun: &CancellationToken) {
    stop.cancelled().await;
    let _ = tokio::time::timeout(FIRST_WORD, begun.cancelled()).await;
}

/// The router as hyper calls it, with the peer's address put into each request.
struct Requests {
    router: Router,
    address: SocketAddr,
    /// Told when the first request is there.
    begun: CancellationToken,
}

impl hyper::service::Service<Request<Incoming>> for Requests {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.begun.cancel();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(PeerAddress(self.address));
        Box::pin(self.router.clone().oneshot(request))
    }
}
