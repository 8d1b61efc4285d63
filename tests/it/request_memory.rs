//! What clients without a login can cost the server: memory, log lines and audit entries.
//!
//! Rules: D9, D12.

use std::net::SocketAddr;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{Server, live};

const MIB: u64 = 1024 * 1024;

/// The most memory that the server has ever had, in bytes.
fn peak_memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the server is alive");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

async fn connect_from(server: &Server, last: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).expect("loopback addresses need no setup");
    socket.connect(SocketAddr::from(([127, 0, 0, 1], server.port()))).await.expect("the server accepts")
}

/// Sends this much of a login whose body does not end, and returns the status of the response.
async fn begin_login(server: &Server, headers: &str, body: &[u8]) -> String {
    let mut stream = connect_from(server, 1).await;
    let head = format!("POST /api/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the server reads");
    // It may be refused before all of it is sent.
    let _ = stream.write_all(body).await;
    let mut response = vec![0; 12];
    stream.read_exact(&mut response).await.map_or_else(|error| error.to_string(), |_| String::from_utf8_lossy(&response[9..]).into_owned())
}

#[test]
#[cfg(target_os = "linux")]
fn unfinished_request_bodies_take_little_memory_and_delay_no_other_client() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("up to the hard limit");
    live(async {
        let server = Server::start().await;
        // Password hashes are part of the usual peak.
        server.client("admin").await;
        let before = peak_memory(&server);
        let large = vec![b' '; 128 * 1024];
        let small = vec![b' '; 16 * 1024 - 1];
        let chunk = [b"3ffe\r\n".as_slice(), &small[1..]].concat();
        let mut logins = FuturesUnordered::new();
        for number in 0..1_200 {
            let (headers, body) = match number % 3 {
                0 => ("content-length: 2097152", &large),
                1 => ("content-length: 16384", &small),
                _ => ("transfer-encoding: chunked", &chunk),
            };
            logins.push(begin_login(&server, headers, body));
        }
        let (mut too_large, mut no_memory, mut other_logged_in) = (0, 0, false);
        // All declared 2 MiB are refused at once. Of the other 800, this address may have 2 MiB in memory.
        while too_large < 400 || no_memory < 600 {
            match logins.next().await.expect("the rest waits for its body").as_str() {
                "413" => too_large += 1,
                "503" => no_memory += 1,
                other => panic!("{other}"),
            }
            if too_large == 400 && !other_logged_in {
                // While this address waits, another one logs in.
                let body = json!({ "username": "admin", "password": "admin" }).to_string();
                let mut other = connect_from(&server, 2).await;
                let length = body.len();
                let login = format!(
                    "POST /api/auth/login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                other.write_all(login.as_bytes()).await.expect("the server reads");
                let mut response = String::new();
                other.read_to_string(&mut response).await.expect("a response");
                assert!(response.starts_with("HTTP/1.1 200"), "{response}");
                other_logged_in = true;
            }
        }
        let grown = peak_memory(&server) - before;
        assert!(grown < 128 * MIB, "{} MiB more", grown / MIB);
    });
}

#[test]
fn refused_requests_and_failed_logins_become_few_lines_and_entries() {
    live(async {
        let mut server = Server::start().await;
        let admin = server.client("admin").await;
        let guest = server.guest();
        for _ in 0..15 {
            guest.post("/api/auth/login", &json!({ "username": "admin", "password": "guess" })).await.problem(401, "wrong_credentials");
        }
        for _ in 0..200 {
            guest.get("/api/runs").await.problem(401, "token_missing");
        }
        let entries = admin.get("/api/audit?action=login").await;
        let outcomes: Vec<&str> =
            entries.body["items"].as_array().unwrap().iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["wrong_credentials", "ok"], "the first one at once");
        server.signal(Signal::TERM);
        assert_eq!(server.ended().await, 0);
        let log = server.log();
        let lines = log.lines().filter(|line| line.contains("request answered") && line.contains("http.status=401")).count();
        assert!(lines <= 10, "{lines}: {log}");
        let counted: u64 = log
            .lines()
            .filter(|line| line.contains("more requests without a token"))
            .filter_map(|line| line.split("requests=").nth(1)?.split(' ').next()?.parse::<u64>().ok())
            .sum();
        assert!(counted + lines as u64 >= 215, "every request is counted: {log}");
        let server = server.again().start().await;
        let entries = server.client("admin").await.get("/api/audit?action=login").await;
        let details: u64 = entries.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|entry| entry["detail"].as_str()?.strip_prefix("attempts=")?.parse::<u64>().ok())
            .sum();
        assert_eq!(details, 14, "{}", entries.text);
    });
}
