//! The accept loop over real connections. Tests of time limits pause tokio's clock, which then advances automatically.
//!
//! Rules: D2, D8, D9, D10.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::listen::{Drained, HEAD_TIMEOUT, Listening, serve};
use crate::api::{AppState, HostPolicy, router};

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<Drained>,
}

#[expect(clippy::disallowed_methods, reason = "the test itself waits for the task")]
async fn start(router: Router, listening: Listening) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, router, listening, stop.clone()));
    Server { address, stop, served }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

fn test_router() -> Router {
    Router::new()
        .route(
            "/",
            get(|request: axum::extract::Request| async move {
                format!("{:?}", request.extensions().get::<axum::extract::ConnectInfo<std::net::SocketAddr>>())
            }),
        )
        .route("/refuse", post(|| async { (axum::http::StatusCode::PAYLOAD_TOO_LARGE, "too large") }))
}

#[tokio::test]
async fn a_request_carries_the_address_of_its_connection() {
    let server = start(test_router(), Listening::default()).await;
    let mut client = server.connect().await;
    let port = client.local_addr().unwrap().port();
    send(&mut client, "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    let response = read_all(&mut client).await;
    assert!(response.starts_with("HTTP/1.1 200") && response.contains(&format!("127.0.0.1:{port}")), "{response}");
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_request_head_times_out() {
    let server = start(test_router(), Listening::default()).await;
    let mut client = server.connect().await;
    send(&mut client, "GET / HTTP/1.1\r\nhost: localho").await;
    let started = tokio::time::Instant::now();
    let response = read_all(&mut client).await;
    assert!(!response.contains("200"), "{response}");
    assert!(started.elapsed() >= HEAD_TIMEOUT);
}

#[tokio::test]
async fn a_client_that_is_still_sending_its_body_receives_the_rejection() {
    let server = start(test_router(), Listening::default()).await;
    let mut client = server.connect().await;
    let size = 16 * 1024 * 1024;
    send(&mut client, &format!("POST /refuse HTTP/1.1\r\nhost: localhost\r\ncontent-length: {size}\r\n\r\n")).await;
    client.write_all(&vec![b'x'; size]).await.unwrap();
    let response = read_all(&mut client).await;
    assert!(response.starts_with("HTTP/1.1 413"), "{response}");
}

/// Serves the complete API.
async fn start_api() -> (tempfile::TempDir, Server) {
    let (dir, state) = AppState::for_tests().await;
    let server = start(router(state, HostPolicy::new("127.0.0.1".parse().unwrap(), &[], &[])), Listening::default()).await;
    (dir, server)
}

/// The status and code of a problem+json response.
fn parse_problem(response: &str) -> (u64, String) {
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("incomplete response: {response}"));
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    (body["status"].as_u64().unwrap(), body["code"].as_str().unwrap().to_owned())
}

const LOGIN: &str = "POST /api/auth/login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n";

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_413() {
    let (_dir, server) = start_api().await;
    let mut client = server.connect().await;
    send(&mut client, &format!("{LOGIN}transfer-encoding: chunked\r\n\r\n")).await;
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..200 {
        send(&mut client, &chunk).await;
    }
    send(&mut client, "0\r\n\r\n").await;
    assert_eq!(parse_problem(&read_all(&mut client).await), (413, "body_too_large".to_owned()));
}

#[tokio::test]
async fn a_body_of_64_mib_is_rejected_and_the_client_reads_the_rejection() {
    let (_dir, server) = start_api().await;
    let size = 64 * 1024 * 1024;
    for (head, expected) in [
        (LOGIN, (413, "body_too_large")),
        ("POST /api/runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n", (401, "token_missing")),
    ] {
        let mut client = server.connect().await;
        send(&mut client, &format!("{head}content-length: {size}\r\n\r\n")).await;
        client.write_all(&vec![b' '; size]).await.unwrap();
        assert_eq!(parse_problem(&read_all(&mut client).await), (expected.0, expected.1.to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_body_is_408() {
    let (_dir, server) = start_api().await;
    let mut client = server.connect().await;
    send(&mut client, &format!("{LOGIN}content-length: 100\r\n\r\n{{")).await;
    assert_eq!(parse_problem(&read_all(&mut client).await), (408, "body_timeout".to_owned()));
}

#[tokio::test]
async fn the_host_guard_precedes_every_route() {
    let (_dir, server) = start_api().await;
    for head in
        ["GET /health HTTP/1.1\r\nhost: evil.example", "GET http://evil.example/health HTTP/1.1\r\nhost: localhost", "GET /health HTTP/1.0"]
    {
        let mut client = server.connect().await;
        send(&mut client, &format!("{head}\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(parse_problem(&read_all(&mut client).await), (421, "host_not_served".to_owned()), "{head}");
    }
}

const GET: &str = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Reads the head of a response. The body of those used here is short enough to have arrived with it or not to matter.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 16 * 1024];
    let mut length = 0;
    while !bytes[..length].windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut bytes[length..]).await {
            Ok(0) | Err(_) => break,
            Ok(read) => length += read,
        }
    }
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

/// Connects from another loopback address, which the test takes for another machine.
#[cfg(target_os = "linux")]
async fn connect_from(server: &Server, last: u8) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    socket.connect(server.address).await.unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_that_hold_connections_lock_out_neither_others_nor_this_machine() {
    let is_local = |address: std::net::IpAddr| address == std::net::IpAddr::from([127, 0, 0, 1]);
    let server = start(test_router(), Listening { max_connections: 32, is_local, ..Listening::default() }).await;
    // Each address keeps its connections with a request now and then.
    let mut held = Vec::new();
    for last in [2, 3, 4, 5, 6] {
        for _ in 0..20 {
            let mut stream = connect_from(&server, last).await;
            send(&mut stream, GET).await;
            assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
            held.push(stream);
        }
        for client in [1, 99] {
            let mut stream = connect_from(&server, client).await;
            send(&mut stream, GET).await;
            assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"), "{client}, while {last} holds connections");
        }
    }
}

#[tokio::test]
async fn without_a_free_connection_an_idle_one_is_closed_and_a_busy_one_is_not() {
    let (started, release) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let router = Router::new().route("/", {
        let (started, release) = (started.clone(), release.clone());
        get(move |request: axum::extract::Request| async move {
            // As the layer for bodies reports it.
            assert!(request.extensions().get::<crate::api::ConnectionHandle>().unwrap().received());
            started.add_permits(1);
            release.acquire().await.unwrap().forget();
            "finished"
        })
    });
    let server = start(router, Listening { max_connections: 4, ..Listening::default() }).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    send(&mut second, GET).await;
    started.acquire().await.unwrap().forget();
    let mut third = server.connect().await;
    assert_eq!(read_all(&mut first).await, "", "the idle one is closed");
    send(&mut third, GET).await;
    started.acquire().await.unwrap().forget();
    let refused = read_all(&mut server.connect().await).await;
    assert_eq!(parse_problem(&refused), (503, "overloaded".to_owned()));
    release.add_permits(2);
    for busy in [&mut second, &mut third] {
        assert!(read_head(busy).await.starts_with("HTTP/1.1 200"));
    }
}

#[test]
fn connections_leave_descriptors_for_everything_else() {
    let admitted = |descriptors| Listening { max_connections: 12_000, ..Listening::default() }.within(descriptors).max_connections;
    assert_eq!([None, Some(20_000), Some(13_000), Some(4_096), Some(1_024)].map(admitted), [12_000, 12_000, 12_000, 3_096, 512]);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let server = start(test_router(), Listening::default()).await;
    let mut client = server.connect().await;
    send(&mut client, &format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024))).await;
    assert!(read_all(&mut client).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn a_stop_finishes_responses_in_progress_and_accepts_no_connections() {
    let (started, release) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let router = Router::new().route("/", {
        let (started, release) = (started.clone(), release.clone());
        get(move || async move {
            started.add_permits(1);
            release.acquire().await.unwrap().forget();
            "finished"
        })
    });
    let server = start(router, Listening::default()).await;
    let (mut busy, mut idle) = (server.connect().await, server.connect().await);
    send(&mut busy, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    started.acquire().await.unwrap().forget();
    server.stop.cancel();
    assert_eq!(read_all(&mut idle).await, "", "an idle connection is closed");
    release.add_permits(1);
    assert!(read_all(&mut busy).await.ends_with("finished"));
    assert_eq!(server.served.await.unwrap(), Drained::Finished);
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn connections_still_open_at_the_deadline_are_closed() {
    let started = Arc::new(Semaphore::new(0));
    let router = Router::new().route("/", {
        let started = started.clone();
        get(move || async move {
            started.add_permits(1);
            std::future::pending::<String>().await
        })
    });
    let server = start(router, Listening::default()).await;
    let mut client = server.connect().await;
    send(&mut client, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    started.acquire().await.unwrap().forget();
    server.stop.cancel();
    assert_eq!(server.served.await.unwrap(), Drained::Cut(1));
    assert_eq!(read_all(&mut client).await, "");
}
