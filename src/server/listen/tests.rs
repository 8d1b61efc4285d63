//! The accept loop over real connections. Where a limit of time is meant, tokio's clock is paused and runs ahead by itself.

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;

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

fn hello() -> Router {
    Router::new()
        .route("/", get(|request: axum::extract::Request| async move { format!("{:?}", request.extensions().get::<PeerAddress>()) }))
        .route("/refuse", post(|| async { (axum::http::StatusCode::PAYLOAD_TOO_LARGE, "too large") }))
}

#[tokio::test]
async fn a_request_carries_the_address_of_its_connection() {
    let server = start(hello(), Listening::default()).await;
    let mut client = server.connect().await;
    let port = client.local_addr().unwrap().port();
    send(&mut client, "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    let answer = read_all(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(&format!("127.0.0.1:{port}")), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn d8_a_head_that_is_half_sent_is_cut() {
    let server = start(hello(), Listening::default()).await;
    let mut client = server.connect().await;
    send(&mut client, "GET / HTTP/1.1\r\nhost: localho").await;
    let began = tokio::time::Instant::now();
    let answer = read_all(&mut client).await;
    assert!(!answer.contains("200"), "{answer}");
    assert!(began.elapsed() >= HEAD_LIMIT);
}

#[tokio::test]
async fn d8_a_refusal_reaches_a_client_that_is_still_sending_its_body() {
    let server = start(hello(), Listening::default()).await;
    let mut client = server.connect().await;
    let size = 16 * 1024 * 1024;
    send(&mut client, &format!("POST /refuse HTTP/1.1\r\nhost: localhost\r\ncontent-length: {size}\r\n\r\n")).await;
    client.write_all(&vec![b'x'; size]).await.unwrap();
    let answer = read_all(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let server = start(hello(), Listening { max_connections: 1, ..Listening::default() }).await;
    let request = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    send(&mut second, request).await;
    send(&mut first, request).await;
    assert!(read_all(&mut first).await.starts_with("HTTP/1.1 200"));
    drop(first);
    assert!(read_all(&mut second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_stop_lets_the_answer_in_progress_finish_and_accepts_no_more() {
    let (begun, release) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let router = Router::new().route("/", {
        let (begun, release) = (begun.clone(), release.clone());
        get(move || async move {
            begun.add_permits(1);
            release.acquire().await.unwrap().forget();
            "finished"
        })
    });
    let server = start(router, Listening::default()).await;
    let (mut busy, mut idle) = (server.connect().await, server.connect().await);
    send(&mut busy, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    begun.acquire().await.unwrap().forget();
    server.stop.cancel();
    assert_eq!(read_all(&mut idle).await, "", "an idle connection is closed");
    release.add_permits(1);
    assert!(read_all(&mut busy).await.ends_with("finished"));
    assert_eq!(server.served.await.unwrap(), Drained::Whole);
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_done_at_the_deadline_is_cut() {
    let begun = Arc::new(Semaphore::new(0));
    let router = Router::new().route("/", {
        let begun = begun.clone();
        get(move || async move {
            begun.add_permits(1);
            std::future::pending::<String>().await
        })
    });
    let server = start(router, Listening::default()).await;
    let mut client = server.connect().await;
    send(&mut client, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    begun.acquire().await.unwrap().forget();
    server.stop.cancel();
    assert_eq!(server.served.await.unwrap(), Drained::Cut(1));
    assert_eq!(read_all(&mut client).await, "");
}
