//! Access by host name, origin and password, and what the log does not contain.
//!
//! Rules: D2, D3, D4, D5, I1, I3, W7.

use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;

use crate::support::{Server, Setup, live};

#[test]
fn setting_the_password_of_admin_disables_the_default_password() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let mut server = server;
        server.signal(Signal::TERM);
        assert_eq!(server.ended().await, 0);
        let server = server.again().env("OPENRUNNER_ADMIN_PASSWORD", "a better one").start().await;
        let guest = server.guest();
        guest.post("/api/auth/login", &json!({ "username": "admin", "password": "admin" })).await.problem(401, "wrong_credentials");
        // The token obtained with the default password is revoked.
        admin.at(server.url()).get("/api/auth/me").await.problem(401, "token_invalid");
        let admin = guest.login("admin", "a better one").await;
        let me = admin.get("/api/auth/me").await.body;
        assert_eq!((&me["username"], &me["role"]), (&json!("admin"), &json!("admin")));
        // With its own password, admin may log in from anywhere.
        let request = admin.request(Method::GET, "/api/auth/me").header("x-forwarded-for", "203.0.113.9");
        assert_eq!(admin.send(request).await.status, 200);
    });
}

#[test]
fn default_passwords_do_not_work_through_a_proxy_and_neither_do_their_tokens() {
    live(async {
        let server = Server::start().await;
        let (guest, user) = (server.guest(), server.client("user").await);
        for header in ["x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-host", "via"] {
            let login = guest.request(Method::POST, "/api/auth/login").json(&json!({ "username": "user", "password": "user" }));
            guest.send(login.header(header, "203.0.113.9")).await.problem(403, "default_password");
            let request = user.request(Method::GET, "/api/runs").header(header, "127.0.0.1");
            user.send(request).await.problem(403, "default_password");
        }
    });
}

#[test]
fn an_unknown_host_is_rejected_on_every_route() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_ALLOWED_HOSTS", "runner.example").start().await;
        let user = server.client("user").await;
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "[::2]", "localhost:x"] {
            for (method, path) in
                [(Method::GET, "/health"), (Method::GET, "/api/runs"), (Method::POST, "/api/auth/login"), (Method::GET, "/x")]
            {
                let answer = user.send(user.request(method, path).header("host", host)).await;
                answer.problem(421, "host_not_served");
            }
        }
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:3000", "runner.example:80"] {
            assert_eq!(user.send(user.request(Method::GET, "/health").header("host", host)).await.status, 200, "{host}");
        }
        // Under a foreign host name, a default password does not work.
        let answer = user.send(user.request(Method::GET, "/api/runs").header("host", "runner.example")).await;
        answer.problem(403, "default_password");
    });
}

#[test]
fn a_foreign_page_can_neither_read_nor_write() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_ALLOWED_ORIGINS", "https://console.example").start().await;
        let user = server.client("user").await;
        let (own, other_port) = (server.url(), format!("http://127.0.0.1:{}", server.port().wrapping_add(1)));
        for origin in ["https://evil.example", "null", other_port.as_str(), "https://console.example.evil"] {
            let answer = user.send(user.request(Method::GET, "/api/runs").header("origin", origin)).await;
            answer.problem(403, "origin_not_allowed");
            assert_eq!(answer.header("access-control-allow-origin"), "");
        }
        // The console, which this server itself serves to the browser.
        let console = user.send(user.request(Method::GET, "/api/runs").header("origin", &own)).await;
        assert_eq!((console.status, console.header("access-control-allow-origin")), (200, own.as_str()));
        let listed = user.send(user.request(Method::GET, "/api/runs").header("origin", "https://console.example")).await;
        assert_eq!((listed.status, listed.header("access-control-allow-origin")), (200, "https://console.example"));
        let request = user.request(Method::POST, "/api/runs").header("sec-fetch-site", "cross-site").json(&json!({}));
        user.send(request).await.problem(403, "cross_site");
    });
}

#[test]
fn dns_rebinding_is_rejected() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        // What a browser sends for a page of evil.example once that name resolves to this server: to the page everything is same-origin.
        let rebound = format!("evil.example:{}", server.port());
        for (method, path) in [(Method::GET, "/api/runs"), (Method::POST, "/api/runs"), (Method::POST, "/api/auth/login")] {
            let request = user.request(method, path).header("host", &rebound).header("origin", format!("http://{rebound}"));
            let request = request.header("sec-fetch-site", "same-origin").json(&json!({ "username": "user", "password": "user" }));
            user.send(request).await.problem(421, "host_not_served");
        }
    });
}

#[test]
fn a_cross_site_form_changes_nothing() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let run = json!({ "input": { "text": "result x" }, "metadata": { "agent_type": "claude_code" } }).to_string();
        for content_type in
            ["text/plain", "text/plain; application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
        {
            for path in ["/api/runs", "/api/auth/login", "/api/chat"] {
                let request = user.request(Method::POST, path).header("content-type", content_type).body(run.clone());
                user.send(request).await.problem(415, "not_json");
            }
        }
        let request = user.request(Method::POST, "/api/runs").body(run.clone());
        user.send(request).await.problem(415, "not_json");
        for origin in ["null", "https://evil.example"] {
            let request = user.request(Method::POST, "/api/runs").header("origin", origin).json(&json!({}));
            user.send(request).await.problem(403, "origin_not_allowed");
        }
        assert!(user.get("/api/runs").await.body["items"].as_array().unwrap().is_empty());
    });
}

#[test]
fn only_pages_of_allowed_origins_can_read_responses() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        for origin in ["null", "https://evil.example", "http://localhost:5173"] {
            for method in [Method::OPTIONS, Method::GET] {
                let request = user.request(method, "/api/runs").header("origin", origin).header("access-control-request-method", "POST");
                let answer = user.send(request).await;
                answer.problem(403, "origin_not_allowed");
                assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{:?}", answer.headers);
            }
        }
        let answer = user.get("/api/runs").await;
        assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{:?}", answer.headers);
    });
}

#[test]
fn a_short_key_and_the_documented_password_stop_the_start() {
    live(async {
        let (status, log) = Setup::new().env("OPENRUNNER_JWT_SECRET", "short").fails_to_start().await;
        assert!(status.code() == Some(1) && log.contains("OPENRUNNER_JWT_SECRET") && log.contains("at least 32"), "{log}");
        let (status, log) = Setup::new().env("OPENRUNNER_ADMIN_PASSWORD", "admin").fails_to_start().await;
        assert!(status.code() == Some(1) && log.contains("OPENRUNNER_ADMIN_PASSWORD"), "{log}");
        let (status, log) = Setup::new().env("OPENRUNNER_ADDR", "nowhere").fails_to_start().await;
        assert!(status.code() == Some(1) && log.contains("OPENRUNNER_ADDR"), "{log}");
    });
}

#[test]
fn the_log_contains_no_token_password_prompt_or_query_string() {
    live(async {
        let setup = Setup::new().env("OPENRUNNER_ADMIN_PASSWORD", "pass-canary-1").env("OPENRUNNER_JWT_SECRET", "key-canary-".repeat(4));
        let mut server = setup.env("OPENRUNNER_LOG", "trace").start().await;
        let admin = server.guest().login("admin", "pass-canary-1").await;
        let wrong = json!({ "username": "admin", "password": "pass-canary-2" });
        admin.post("/api/auth/login", &wrong).await.problem(401, "wrong_credentials");
        let labels = json!({ "agent_type": "claude_code", "labels": { "x": "label-canary" } });
        let id = admin.create("# prompt-canary\nsay speech-canary\nstderr stderr-canary\nresult result-canary", labels).await;
        admin.end_of(&id).await;
        let token = admin.token().to_owned();
        let guest = server.guest();
        assert_eq!(guest.get(&format!("/api/runs/{id}/events?access_token={token}&after=0")).await.status, 200);
        guest.get(&format!("/api/runs?access_token={token}&x=query-canary")).await.problem(401, "token_missing");
        admin.get("/api/runs?label=query-canary").await.problem(422, "invalid_field");
        admin.get("/no/path-canary").await.problem(404, "not_found");
        server.signal(Signal::TERM);
        assert_eq!(server.ended().await, 0);
        let log = server.log();
        assert!(log.contains(&id) && log.contains("http.route=\"/api/runs/{id}/events\""), "{log}");
        for secret in [token.as_str(), token.rsplit('.').next().unwrap(), "canary"] {
            let line = log.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} is in the log");
        }
    });
}
