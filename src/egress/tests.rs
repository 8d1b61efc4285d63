//! The proxy on its socket, with hosts on this machine.
//!
//! Rules: G4, G5.

use std::path::Path;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::credentials::{GitCredential, ModelCredential, PerUser};
use super::{Credentials, EgressPolicy, Proxy};
use crate::process::isolation::EGRESS_SOCKET as SOCKET;
use crate::types::{AuthScheme, HostPattern, HostPort, NetworkReason, NetworkUse, Secret, StreamEvent};

const REAL_KEY: &str = "sk-the-real-key";
const REAL_TOKEN: &str = "ghp-the-real-token";

/// A host on this machine.
struct Host {
    listener: TcpListener,
    name: String,
}

impl Host {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let name = listener.local_addr().unwrap().to_string();
        Self { listener, name }
    }

    async fn accept(&self) -> BufReader<TcpStream> {
        BufReader::new(self.listener.accept().await.unwrap().0)
    }
}

/// The proxy of a run that may connect to `allowed`. The operator's list is `list`; model and git host are `host`.
fn proxy(dir: &Path, list: &[&str], allowed: &[&str], host: &Host) -> Proxy {
    let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<HostPattern>>();
    let base_url = format!("http://{}", host.name);
    let model = ModelCredential {
        provider: "anthropic".into(),
        base_url: format!("{base_url}/base"),
        key: Secret::new(REAL_KEY.into()),
        scheme: AuthScheme::ApiKey,
    };
    let git = GitCredential { username: "me".into(), token: Secret::new(REAL_TOKEN.into()), base_url };
    let credentials = Credentials {
        models: [("demo".to_owned(), PerUser { default: Some(model), users: [].into() })].into(),
        git: vec![(HostPort::parse(&host.name, None).unwrap(), PerUser { default: Some(git), users: [].into() })],
    };
    let policy = EgressPolicy::new(patterns(list), credentials, Credentials::default());
    Proxy::start(dir, policy.access("demo", "alice", &patterns(allowed), &[])).unwrap()
}

async fn connect(dir: &Path) -> BufReader<UnixStream> {
    BufReader::new(UnixStream::connect(dir.join(SOCKET)).await.unwrap())
}

/// The head of a message: its lines.
async fn head(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            return lines;
        }
        lines.push(line);
    }
}

async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// Sends a request, and returns the status line of the answer.
async fn ask(dir: &Path, request: &str) -> String {
    let mut stream = connect(dir).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    head(&mut stream).await.first().cloned().unwrap_or_default()
}

async fn next(proxy: &Proxy) -> NetworkUse {
    let events = proxy.next().await;
    let [StreamEvent::Network(network)] = &events[..] else { panic!("{events:?}") };
    network.clone()
}

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn a_tunnel_to_a_listed_host_carries_bytes_and_is_reported_when_it_ends() {
    let (dir, host) = (dir(), Host::new().await);
    let proxy = proxy(dir.path(), &[&host.name], &[&host.name], &host);
    let mut agent = connect(dir.path()).await;
    agent.write_all(format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\nearly", host.name).as_bytes()).await.unwrap();
    let mut server = host.accept().await;
    assert_eq!(head(&mut agent).await[0], "HTTP/1.1 200 OK");
    agent.write_all(b" and late").await.unwrap();
    agent.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await, "early and late");
    server.write_all(b"answer").await.unwrap();
    drop(server);
    assert_eq!(rest(&mut agent).await, "answer");
    let used = next(&proxy).await;
    assert_eq!((used.allowed, used.connections, used.bytes_sent, used.bytes_received, used.reason), (true, 1, 14, 6, None));
    assert_eq!(format!("{}:{}", used.host, used.port), host.name);
}

#[tokio::test]
async fn other_hosts_and_this_machine_are_refused_and_reported() {
    let (dir, host) = (dir(), Host::new().await);
    let listed = Host::new().await;
    // With `*`, but not named: an address of this machine is not meant.
    let any_port = format!("*:{}", host.listener.local_addr().unwrap().port());
    let proxy = proxy(dir.path(), &["github.com", &any_port, &listed.name], &["github.com", &any_port], &host);
    let localhost = host.name.replace("127.0.0.1", "localhost");
    for (target, reason) in [
        ("evil.example:443", NetworkReason::NotAllowed),
        ("github.com:22", NetworkReason::NotAllowed),
        (listed.name.as_str(), NetworkReason::NotAllowed),
        (host.name.as_str(), NetworkReason::PrivateAddress),
        (localhost.as_str(), NetworkReason::PrivateAddress),
    ] {
        for request in [format!("CONNECT {target} HTTP/1.1\r\n\r\n"), format!("GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n")] {
            let status = ask(dir.path(), &request).await;
            assert!(status.starts_with("HTTP/1.1 403"), "{request}{status}");
        }
        let used = next(&proxy).await;
        assert_eq!((format!("{}:{}", used.host, used.port).as_str(), used.allowed, used.reason), (target, false, Some(reason)));
    }
    assert!(futures_util::poll!(std::pin::pin!(host.listener.accept())).is_pending(), "a connection was opened");
}

#[tokio::test]
async fn requests_that_are_not_understood_or_contradict_themselves_are_refused() {
    let (dir, host) = (dir(), Host::new().await);
    let proxy = proxy(dir.path(), &[&host.name], &[&host.name], &host);
    let name = &host.name;
    for request in [
        format!("CONNECT {name} HTTP/1.1\r\nHost: other.example\r\n\r\n"),
        format!("CONNECT u@{name} HTTP/1.1\r\n\r\n"),
        format!("CONNECT {name} HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
        format!("GET http://{name}/ HTTP/1.1\r\nHost: other.example\r\n\r\n"),
        format!("GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\nHost: {name}\r\n\r\n"),
        format!("POST http://{name}/ HTTP/1.1\r\nHost: {name}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        format!("POST http://{name}/ HTTP/1.1\r\nHost: {name}\r\nTransfer-Encoding: chunked, identity\r\n\r\nhello"),
        format!("GET http://{name}/\rX: y HTTP/1.1\r\nHost: {name}\r\n\r\n"),
        format!("GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\nX-A : y\r\n\r\n"),
        format!("GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n X: folded\r\n\r\n"),
        format!("GET http://{name}/{} HTTP/1.1\r\nHost: {name}\r\n\r\n", "x".repeat(70_000)),
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:3128\r\n\r\n".to_owned(),
        "GET /model/x HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(),
        "TRACE /model/x HTTP/1.1\r\nHost: 127.0.0.1:3128\r\n\r\n".to_owned(),
        "\x16\x03\x01 hello\r\n\r\n".to_owned(),
    ] {
        let status = ask(dir.path(), &request).await;
        assert!(status.starts_with("HTTP/1.1 4"), "{request:?}: {status}");
    }
    let used = next(&proxy).await;
    assert_eq!((used.host.as_str(), used.allowed, used.reason), ("*", false, Some(NetworkReason::BadRequest)));
    assert!(futures_util::poll!(std::pin::pin!(host.listener.accept())).is_pending(), "a connection was opened");
}

#[tokio::test]
async fn a_plain_request_is_forwarded_without_the_headers_for_the_proxy() {
    let (dir, host) = (dir(), Host::new().await);
    let proxy = proxy(dir.path(), &[&host.name], &[&host.name], &host);
    let mut agent = connect(dir.path()).await;
    let name = &host.name;
    let request = format!(
        "POST http://{name}/x?y HTTP/1.1\r\nHost: {name}\r\nProxy-Authorization: Basic x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
    );
    agent.write_all(request.as_bytes()).await.unwrap();
    let mut server = host.accept().await;
    let received = head(&mut server).await;
    assert_eq!(received[0], "POST /x?y HTTP/1.1");
    let mut headers: Vec<&str> = received[1..].iter().map(String::as_str).collect();
    headers.sort_unstable();
    assert_eq!(headers, ["content-length: 5", &format!("host: {name}")]);
    let mut body = [0; 5];
    server.read_exact(&mut body).await.unwrap();
    server.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nKeep-Alive: timeout=5\r\n\r\nok").await.unwrap();
    let answer = rest(&mut agent).await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 201") && answer.ends_with("\r\n\r\nok") && !answer.contains("keep-alive"), "{answer}");
    let used = next(&proxy).await;
    assert_eq!((used.connections, used.bytes_sent, used.bytes_received), (1, 5, 2));
}

#[tokio::test]
async fn the_model_gets_the_real_key_only_and_its_answer_is_streamed() {
    let (dir, host) = (dir(), Host::new().await);
    let proxy = proxy(dir.path(), &[], &[], &host);
    let mut agent = connect(dir.path()).await;
    let request = "POST /model/v1/messages?beta=true HTTP/1.1\r\nHost: 127.0.0.1:3128\r\nX-Api-Key: placeholder\r\nAuthorization: Bearer mine\r\n\
                   Cookie: c\r\nAnthropic-Version: 2023-06-01\r\nContent-Length: 5\r\n\r\nhello";
    agent.write_all(request.as_bytes()).await.unwrap();
    let mut server = host.accept().await;
    let received = head(&mut server).await;
    assert_eq!(received[0], "POST /base/v1/messages?beta=true HTTP/1.1");
    for expected in [
        format!("x-api-key: {REAL_KEY}"),
        "anthropic-version: 2023-06-01".into(),
        "content-length: 5".into(),
        format!("host: {}", host.name),
    ] {
        assert!(received.contains(&expected), "{expected}: {received:?}");
    }
    let text = received.join("\n");
    assert!(!text.contains("placeholder") && !text.contains("mine") && !text.contains("cookie"), "{text}");
    let mut body = [0; 5];
    server.read_exact(&mut body).await.unwrap();
    assert_eq!(&body, b"hello");
    server
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nSet-Cookie: c\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        .await
        .unwrap();
    let answer = head(&mut agent).await;
    assert!(answer[0].ends_with("200 OK") && !answer.iter().any(|line| line.starts_with("set-cookie")), "{answer:?}");
    // The second part is sent only after the first one has arrived.
    let mut part = [0; 8];
    agent.read_exact(&mut part).await.unwrap();
    assert_eq!(&part, b"3\r\none\r\n");
    server.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
    let mut part = [0; 13];
    agent.read_exact(&mut part).await.unwrap();
    assert_eq!(&part, b"3\r\ntwo\r\n0\r\n\r\n");
    let used = next(&proxy).await;
    assert_eq!((used.allowed, used.bytes_sent, used.bytes_received), (true, 5, 6));
    // Without a body, no length is made up.
    agent.write_all(b"GET /model/v1/models HTTP/1.1\r\nHost: 127.0.0.1:3128\r\n\r\n").await.unwrap();
    let received = head(&mut server).await;
    assert!(!received.iter().any(|line| line.starts_with("transfer-encoding") || line.starts_with("content-length")), "{received:?}");
}

#[tokio::test]
async fn git_gets_the_token_of_the_operator_and_redirects_lead_through_the_proxy() {
    let (dir, host) = (dir(), Host::new().await);
    let proxy = proxy(dir.path(), &[&host.name], &[&host.name], &host);
    let mut agent = connect(dir.path()).await;
    let request = format!(
        "GET /git/{}/a/b.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: 127.0.0.1:3128\r\nAuthorization: Basic mine\r\n\r\n",
        host.name
    );
    agent.write_all(request.as_bytes()).await.unwrap();
    let mut server = host.accept().await;
    let received = head(&mut server).await;
    assert_eq!(received[0], "GET /a/b.git/info/refs?service=git-upload-pack HTTP/1.1");
    // `me` and the token in Base64.
    assert!(received.contains(&"authorization: Basic bWU6Z2hwLXRoZS1yZWFsLXRva2Vu".to_owned()), "{received:?}");
    let redirect = format!("HTTP/1.1 301 Moved\r\nLocation: http://{}/c/d.git/info/refs\r\nContent-Length: 0\r\n\r\n", host.name);
    server.write_all(redirect.as_bytes()).await.unwrap();
    let answer = head(&mut agent).await;
    assert!(answer.contains(&format!("location: http://127.0.0.1:3128/git/{}/c/d.git/info/refs", host.name)), "{answer:?}");
    assert!(next(&proxy).await.allowed);
    let other = ask(dir.path(), "GET /git/other.example/a/info/refs HTTP/1.1\r\nHost: 127.0.0.1:3128\r\n\r\n").await;
    assert!(other.starts_with("HTTP/1.1 404"), "{other}");
}

#[tokio::test]
async fn a_later_server_listens_on_the_same_path_and_a_long_path_is_no_obstacle() {
    let (dir, host) = (dir(), Host::new().await);
    let long = dir.path().join("x".repeat(120));
    std::fs::create_dir(&long).unwrap();
    // The path of a socket is limited: its users reach it by a short one.
    let short = dir.path().join("s");
    std::os::unix::fs::symlink(&long, &short).unwrap();
    let first = proxy(&long, &[], &[], &host);
    assert!(ask(&short, "CONNECT a.example:443 HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 403"));
    let second = proxy(&long, &[], &[], &host);
    assert!(ask(&short, "CONNECT b.example:443 HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 403"));
    assert_eq!(next(&second).await.host, "b.example");
    assert_eq!(next(&first).await.host, "a.example");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(long.join(SOCKET)).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn the_end_of_the_run_closes_open_connections_and_reports_them() {
    let (dir, host) = (dir(), Host::new().await);
    let proxy = proxy(dir.path(), &[&host.name], &[&host.name], &host);
    let mut agent = connect(dir.path()).await;
    agent.write_all(format!("CONNECT {} HTTP/1.1\r\n\r\n", host.name).as_bytes()).await.unwrap();
    let mut server = host.accept().await;
    head(&mut agent).await;
    agent.write_all(b"hello").await.unwrap();
    let mut received = [0; 5];
    server.read_exact(&mut received).await.unwrap();
    let events = proxy.finish().await;
    let [StreamEvent::Network(used)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((used.connections, used.bytes_sent), (1, 5));
    assert_eq!(rest(&mut server).await, "");
    assert!(UnixStream::connect(dir.path().join(SOCKET)).await.is_err(), "nothing listens");
}
