//! Every error is a problem document with a stable code, and names the invalid field.
//!
//! Rules: D7, D8.

use std::io::{Read, Write};
use std::net::TcpStream;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Server, live};

#[test]
fn an_invalid_body_is_rejected_with_the_field() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let text = json!({ "text": "x" });
        let run = |metadata: Value| json!({ "input": text, "metadata": metadata }).to_string();
        let cases = [
            ("/api/runs", String::new(), 400, "body_missing", ""),
            ("/api/runs", "{".to_owned(), 400, "malformed_json", ""),
            ("/api/runs", "\u{feff}{}".to_owned(), 400, "malformed_json", ""),
            ("/api/runs", "{} {}".to_owned(), 422, "invalid_field", "input"),
            ("/api/runs", "[".repeat(200_000), 422, "invalid_field", "body"),
            ("/api/runs", format!("{{\"input\":{{\"text\":{}", "[".repeat(200_000)), 422, "invalid_field", "input.text"),
            ("/api/runs", "[[\"x\"],{}]".to_owned(), 422, "invalid_field", "body"),
            ("/api/runs", json!({ "input": ["x"] }).to_string(), 422, "invalid_field", "input"),
            ("/api/runs", json!({ "input": "x" }).to_string(), 422, "invalid_field", "input"),
            ("/api/runs", "[]".to_owned(), 422, "invalid_field", "body"),
            ("/api/runs", "{}".to_owned(), 422, "invalid_field", "input"),
            ("/api/runs", json!({ "input": {} }).to_string(), 422, "invalid_field", "input.text"),
            ("/api/runs", json!({ "input": { "text": 7 } }).to_string(), 422, "invalid_field", "input.text"),
            ("/api/runs", json!({ "input": { "text": "" } }).to_string(), 422, "invalid_field", "input.text"),
            ("/api/runs", json!({ "input": { "text": " \n\t" } }).to_string(), 422, "invalid_field", "input.text"),
            ("/api/runs", json!({ "input": { "text": "x", "txet": 1 } }).to_string(), 422, "invalid_field", "input.txet"),
            ("/api/runs", json!({ "input": text, "more": 1 }).to_string(), 422, "invalid_field", "more"),
            ("/api/runs", run(json!(["demo"])), 422, "invalid_field", "metadata"),
            ("/api/runs", run(json!("x")), 422, "invalid_field", "metadata"),
            ("/api/runs", run(json!({ "agent": "demo" })), 422, "invalid_field", "metadata.agent"),
            ("/api/runs", run(json!({ "agent_type": 3 })), 422, "invalid_field", "metadata.agent_type"),
            ("/api/runs", run(json!({ "agent_type": "../claude" })), 422, "unknown_agent", "metadata.agent_type"),
            ("/api/runs", run(json!({ "timeout_secs": -1 })), 422, "invalid_field", "metadata.timeout_secs"),
            ("/api/runs", run(json!({ "timeout_secs": 1e300 })), 422, "invalid_field", "metadata.timeout_secs"),
            ("/api/runs", run(json!({ "timeout_secs": u64::MAX })), 422, "invalid_field", "metadata.timeout_secs"),
            ("/api/runs", run(json!({ "extra_args": "x" })), 422, "invalid_field", "metadata.extra_args"),
            ("/api/runs", run(json!({ "extra_args": [1] })), 422, "invalid_field", "metadata.extra_args[0]"),
            ("/api/runs", run(json!({ "extra_args": ["-x\0"] })), 400, "bad_argument", "metadata.extra_args"),
            ("/api/runs", run(json!({ "permission_mode": "yolo" })), 422, "invalid_field", "metadata.permission_mode"),
            ("/api/runs", run(json!({ "labels": { "a": 1 } })), 422, "invalid_field", "metadata.labels.a"),
            ("/api/runs", run(json!({ "labels": { "": "a" } })), 422, "invalid_field", "metadata.labels"),
            ("/api/runs", run(json!({ "labels": { "a": "x".repeat(2049) } })), 422, "invalid_field", "metadata.labels.a"),
            ("/api/chat", "{}".to_owned(), 422, "invalid_field", "message"),
            ("/api/chat", json!({ "message": "" }).to_string(), 422, "invalid_field", "message"),
            ("/api/chat", json!({ "message": "x", "model": "claude/--x" }).to_string(), 422, "invalid_field", "model"),
            ("/api/chat", json!({ "message": "x", "model": "gpt-9" }).to_string(), 400, "unknown_model", "model"),
            ("/api/auth/login", json!({ "username": "user" }).to_string(), 422, "invalid_field", "password"),
        ];
        for (path, body, status, code, field) in cases {
            let shown: String = body.chars().take(80).collect();
            let request = user.request(Method::POST, path).header("content-type", "application/json").body(body);
            let answer = user.send(request).await;
            assert_eq!(answer.problem(status, code), field, "{path} {shown}: {}", answer.text);
        }
        assert!(user.get("/api/runs").await.body["items"].as_array().unwrap().is_empty());
    });
}

#[test]
fn an_unknown_agent_or_model_is_rejected_with_the_available_ones() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let answer = user.ask("x", json!({ "agent_type": "clod" })).await;
        assert_eq!(answer.problem(422, "unknown_agent"), "metadata.agent_type");
        let model = user.post("/api/chat", &json!({ "message": "x", "model": "clod/opus" })).await;
        assert_eq!(model.problem(400, "unknown_model"), "model");
        for name in ["claude_code", "codex", "demo", "opencode"] {
            assert!(answer.body["detail"].as_str().unwrap().contains(name), "{}", answer.text);
            assert!(model.body["detail"].as_str().unwrap().contains(name), "{}", model.text);
        }
    });
}

#[test]
fn without_a_valid_token_only_health_login_and_pages_are_available() {
    live(async {
        let server = Server::start().await;
        let guest = server.guest();
        let id = "run_00000000000070008000000000000000";
        let routes = [
            (Method::GET, "/api/runs".to_owned()),
            (Method::POST, "/api/runs".to_owned()),
            (Method::GET, format!("/api/runs/{id}")),
            (Method::DELETE, format!("/api/runs/{id}")),
            (Method::GET, format!("/api/runs/{id}/events")),
            (Method::POST, format!("/api/runs/{id}/cancel")),
            (Method::POST, "/api/chat".to_owned()),
            (Method::GET, "/api/auth/me".to_owned()),
            (Method::GET, "/api/no/such/route".to_owned()),
            (Method::PUT, "/api/runs".to_owned()),
            (Method::POST, "/".to_owned()),
            (Method::GET, "/no/such/page".to_owned()),
        ];
        for (method, path) in routes {
            let answer = guest.send(guest.request(method.clone(), &path)).await;
            answer.problem(401, "token_missing");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"openrunner\"", "{method} {path}");
            for token in ["x", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."] {
                let request = guest.request(method.clone(), &path).bearer_auth(token);
                guest.send(request).await.problem(401, "token_invalid");
            }
        }
        let request = guest.request(Method::GET, "/api/runs").header("authorization", "Basic YWRtaW46YWRtaW4=");
        guest.send(request).await.problem(401, "token_invalid");
    });
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    live(async {
        let server = Server::start().await;
        let guest = server.guest();
        let mut answers = Vec::new();
        for name in ["admin", "nemo"] {
            let answer = guest.post("/api/auth/login", &json!({ "username": name, "password": "wrong" })).await;
            answer.problem(401, "wrong_credentials");
            answers.push(answer.text);
        }
        assert_eq!(answers[0], answers[1]);
    });
}

#[test]
fn missing_resources_and_conflicts_have_their_status_codes() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        user.get("/api/no/such/route").await.problem(404, "not_found");
        user.get("/api/runs/42").await.problem(404, "not_found");
        user.get("/api/runs/run_00000000000070008000000000000000").await.problem(404, "not_found");
        let answer = user.send(user.request(Method::PUT, "/api/runs")).await;
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "GET,HEAD,POST");
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"] {
            let request = user.request(Method::POST, "/api/runs").header("content-type", content_type).body("{\"input\":{\"text\":\"x\"}}");
            user.send(request).await.problem(415, "not_json");
        }
    });
}

#[test]
fn a_body_of_64_mib_is_rejected_without_being_buffered() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let just_fits = 2 * 1024 * 1024 - 200;
        let answer = user.ask(&format!("# {}", "x".repeat(just_fits - 200)), json!({ "agent_type": "claude_code" })).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let (port, token) = (server.port(), user.token().to_owned());
        // With `Content-Length` it is rejected before the first byte of the body.
        let answer = raw(port, &format!("Authorization: Bearer {token}\r\nContent-Length: {}\r\n", 64 * 1024 * 1024), &[]);
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"code\":\"body_too_large\""), "{answer}");
        // In chunks it is rejected when it exceeds the limit.
        let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 0x10_0000], b"\r\n"].concat();
        let answer = raw(port, &format!("Authorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n"), &chunk.repeat(3));
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("application/problem+json"), "{answer}");
        assert_eq!(user.get("/health").await.status, 200);
    });
}

/// Sends a raw request and returns the response as text.
fn raw(port: u16, headers: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    let head =
        format!("POST /api/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).expect("the server reads");
    // The server may close the connection early.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
