//! Tests of the layers through the real router.
//!
//! Rules: D2, D3, D4, D5, D7, D8, I1, I4, I5, I6, I7, W8.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use axum::routing::{MethodRouter, get, post};
use futures_util::stream;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::router::{build, described, table};
use super::{AppState, HostPolicy, Json, Path};
use crate::auth::Principal;
use crate::types::RunId;

const RUN: &str = "run_0198a8f0c0de7000800000000000000a";

/// The route table, with test handlers in place of those for runs.
fn test_table() -> Vec<(String, MethodRouter<AppState>)> {
    async fn create(_principal: Principal, Json(body): Json<Value>) -> axum::Json<Value> {
        axum::Json(body)
    }
    async fn events(Path(run): Path<RunId>) -> impl IntoResponse {
        let event = Event::default().data(run.to_string());
        ([(header::CACHE_CONTROL, "no-cache")], Sse::new(stream::iter([Ok::<_, std::convert::Infallible>(event)])))
    }
    async fn cancel() -> &'static str {
        "cancelled"
    }
    async fn broken() -> &'static str {
        panic!("secret words");
    }
    let mut table = table();
    // The handlers for runs are tested in tests/it with real runs.
    table.retain(|(path, _)| !path.starts_with("/api/runs"));
    let replacements = [
        ("/api/runs", post(create)),
        ("/api/runs/{id}/events", get(events)),
        ("/api/runs/{id}/cancel", post(cancel)),
        ("/api/broken", get(broken)),
    ];
    table.extend(replacements.map(|(path, handlers)| (path.to_owned(), handlers)));
    table
}

struct Client {
    router: Router,
    _directory: tempfile::TempDir,
}

struct Reply {
    status: u16,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    fn code(&self) -> (u16, String) {
        assert_eq!(
            self.headers.get("content-type").map(|value| value.to_str().unwrap()),
            Some("application/problem+json"),
            "{}",
            self.text
        );
        assert_eq!(self.json()["status"], self.status);
        (self.status, self.json()["code"].as_str().unwrap().to_owned())
    }
}

impl Client {
    async fn new() -> Self {
        let (directory, state) = AppState::for_tests().await;
        let policy = HostPolicy::new("127.0.0.1".parse().unwrap(), &[], &["https://console.example".parse().unwrap()]);
        Self { router: build(test_table(), state, policy), _directory: directory }
    }

    /// Sends a request of a local client. `headers` replace the default ones.
    async fn send(&self, method: Method, uri: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let mut request = Request::new(body.into());
        *request.method_mut() = method;
        *request.uri_mut() = uri.parse().unwrap();
        request.headers_mut().insert("host", "localhost:3000".parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
        }
        request.extensions_mut().insert(ConnectInfo("127.0.0.1:50000".parse::<std::net::SocketAddr>().unwrap()));
        request.extensions_mut().insert(crate::auth::ClientAccount::server());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Reply { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    async fn get(&self, uri: &str, headers: &[(&str, &str)]) -> Reply {
        self.send(Method::GET, uri, headers, Body::empty()).await
    }

    async fn post(&self, uri: &str, token: Option<&str>, body: &str) -> Reply {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        self.send(Method::POST, uri, &headers, body.to_owned()).await
    }

    async fn login(&self) -> String {
        let reply = self.post("/api/auth/login", None, r#"{"username":"admin","password":"admin"}"#).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()["token"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_login_returns_a_token_of_the_user() {
    let client = Client::new().await;
    let reply = client.post("/api/auth/login", None, r#"{"username":"user","password":"user"}"#).await;
    let mut answer = reply.json();
    let token = answer["token"].take().as_str().unwrap().to_owned();
    assert_eq!(answer, json!({"token": null, "token_type": "Bearer", "expires_in": 86400, "user": {"username": "user", "role": "user"}}));
    assert_eq!(reply.headers["cache-control"], "no-store");
    let me = client.get("/api/auth/me", &[("authorization", &format!("bearer {token}"))]).await;
    let user = me.json();
    assert_eq!(
        (me.status, &user["username"], &user["role"], &user["budget"]["owner"]),
        (200, &json!("user"), &json!("user"), &json!("user"))
    );
}

#[tokio::test]
async fn health_returns_status_version_and_uptime() {
    let client = Client::new().await;
    let reply = client.get("/health", &[]).await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({"status": "ok", "version": env!("CARGO_PKG_VERSION"), "uptime": 0, "records_changes": false}))
    );
    assert!(reply.headers.contains_key("x-request-id"));
    assert_eq!(reply.headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn a_rebound_host_is_rejected_before_authentication() {
    let client = Client::new().await;
    for uri in ["/health", "/api/auth/me", "/nowhere"] {
        assert_eq!(client.get(uri, &[("host", "evil.example:3000")]).await.code(), (421, "host_not_served".to_owned()), "{uri}");
    }
}

#[tokio::test]
async fn an_unlisted_origin_is_rejected_before_authentication() {
    let client = Client::new().await;
    for origin in ["null", "https://evil.example", "http://localhost:3000"] {
        assert_eq!(client.get("/health", &[("origin", origin)]).await.code(), (403, "origin_not_allowed".to_owned()), "{origin}");
    }
}

#[tokio::test]
async fn only_pages_of_listed_origins_may_read_responses() {
    let client = Client::new().await;
    let headers = [("origin", "https://console.example"), ("access-control-request-method", "POST")];
    let reply = client.send(Method::OPTIONS, "/api/runs", &headers, Body::empty()).await;
    assert_eq!((reply.status, reply.headers["access-control-allow-origin"].to_str().unwrap()), (200, "https://console.example"));
    assert!(!reply.headers.contains_key("access-control-allow-credentials"));
    let reply = client.get("/api/auth/me", &headers[..1]).await;
    assert_eq!((reply.status, reply.headers["access-control-allow-origin"].to_str().unwrap()), (401, "https://console.example"));
    assert_eq!(reply.headers["vary"], "origin");
    let exposed = reply.headers["access-control-expose-headers"].to_str().unwrap();
    for name in ["location", "retry-after", "x-request-id", "x-openrunner-run-id"] {
        assert!(exposed.split(',').any(|exposed| exposed == name), "{name}: {exposed}");
    }
    for origin in ["https://evil.example", "null"] {
        let reply = client.send(Method::OPTIONS, "/api/runs", &[("origin", origin), headers[1]], Body::empty()).await;
        assert_eq!(reply.code(), (403, "origin_not_allowed".to_owned()), "{origin}");
        assert!(!reply.headers.contains_key("access-control-allow-origin"), "{origin}");
    }
    let reply = client.get("/health", &[]).await;
    assert!(!reply.headers.keys().any(|name| name.as_str().starts_with("access-control")), "{:?}", reply.headers);
}

#[tokio::test]
async fn a_preflight_request_of_openais_javascript_client_is_answered() {
    let client = Client::new().await;
    let sent = "authorization,content-type,idempotency-key,openai-beta,openai-organization,openai-project,user-agent,x-stainless-arch,\
        x-stainless-helper-method,x-stainless-lang,x-stainless-os,x-stainless-package-version,x-stainless-retry-count,\
        x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout,x-client-request-id,last-event-id,traceparent";
    let headers =
        [("origin", "https://console.example"), ("access-control-request-method", "POST"), ("access-control-request-headers", sent)];
    let reply = client.send(Method::OPTIONS, "/v1/chat/completions", &headers, Body::empty()).await;
    assert_eq!(reply.status, 200);
    let allowed: Vec<_> = reply.headers["access-control-allow-headers"].to_str().unwrap().split(',').collect();
    for name in sent.split(',') {
        assert!(allowed.contains(&name), "{name}: {allowed:?}");
    }
    assert!(reply.headers["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    assert_eq!(reply.headers["access-control-max-age"], "600");
}

#[tokio::test]
async fn options_returns_the_methods_of_a_route_without_a_token() {
    let client = Client::new().await;
    for (path, allow) in
        [("/api/users", "GET,HEAD,POST"), (&format!("/api/runs/{RUN}/cancel"), "POST"), ("/health", "GET,HEAD"), ("/docs", "GET,HEAD")]
    {
        let reply = client.send(Method::OPTIONS, path, &[], Body::empty()).await;
        assert_eq!((reply.status, reply.text.as_str()), (204, ""), "{path}");
        assert_eq!(reply.headers["allow"], allow, "{path}");
    }
    assert_eq!(client.send(Method::OPTIONS, "/api/nothing", &[], Body::empty()).await.status, 401);
    assert_eq!(client.send(Method::OPTIONS, "/health", &[("host", "evil.example")], Body::empty()).await.status, 421);
}

#[tokio::test]
async fn other_spellings_of_the_pages_lead_to_them() {
    let client = Client::new().await;
    for (path, location) in [("/docs/", "../docs"), ("/console", "./"), ("/console/", "../")] {
        let reply = client.get(path, &[]).await;
        assert_eq!((reply.status, reply.headers["location"].to_str().unwrap()), (308, location), "{path}");
    }
    let icon = client.get("/favicon.ico", &[]).await;
    assert_eq!((icon.status, icon.headers["content-type"].to_str().unwrap()), (200, "image/svg+xml"));
    assert!(icon.text.starts_with("<svg "));
}

#[tokio::test]
async fn patch_takes_a_json_merge_patch() {
    let client = Client::new().await;
    let bearer = format!("Bearer {}", client.login().await);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/merge-patch+json")];
    let reply = client.send(Method::PATCH, "/api/users/user", &headers, r#"{"role":"admin"}"#).await;
    assert_eq!((reply.status, &reply.json()["role"]), (200, &json!("admin")), "{}", reply.text);
    let reply = client.send(Method::POST, "/api/users", &headers, r#"{"username":"x","password":"long enough"}"#).await;
    assert_eq!(reply.code(), (415, "not_json".to_owned()));
}

#[tokio::test]
async fn a_new_user_and_a_new_key_have_a_location() {
    let client = Client::new().await;
    let token = client.login().await;
    let reply = client.post("/api/users", Some(&token), r#"{"username":"carol","password":"long enough","role":"admin"}"#).await;
    assert_eq!((reply.status, reply.headers["location"].to_str().unwrap()), (201, "/api/users/carol"));
    let login = client.post("/api/auth/login", None, r#"{"username":"carol","password":"long enough"}"#).await.json();
    let reply = client.post("/api/keys", login["token"].as_str(), r#"{"name":"ci","scopes":["runs:read"]}"#).await;
    let location = format!("/api/keys/{}", reply.json()["id"].as_str().unwrap());
    assert_eq!((reply.status, reply.headers["location"].to_str().unwrap()), (201, location.as_str()));
}

#[tokio::test]
async fn all_faults_of_a_request_are_listed() {
    let client = Client::new().await;
    let token = client.login().await;
    let reply = client.post("/api/keys", Some(&token), r#"{"name":"","scopes":[],"expires_in":0}"#).await;
    assert_eq!(reply.code(), (422, "invalid_field".to_owned()));
    let faults: Vec<_> =
        reply.json()["errors"].as_array().unwrap().iter().map(|fault| format!("{} {}", fault["field"], fault["code"])).collect();
    assert_eq!(faults, [r#""name" "invalid""#, r#""scopes" "required""#, r#""expires_in" "out_of_range""#]);
}

#[tokio::test]
async fn pages_of_unlisted_origins_get_no_cors_headers_for_the_consoles_files() {
    let client = Client::new().await;
    let reply = client.get("/console/0/app/main.js", &[("origin", "https://evil.example")]).await;
    assert_eq!(reply.status, 200);
    assert!(!reply.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_form_cannot_change_anything() {
    let client = Client::new().await;
    let body = r#"{"username":"admin","password":"admin"}"#;
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let reply = client.send(Method::POST, "/api/auth/login", &[("content-type", content_type)], body).await;
        assert_eq!(reply.code(), (415, "not_json".to_owned()));
    }
    let cross_site = [("content-type", "application/json"), ("sec-fetch-site", "cross-site")];
    assert_eq!(client.send(Method::POST, "/api/auth/login", &cross_site, body).await.code(), (403, "cross_site".to_owned()));
    let token = client.login().await;
    let bearer = format!("Bearer {token}");
    let reply = client.send(Method::POST, &format!("/api/runs/{RUN}/cancel"), &[("authorization", &bearer)], Body::empty()).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, "cancelled"), "a request without a body needs no content type");
}

#[tokio::test]
async fn other_methods_other_spellings_and_unknown_paths_need_a_token() {
    let client = Client::new().await;
    let nowhere = ["/api/nothing", "/console/x", "/api/auth/login/", "//health", "/docs/a/b"];
    for path in test_table().into_iter().map(|(path, _methods)| path).chain(nowhere.map(str::to_owned)) {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE] {
            // The client is local.
            let is_local = path == super::authn::LOCAL && matches!(method, Method::GET | Method::HEAD);
            let is_public = is_local || super::authn::is_public(&method, &path);
            let reply = client.send(method.clone(), &path.replace("{id}", RUN), &[], Body::empty()).await;
            if method == Method::TRACE && !nowhere.contains(&path.as_str()) {
                assert_eq!((reply.status, reply.headers.contains_key("allow")), (405, true), "{path}");
            } else {
                assert_eq!(reply.status != 401, is_public, "{method} {path}: {}", reply.status);
            }
        }
    }
}

#[tokio::test]
async fn each_path_has_exactly_the_described_methods() {
    let (directory, state) = AppState::for_tests().await;
    // Ends streams that would not end otherwise.
    state.runs.drain(crate::types::OnShutdown::Stop, std::time::Duration::ZERO).await;
    let policy = HostPolicy::new("127.0.0.1".parse().unwrap(), &[], &[]);
    let client = Client { router: build(table(), state, policy), _directory: directory };
    let described = serde_json::to_value(super::openapi::document(described())).unwrap();
    assert_eq!(described["paths"].as_object().unwrap().len(), table().len(), "one row per path");
    for (path, _methods) in table() {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let uri = path.replace("{id}", RUN).replace("{request}", "perm_1").replace("{file}", "start.js").replace("{*path}", "app.css");
            // One of the routes logs out, so each request has its own login.
            let bearer = format!("Bearer {}", client.login().await);
            let status = client.send(method.clone(), &uri, &[("authorization", &bearer)], Body::empty()).await.status;
            let is_described = described["paths"][path.replace("{*", "{")].get(method.as_str().to_lowercase()).is_some();
            assert_eq!(status != 405, is_described, "{method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn with_a_token_an_unknown_route_is_404_and_another_method_405_with_allow() {
    let client = Client::new().await;
    let bearer = format!("Bearer {}", client.login().await);
    assert_eq!(client.get("/api/nothing", &[("authorization", &bearer)]).await.code(), (404, "not_found".to_owned()));
    let reply = client.get("/api/runs", &[("authorization", &bearer)]).await;
    assert_eq!(reply.code(), (405, "method_not_allowed".to_owned()));
    assert_eq!(reply.headers["allow"], "POST");
}

#[tokio::test]
async fn a_missing_or_invalid_token_is_401_with_a_challenge() {
    let client = Client::new().await;
    let reply = client.get("/api/auth/me", &[]).await;
    assert_eq!(reply.code(), (401, "token_missing".to_owned()));
    assert_eq!(reply.headers["www-authenticate"], "Bearer realm=\"openrunner\"");
    let token = client.login().await;
    for authorization in ["Bearer x", "Bearer ", "Bearer", "Basic YWRtaW46YWRtaW4=", &token, &format!("Bearer {token} {token}")] {
        let reply = client.get("/api/auth/me", &[("authorization", authorization)]).await;
        assert_eq!(reply.code(), (401, "token_invalid".to_owned()), "{authorization}");
        assert!(reply.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    }
}

#[tokio::test]
async fn default_passwords_of_remote_clients_are_rejected_with_a_remedy() {
    let client = Client::new().await;
    let headers = [("content-type", "application/json"), ("x-forwarded-for", "10.0.0.1")];
    let reply = client.send(Method::POST, "/api/auth/login", &headers, r#"{"username":"admin","password":"admin"}"#).await;
    assert_eq!(reply.code(), (403, "default_password".to_owned()));
    assert!(reply.text.contains("openrunner user set admin") && reply.text.contains("OPENRUNNER_ADMIN_PASSWORD"), "{}", reply.text);
    let bearer = format!("Bearer {}", client.login().await);
    let reply = client.get("/api/auth/me", &[("authorization", &bearer), ("x-forwarded-for", "10.0.0.1")]).await;
    assert_eq!(reply.code(), (403, "default_password".to_owned()));
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_get_the_same_response() {
    let client = Client::new().await;
    let unknown = client.post("/api/auth/login", None, r#"{"username":"missing","password":"x"}"#).await;
    let wrong = client.post("/api/auth/login", None, r#"{"username":"admin","password":"x"}"#).await;
    assert_eq!(unknown.code(), (401, "wrong_credentials".to_owned()));
    assert_eq!(unknown.text, wrong.text);
}

#[tokio::test]
async fn only_the_event_stream_accepts_a_token_in_the_query() {
    let client = Client::new().await;
    let token = client.login().await;
    let events = format!("/api/runs/{RUN}/events");
    let reply = client.get(&format!("{events}?access_token={token}&after=3"), &[]).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, format!("data: {RUN}\n\n").as_str()));
    assert_eq!(reply.headers["cache-control"], "no-store");
    let bearer = format!("Bearer {token}");
    let reply = client.get(&events, &[("authorization", &bearer)]).await;
    assert_eq!((reply.status, reply.headers["cache-control"].to_str().unwrap()), (200, "no-cache"));
    let both = client.get(&format!("{events}?access_token={token}"), &[("authorization", &bearer)]).await;
    assert_eq!(both.status, 200, "the same token in both places is accepted");
    for uri in [
        format!("/api/auth/me?access_token={token}"),
        format!("/api/runs?access_token={token}"),
        format!("/nothing/events?access_token={token}"),
    ] {
        assert_eq!(client.get(&uri, &[]).await.status, 401, "{uri}");
    }
    let post = client.send(Method::POST, &format!("{events}?access_token={token}"), &[], Body::empty()).await;
    assert_eq!(post.status, 401);
}

/// Captures the log of this thread.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_contains_the_route_but_no_token_query_or_body() {
    let client = Client::new().await;
    let token = client.login().await;
    let log = Log::default();
    let writer = log.clone();
    let lines =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(move || writer.clone()).finish();
    // With a single subscriber, the first thread to reach a log statement decides for all threads whether it is enabled, and other tests'
    // threads have no subscriber. With two subscribers, each is asked.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let guard = tracing::subscriber::set_default(lines);
    client.get(&format!("/api/runs/{RUN}/events?access_token={token}&secret=query"), &[]).await;
    client.post("/api/auth/login", None, r#"{"username":"admin","password":"secret-password"}"#).await;
    client.get("/secret-path", &[]).await;
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("/api/runs/{id}/events") && text.contains("http.status=200") && text.contains("(none)"), "{text}");
    assert!(!text.contains(&token) && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn contradictory_tokens_are_rejected() {
    let client = Client::new().await;
    let token = client.login().await;
    let events = format!("/api/runs/{RUN}/events");
    let bearer = format!("Bearer {token}");
    for (query, authorization) in
        [("x", Some(bearer.as_str())), (token.as_str(), Some("Bearer x")), (&format!("{token}&access_token={token}"), None)]
    {
        let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        let reply = client.get(&format!("{events}?access_token={query}"), &headers).await;
        assert_eq!(reply.code(), (401, "token_invalid".to_owned()), "{query} {authorization:?}");
    }
}

#[tokio::test]
async fn an_invalid_id_is_not_found() {
    let client = Client::new().await;
    let bearer = format!("Bearer {}", client.login().await);
    for id in ["x", "run_", "run_..%2f..", "%ff", "ses_0198a8f0c0de7000800000000000000a"] {
        let reply = client.get(&format!("/api/runs/{id}/events"), &[("authorization", &bearer)]).await;
        assert_eq!(reply.code(), (404, "not_found".to_owned()), "{id}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_with_and_without_a_declared_length() {
    let client = Client::new().await;
    let bearer = format!("Bearer {}", client.login().await);
    let body_of = |size: usize| format!("{{\"text\":\"{}\"}}", "x".repeat(size - 11));
    let large = body_of(2 * 1024 * 1024 + 1);
    let chunked = Body::from_stream(stream::iter([Ok::<_, std::io::Error>(large.clone())]));
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    assert_eq!(client.send(Method::POST, "/api/runs", &headers, chunked).await.code(), (413, "body_too_large".to_owned()));
    let declared = [headers[0], headers[1], ("content-length", "67108864")];
    let never_read = Body::from_stream(stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    assert_eq!(client.send(Method::POST, "/api/runs", &declared, never_read).await.code(), (413, "body_too_large".to_owned()));
    let fits = body_of(2 * 1024 * 1024);
    assert_eq!(client.send(Method::POST, "/api/runs", &headers, fits).await.status, 200);
}

#[tokio::test]
async fn faults_of_a_body_are_reported_with_the_field() {
    let client = Client::new().await;
    let cases = [
        ("", 400, "body_missing"),
        ("{", 400, "malformed_json"),
        (r#"{"username":"a"}"#, 422, "invalid_field"),
        (r#"{"username":"a","password":1}"#, 422, "invalid_field"),
        (r#"{"username":"a","password":"b","more":1}"#, 422, "invalid_field"),
    ];
    for (body, status, code) in cases {
        assert_eq!(client.post("/api/auth/login", None, body).await.code(), (status, code.to_owned()), "{body}");
    }
    let reply = client.post("/api/auth/login", None, r#"{"username":"a","password":1}"#).await;
    insta::assert_snapshot!(
        reply.text,
        @r#"{"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"password: must be a string, not 1","code":"invalid_field","errors":[{"field":"password","code":"invalid","detail":"must be a string, not 1"}]}"#
    );
}

#[tokio::test]
async fn a_panic_is_a_500_that_reveals_nothing() {
    let client = Client::new().await;
    let bearer = format!("Bearer {}", client.login().await);
    let reply = client.get("/api/broken", &[("authorization", &bearer)]).await;
    assert_eq!(reply.code(), (500, "internal".to_owned()));
    assert!(!reply.text.contains("secret"), "{}", reply.text);
}
