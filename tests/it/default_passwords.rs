//! Who may use the default passwords: the account that runs the server, and root, on this machine, without a proxy.
//!
//! Rules: D11, D13, I1, I9.

use std::io::Write as _;
use std::process::Command;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Server, Setup, live};

/// An account that runs nothing here.
const OTHER: &str = "65534";

/// Sends these bytes over a new connection and returns status and body of the response.
async fn send(server: &Server, request: String) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).await.expect("the server accepts");
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.expect("the server closes");
    let response = String::from_utf8(response).expect("text");
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {response}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status: {head}")), serde_json::from_str(body).unwrap_or_default())
}

/// A login as nginx forwards it: `version` and `host` are what its configuration decides.
fn login(version: &str, host: &str) -> String {
    let body = json!({ "username": "admin", "password": "admin" }).to_string();
    format!(
        "POST /api/auth/login {version}\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\nContent-Type: application/json\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn the_default_password_does_not_work_behind_nginx_without_further_configuration() {
    live(async {
        for proxies in ["", "127.0.0.1"] {
            let server = Setup::new().env("OPENRUNNER_TRUSTED_PROXIES", proxies).start().await;
            // `proxy_pass http://127.0.0.1:3000;` alone: HTTP/1.0, the server's own address as host, and no forwarding header.
            let (status, body) = send(&server, login("HTTP/1.0", &format!("127.0.0.1:{}", server.port()))).await;
            assert_eq!((status, &body["code"]), (403, &json!("default_password")), "{proxies}: {body}");
            // With `proxy_http_version 1.1` only the list of proxies shows that it is one.
            let (status, _body) = send(&server, login("HTTP/1.1", &format!("127.0.0.1:{}", server.port()))).await;
            assert_eq!(status, if proxies.is_empty() { 200 } else { 403 }, "{proxies}");
        }
    });
}

/// Sends a request with curl from another account of this machine. `None` if this account cannot do that; with CI=true that is a failure
/// for root.
fn ask_as_other(server: &Server, path: &str, more: &[&str]) -> Option<(u16, Value)> {
    if !rustix::process::geteuid().is_root() {
        // Not with `eprintln!`, whose output is shown only when a test fails.
        let _ = writeln!(std::io::stderr(), "\nNOT TESTED: default passwords from another account, since only root can start one\n");
        return None;
    }
    let url = format!("{}{path}", server.url());
    let as_other = ["--reuid", OTHER, "--regid", OTHER, "--clear-groups", "--"];
    let curl = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "30", "--write-out", "\n%{http_code}", &url];
    let output = Command::new("setpriv").args(as_other).args(curl).args(more).output().expect("setpriv");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let (body, status) = text.rsplit_once('\n').expect("a status");
    Some((status.parse().expect("a number"), serde_json::from_str(body).unwrap_or_default()))
}

#[test]
fn default_passwords_and_their_tokens_do_not_work_for_another_account_of_the_machine() {
    live(async {
        let server = Server::start().await;
        let body = json!({ "username": "admin", "password": "admin" }).to_string();
        let log_in = ["--header", "content-type: application/json", "--data", &body];
        let Some((status, answer)) = ask_as_other(&server, "/api/auth/login", &log_in) else { return };
        assert_eq!((status, &answer["code"]), (403, &json!("default_password")), "{answer}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains(OTHER) && detail.contains("openrunner user set admin"), "{detail}");
        // The account that runs the server can log in, but its token is of no use to the other account.
        let admin = server.client("admin").await;
        assert_eq!(admin.get("/api/auth/me").await.status, 200);
        let bearer = format!("authorization: Bearer {}", admin.token());
        let (status, answer) = ask_as_other(&server, "/api/auth/me", &["--header", &bearer]).unwrap();
        assert_eq!((status, &answer["code"]), (403, &json!("default_password")), "{answer}");
        // A password of one's own works for every account.
        let change = json!({ "current_password": "admin", "new_password": "better than before" });
        assert_eq!(admin.post("/api/auth/password", &change).await.status, 200);
        let body = json!({ "username": "admin", "password": "better than before" }).to_string();
        let (status, answer) =
            ask_as_other(&server, "/api/auth/login", &["--header", "content-type: application/json", "--data", &body]).unwrap();
        assert_eq!(status, 200, "{answer}");
    });
}

#[test]
fn the_sign_in_page_learns_the_default_users_only_where_they_may_log_in() {
    live(async {
        let server = Server::start().await;
        let guest = server.guest();
        assert_eq!(guest.get("/api/auth/login").await.body, json!({ "default_users": ["admin", "user"] }));
        let forwarded = guest.request(reqwest::Method::GET, "/api/auth/login").header("x-forwarded-for", "127.0.0.1");
        assert_eq!(guest.send(forwarded).await.body, json!({ "default_users": [] }));
        if let Some((status, answer)) = ask_as_other(&server, "/api/auth/login", &[]) {
            assert_eq!((status, answer), (200, json!({ "default_users": [] })));
        }
        let admin = server.client("admin").await;
        let change = json!({ "current_password": "admin", "new_password": "better than before" });
        assert_eq!(admin.post("/api/auth/password", &change).await.status, 200);
        assert_eq!(guest.get("/api/auth/login").await.body, json!({ "default_users": ["user"] }));
    });
}

#[test]
fn a_password_for_admin_in_the_environment_ends_both_default_passwords() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let mut server = server;
        server.signal(rustix::process::Signal::TERM);
        assert_eq!(server.ended().await, 0);
        let server = server.again().env("OPENRUNNER_ADMIN_PASSWORD", "a better one").start().await;
        let guest = server.guest();
        for name in ["admin", "user"] {
            let login = json!({ "username": name, "password": name });
            guest.post("/api/auth/login", &login).await.problem(401, "wrong_credentials");
        }
        user.at(server.url()).get("/api/auth/me").await.problem(401, "token_invalid");
        assert_eq!(guest.get("/api/auth/login").await.body, json!({ "default_users": [] }));
        guest.login("admin", "a better one").await;
    });
}

#[test]
fn without_a_token_only_the_availability_of_agents_is_shown() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        // The programs have been inspected once a run has ended.
        user.end_of(&user.script("result seen").await).await;
        let public = server.guest().get("/health/agents").await;
        assert_eq!(public.status, 200);
        for agent in public.body["items"].as_array().unwrap() {
            let fields: Vec<&str> = agent.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(fields, ["agent_type", "available"]);
        }
        let full = user.get("/health/agents").await;
        let claude = full.body["items"].as_array().unwrap().iter().find(|agent| agent["agent_type"] == "claude_code").unwrap();
        assert!(claude["path"].is_string() && claude["version"].is_string() && claude["authenticated"].is_string(), "{claude}");
        // A token that is not valid is not ignored.
        server.guest().with_token("x").get("/health/agents").await.problem(401, "token_invalid");
    });
}
