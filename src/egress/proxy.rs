//! The proxy of one run.

use std::convert::Infallible;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::connect::connect;
use super::relay::{self, AnyBody, Failed, respond};
use super::report::Reporter;
use super::request::{BadRequest, Target, target};
use super::{Access, tunnel};
use crate::process::isolation::{EGRESS_SOCKET, PROXY_PORT};
use crate::types::{HostPort, NetworkReason, StreamEvent};

/// Maximum number of connections at a time. Further ones wait in the queue of the socket.
const MAX_CONNECTIONS: usize = 64;
/// Time limit for the head of a request, and for the next request of a connection.
const HEAD_TIMEOUT: Duration = Duration::from_mins(1);
/// Maximum size of the head of a request in bytes, and maximum number of its headers.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 128;
/// Pause after a failed `accept`, for example without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// How long connections may take to end when the run has ended.
const DRAIN: Duration = Duration::from_secs(1);

/// The proxy of one run. Dropping it closes the socket and all connections.
#[derive(Debug)]
pub struct Proxy {
    reporter: Reporter,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

/// What all connections of a run share.
struct Shared {
    access: Access,
    reporter: Reporter,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Proxy {
    /// Listens on a socket in `dir`, which is created if it does not exist, and which only the account of the server may open. A socket that an
    /// earlier server left there is replaced.
    ///
    /// # Errors
    /// If the directory or the socket cannot be created.
    pub fn start(dir: &Path, access: Access) -> io::Result<Self> {
        let listener = listen(dir)?;
        let (reporter, tasks, stop) = (Reporter::default(), TaskTracker::new(), CancellationToken::new());
        let shared = Arc::new(Shared { access, reporter: reporter.clone(), tasks: tasks.clone(), stop: stop.clone() });
        tasks.spawn(accept(listener, shared));
        Ok(Self { reporter, tasks, stop: stop.clone(), _stop_on_drop: stop.drop_guard() })
    }

    /// Waits for the next events: what the agent does on the network, and notices about limits. Never empty. Cancel-safe.
    pub async fn next(&self) -> Vec<StreamEvent> {
        self.reporter.next().await
    }

    /// What has not been reported. Connections that are open are not included.
    pub fn pending(&self) -> Vec<StreamEvent> {
        self.reporter.take_all()
    }

    /// Closes the socket and all connections, and returns what has not been reported. Takes at most a second.
    pub async fn finish(self) -> Vec<StreamEvent> {
        self.stop.cancel();
        self.tasks.close();
        // A task that takes longer is waiting for the system, and ends later.
        let _ = tokio::time::timeout(DRAIN, self.tasks.wait()).await;
        self.reporter.take_all()
    }
}

/// Binds the socket. The path of the data directory may be longer than the address of a socket may be.
fn listen(dir: &Path) -> io::Result<UnixListener> {
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let socket = dir.join(EGRESS_SOCKET);
    match std::fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let handle = std::fs::File::open(dir)?;
    let listener = if cfg!(target_os = "linux") {
        UnixListener::bind(format!("/proc/self/fd/{}/{EGRESS_SOCKET}", handle.as_raw_fd()))?
    } else {
        UnixListener::bind(&socket)?
    };
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let accepting = async {
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    shared.tasks.spawn(serve(stream, Arc::clone(&shared), slot));
                }
                Err(error) => {
                    tracing::debug!(error.cause = error.to_string(), "cannot accept connections of an agent; retrying");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    shared.stop.run_until_cancelled(accepting).await;
}

async fn serve(stream: UnixStream, shared: Arc<Shared>, slot: OwnedSemaphorePermit) {
    // Shared with a tunnel, which outlives its request.
    let slot = Arc::new(slot);
    let service = service_fn(|request| {
        let (shared, slot) = (Arc::clone(&shared), Arc::clone(&slot));
        async move { Ok::<_, Infallible>(handle(request, &shared, slot).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD);
    let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    if let Some(Err(error)) = shared.stop.run_until_cancelled(connection).await
        && error.is_parse()
    {
        shared.reporter.record_failure(None, false, NetworkReason::BadRequest);
    }
}

async fn handle(request: Request<Incoming>, shared: &Arc<Shared>, slot: Arc<OwnedSemaphorePermit>) -> Response<AnyBody> {
    match target(request.method(), request.uri(), request.headers(), PROXY_PORT) {
        Ok(Target::Tunnel(host)) => open_tunnel(request, host, shared, slot).await,
        Ok(Target::Http(host, path)) => {
            let stream = match open(&host, shared).await {
                Ok(stream) => stream,
                Err(refused) => return refused,
            };
            let counter = shared.reporter.open(host.clone());
            forwarded(relay::plain(stream, path, &host, request, counter, &shared.tasks).await)
        }
        Ok(Target::Model(path)) => {
            let model = shared.access.model.as_ref();
            let Some((host, model)) = model.and_then(|model| Some((relay::host_of(&model.base_url)?, model))) else {
                return bad_request(BadRequest::NotFound, shared);
            };
            let counter = shared.reporter.open(host);
            forwarded(relay::model(&shared.access, model, &path, request, counter).await)
        }
        Ok(Target::Git(name, path)) => {
            let wanted = HostPort::parse(&name, Some(443)).ok();
            let Some(git) = shared.access.git.iter().find(|(host, _)| Some(host) == wanted.as_ref()) else {
                return bad_request(BadRequest::NotFound, shared);
            };
            let counter = shared.reporter.open(git.0.clone());
            forwarded(relay::git(&shared.access, git, &path, request, counter).await)
        }
        Err(bad) => bad_request(bad, shared),
    }
}

/// Connects to a host.
///
/// # Errors
/// The response to the agent. The refusal or failure is recorded.
async fn open(host: &HostPort, shared: &Shared) -> Result<tokio::net::TcpStream, Response<AnyBody>> {
    let connected = if shared.reporter.has_room_for(host) {
        connect(&shared.access, host, &shared.tasks).await
    } else {
        Err(NetworkReason::TooManyHosts)
    };
    connected.map_err(|reason| {
        let is_failure = matches!(reason, NetworkReason::Unresolved | NetworkReason::Unreachable);
        shared.reporter.record_failure(Some(host), is_failure, reason);
        match reason {
            NetworkReason::Unresolved => respond(StatusCode::BAD_GATEWAY, &format!("the name {} cannot be resolved", host.host())),
            NetworkReason::Unreachable => respond(StatusCode::BAD_GATEWAY, &format!("{host} cannot be reached")),
            NetworkReason::PrivateAddress => respond(StatusCode::FORBIDDEN, &format!("{host} is not on the public internet")),
            NetworkReason::TooManyHosts => respond(StatusCode::FORBIDDEN, "this run has used too many hosts"),
            NetworkReason::NotAllowed | NetworkReason::BadRequest => {
                respond(StatusCode::FORBIDDEN, &format!("{host} is not in the list of hosts of this run (metadata.egress)"))
            }
        }
    })
}

async fn open_tunnel(
    request: Request<Incoming>,
    host: HostPort,
    shared: &Arc<Shared>,
    slot: Arc<OwnedSemaphorePermit>,
) -> Response<AnyBody> {
    let stream = match open(&host, shared).await {
        Ok(stream) => stream,
        Err(refused) => return refused,
    };
    let counter = shared.reporter.open(host);
    let stop = shared.stop.clone();
    shared.tasks.spawn(async move {
        let _slot = slot;
        let copying = async {
            let upgraded = hyper::upgrade::on(request).await.map_err(io::Error::other)?;
            tunnel::copy(TokioIo::new(upgraded), stream, &counter).await
        };
        if let Some(Err(error)) = stop.run_until_cancelled(copying).await {
            tracing::debug!(error.cause = error.to_string(), "a connection of an agent ended with an error");
        }
    });
    Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync())
}

fn forwarded(response: Result<Response<AnyBody>, Failed>) -> Response<AnyBody> {
    response.unwrap_or_else(|Failed| respond(StatusCode::BAD_GATEWAY, "the host cannot be reached"))
}

fn bad_request(bad: BadRequest, shared: &Shared) -> Response<AnyBody> {
    shared.reporter.record_failure(None, false, NetworkReason::BadRequest);
    let status = if bad == BadRequest::NotFound { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
    respond(status, &bad.to_string())
}
