//! The authorization matrix: every route with no token, an expired token, the token of another user, the owner and an admin, and with a key of
//! each scope. The routes come from the route table, so a route that is missing anywhere fails here.
//!
//! Rules: D7, D13, I4, I6, I10.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::router::{described, router, table, to_router_syntax};
use super::scopes::{Permission, REQUIRED, required};
use super::{AppState, HostPolicy, authn, openai, openapi};
use crate::auth::NewKey;
use crate::types::{BudgetChange, Caller, Scope, UserName, UserRef, UserRole};
use crate::workspace::files::Piece;

/// The routes that need no token, written out so that an addition is visible in review. The last one is public for local clients only, which the
/// clients here are.
const PUBLIC: [&str; 11] = [
    "GET /",
    "GET /console/{version}/{*path}",
    "GET /docs",
    "GET /docs/{file}",
    "GET /events.schema.json",
    "GET /health",
    "GET /health/agents",
    "GET /openapi.json",
    "GET /api/auth/login",
    "POST /api/auth/login",
    "GET /metrics",
];

const METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The route whose response does not end.
const FEED: &str = "/api/events";

const PASSWORD: &str = "long enough";

/// The caller of a route. The resources belong to `bob`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Requester {
    /// No token.
    Anonymous,
    /// `bob`, with an expired token.
    Expired,
    /// `carol`, another user.
    OtherUser,
    /// `bob`.
    Owner,
    /// `ann`, who has access to all resources.
    Admin,
    /// A key with one scope: of `bob`, or of `ann` for scopes that only admins can grant.
    Key(Scope),
}

impl Requester {
    const ALL: [Self; 9] = [
        Self::Anonymous,
        Self::Expired,
        Self::OtherUser,
        Self::Owner,
        Self::Admin,
        Self::Key(Scope::RunsRead),
        Self::Key(Scope::RunsWrite),
        Self::Key(Scope::Admin),
        Self::Key(Scope::Metrics),
    ];

    /// The expected error, or `None` if the requester has access.
    fn expected_error(self, method: &Method, route: &str) -> Option<(u16, &'static str)> {
        let is_subject_to_its_token = route == authn::TOKEN_OPTIONAL && self != Self::Anonymous;
        if authn::is_public(method, route) && !is_subject_to_its_token {
            return None;
        }
        let required = required(method, route).unwrap_or_else(|| panic!("{method} {route} has no required permission"));
        let has_owned_resource = route.contains('{') && !["{*model}", "{profile}"].iter().any(|name| route.contains(name));
        match (self, required) {
            (Self::Anonymous | Self::Expired, _) if openai::is_openai_path(route) => Some((401, "invalid_api_key")),
            (Self::Anonymous, Permission::Scope(Scope::Metrics)) => None,
            (Self::Anonymous, _) => Some((401, "token_missing")),
            (Self::Expired, _) => Some((401, "token_expired")),
            (Self::OtherUser | Self::Owner, Permission::Scope(Scope::Admin | Scope::Metrics)) => Some((403, "admin_only")),
            (Self::OtherUser, _) if has_owned_resource => Some((404, "not_found")),
            (Self::Key(scope), required) if !covers(scope, required) => Some((403, "scope_missing")),
            (Self::OtherUser | Self::Owner | Self::Admin | Self::Key(_), _) => None,
        }
    }
}

/// Whether a key with only this scope has the permission.
fn covers(scope: Scope, required: Permission) -> bool {
    match required {
        Permission::Any => true,
        Permission::Login => false,
        Permission::Account => scope == Scope::Admin,
        Permission::Scope(needed) => scope == needed,
    }
}

struct Harness {
    state: AppState,
    router: Router,
    expired_token: String,
    _directory: tempfile::TempDir,
}

struct Answer {
    status: u16,
    code: String,
    text: String,
}

impl Harness {
    /// A server with an admin `ann` and users `bob` and `carol`, who have set passwords.
    async fn new() -> Self {
        let (directory, state, clock) = AppState::with_clock().await;
        for (name, role) in [("ann", UserRole::Admin), ("bob", UserRole::User), ("carol", UserRole::User)] {
            state.auth.add_user(name.parse().unwrap(), role, PASSWORD, None).await.unwrap();
        }
        let policy = HostPolicy::new("127.0.0.1".parse().unwrap(), &[], &[]);
        let router = router(state.clone(), policy);
        let mut harness = Self { state, router, expired_token: String::new(), _directory: directory };
        harness.expired_token = harness.token("bob").await;
        clock.0.fetch_add(25 * 60 * 60 * 1000, Ordering::Relaxed);
        harness
    }

    /// A key and its id.
    async fn key(&self, owner: &str, scopes: &[Scope]) -> (String, String) {
        let owner = self.user(owner).await;
        let new = NewKey {
            name: "test".into(),
            scopes: scopes.iter().copied().collect(),
            expires_in: None,
            defaults: crate::types::KeyDefaults::default(),
        };
        let (key, record) = self.state.auth.create_key(&owner, new, None).await.unwrap();
        (key, record.id.to_string())
    }

    async fn user(&self, name: &str) -> UserRef {
        self.state.auth.user(&name.parse().unwrap()).await.unwrap().unwrap().reference()
    }

    async fn token(&self, name: &str) -> String {
        self.state.auth.login(name, PASSWORD, crate::auth::tests::LOCAL).await.unwrap().token
    }

    /// The credential of a requester. One of the routes logs out, so each request has its own login.
    async fn credential_of(&self, requester: Requester) -> Option<String> {
        match requester {
            Requester::Anonymous => None,
            Requester::Expired => Some(self.expired_token.clone()),
            Requester::OtherUser => Some(self.token("carol").await),
            Requester::Owner => Some(self.token("bob").await),
            Requester::Admin => Some(self.token("ann").await),
            Requester::Key(scope @ (Scope::Admin | Scope::Metrics)) => Some(self.key("ann", &[scope]).await.0),
            Requester::Key(scope) => Some(self.key("bob", &[scope]).await.0),
        }
    }

    /// The ids of a run, a session and a key of `bob`, and a user name. They are new each time, because a request may delete them.
    async fn resources_of_bob(&self) -> [String; 4] {
        self.state.runs.set_profile("shared".parse().unwrap(), crate::types::Profile::default(), None).await.unwrap();
        let run = self.state.runs.add_ended_run(self.user("bob").await).await;
        let (_key, key) = self.key("bob", &[Scope::RunsRead]).await;
        let user: UserName = format!("u{}", key.trim_start_matches("key_")).parse().unwrap();
        self.state.auth.add_user(user.clone(), UserRole::User, PASSWORD, None).await.unwrap();
        [run.run_id.to_string(), run.session_id.to_string(), key, user.to_string()]
    }

    async fn upload_of_bob(&self) -> String {
        let (sender, content) = tokio::sync::mpsc::channel(2);
        sender.send(Piece::Data(Bytes::from_static(b"x"))).await.unwrap();
        sender.send(Piece::End).await.unwrap();
        let caller = Caller { user: self.user("bob").await, role: UserRole::User };
        let (file, _upload) = self.state.runs.upload(&caller, "a".into(), content).await.unwrap();
        self.state.runs.find_upload(&caller, file).unwrap();
        file.to_string()
    }

    async fn send(&self, method: &Method, uri: &str, bearer: Option<&str>, body: &'static str) -> Answer {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.parse().unwrap();
        request.headers_mut().insert(header::HOST, "localhost:3000".parse().unwrap());
        request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        if let Some(bearer) = bearer {
            request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {bearer}").parse().unwrap());
        }
        request.extensions_mut().insert(ConnectInfo("127.0.0.1:50000".parse::<std::net::SocketAddr>().unwrap()));
        request.extensions_mut().insert(crate::auth::ClientAccount::server());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body();
        // This stream does not end; its first frame suffices.
        let body = if status == 200 && uri == FEED { first_frame(body).await } else { body.collect().await.unwrap().to_bytes() };
        let text = String::from_utf8(body.to_vec()).unwrap();
        let code = serde_json::from_str(&text)
            .map_or(String::new(), |body: Value| body["code"].as_str().or(body["error"]["code"].as_str()).unwrap_or_default().to_owned());
        Answer { status, code, text }
    }
}

/// The first frame of a body; empty if there is none.
async fn first_frame(mut body: Body) -> Bytes {
    body.frame().await.and_then(|frame| frame.unwrap().into_data().ok()).unwrap_or_default()
}

/// All routes with their methods, including HEAD for GET.
fn routes() -> Vec<(Method, String)> {
    let document = serde_json::to_value(openapi::document(described())).unwrap();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = to_router_syntax(path);
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            if method == Method::GET {
                routes.push((Method::HEAD, path.clone()));
            }
            routes.push((method, path.clone()));
        }
    }
    routes
}

/// A valid body, for routes that check ownership after parsing the body.
fn body_for(route: &str) -> &'static str {
    match route {
        "/api/runs/{id}/messages" => r#"{"text":"on"}"#,
        "/api/runs/{id}/revert" => r#"{"turn":0}"#,
        "/api/runs/{id}/requests/{request}" => r#"{"decision":"deny"}"#,
        "/api/sessions/{id}/branch" => r#"{"message":"done"}"#,
        _ => "{}",
    }
}

#[tokio::test]
async fn every_route_is_accessible_to_exactly_the_permitted_requesters() {
    let harness = Harness::new().await;
    let mut public = BTreeSet::new();
    for (method, route) in routes() {
        for requester in Requester::ALL {
            let [run, session, key, user] = harness.resources_of_bob().await;
            let file = if route.starts_with("/api/files/") { harness.upload_of_bob().await } else { String::new() };
            let id = if route.starts_with("/api/sessions") {
                &session
            } else if route.starts_with("/api/keys") {
                &key
            } else if route.starts_with("/api/files") {
                &file
            } else {
                &run
            };
            let uri = route
                .replace("/v1/responses/{id}", &format!("/v1/responses/resp_{run}"))
                .replace("{id}", id)
                .replace("{name}", &user)
                .replace("{request}", "perm_1")
                .replace("{file}", "start.js")
                .replace("{*model}", "demo")
                .replace("{delivery}", "msg_1")
                .replace("{profile}", "shared")
                .replace("{version}/{*path}", "any/app/main.js")
                .replace("{*path}", "src/main.rs");
            let credential = harness.credential_of(requester).await;
            let answer = harness.send(&method, &uri, credential.as_deref(), body_for(&route)).await;
            let context = format!("{requester:?}: {method} {route}: {} {}", answer.status, answer.text);
            match requester.expected_error(&method, &route) {
                // A response to HEAD has no code.
                Some((status, _code)) if method == Method::HEAD => assert_eq!(answer.status, status, "{context}"),
                Some(error) => assert_eq!((answer.status, answer.code.as_str()), error, "{context}"),
                // This server has no agents, hence no models.
                None if route.contains("{*model}") || route.contains("{delivery}") => assert_eq!(answer.status, 404, "{context}"),
                // The request itself may be invalid.
                None => assert!(!matches!(answer.status, 401 | 403 | 404 | 405 | 429 | 500..), "{context}"),
            }
            if requester == Requester::Anonymous && answer.status != 401 && method != Method::HEAD {
                public.insert(format!("{method} {route}"));
            }
            if requester == Requester::OtherUser && !route.contains('{') {
                assert!(
                    ![run, session, key].iter().any(|id| answer.text.contains(id)),
                    "the list contains another user's resource: {context}"
                );
            }
        }
    }
    assert_eq!(public, PUBLIC.map(str::to_owned).into());
}

#[tokio::test]
async fn a_user_created_under_the_name_of_a_removed_user_has_access_to_nothing_of_that_user() {
    let harness = Harness::new().await;
    let auth = &harness.state.auth;
    let [run, session, key, _user] = harness.resources_of_bob().await;
    let file = harness.upload_of_bob().await;
    let old = harness.user("bob").await;
    let (old_token, (old_key, _id)) = (harness.token("bob").await, harness.key("bob", &[Scope::RunsRead]).await);
    auth.remove_user(&old.name, None).await.unwrap();
    auth.add_user(old.name.clone(), UserRole::User, PASSWORD, None).await.unwrap();
    assert_ne!(harness.user("bob").await.id, old.id);
    for credential in [&old_token, &old_key] {
        let answer = harness.send(&Method::GET, "/api/runs", Some(credential), "").await;
        assert_eq!((answer.status, answer.code.as_str()), (401, "token_invalid"));
    }
    let ids = [run.as_str(), &session, &key, &old.id.to_string()];
    let (mut lists, mut resources) = (0, 0);
    for (method, route) in routes() {
        let of_user =
            matches!(required(&method, &route), Some(Permission::Scope(Scope::RunsRead | Scope::RunsWrite) | Permission::Account));
        let id = if route.starts_with("/api/sessions") {
            &session
        } else if route.starts_with("/api/keys") {
            &key
        } else if route.starts_with("/api/files") {
            &file
        } else {
            &run
        };
        let uri = route.replace("/v1/responses/{id}", &format!("/v1/responses/resp_{run}"));
        let uri = uri.replace("{id}", id).replace("{request}", "perm_1").replace("{*model}", "demo").replace("{name}", "bob");
        let answer = harness.send(&method, &uri, Some(&harness.token("bob").await), body_for(&route)).await;
        let context = format!("{method} {uri}: {} {}", answer.status, answer.text);
        if of_user && route.contains("{id}") {
            assert_eq!(answer.status, 404, "{context}");
            resources += 1;
        } else {
            assert!(!ids.iter().any(|id| answer.text.contains(id)), "{context}");
            lists += usize::from(of_user && answer.status == 200);
        }
    }
    assert!(lists >= 5 && resources >= 10, "{lists} lists, {resources} resources");
    // Admins see it, under the name.
    let ann = harness.token("ann").await;
    let found = harness.send(&Method::GET, "/api/runs?owner=bob", Some(&ann), "").await;
    assert!(found.text.contains(&run) && found.text.contains(r#""owner":"bob""#), "{}", found.text);
    assert_eq!(harness.send(&Method::GET, &format!("/api/runs/{run}"), Some(&ann), "").await.status, 200);
}

#[tokio::test]
async fn required_permissions_are_listed_for_exactly_the_existing_routes() {
    let harness = Harness::new().await;
    let mut served = BTreeSet::new();
    for (path, _handlers) in table() {
        for method in METHODS {
            let answer = harness.send(&method, &path, Some(&harness.token("ann").await), "").await;
            if answer.status != 405 && method != Method::HEAD {
                served.insert((method.to_string(), path.clone()));
            }
        }
    }
    let listed = REQUIRED.iter().map(|(method, path, _need)| (method.clone(), *path)).chain(authn::PUBLIC);
    assert_eq!(served, listed.map(|(method, path)| (method.to_string(), path.to_owned())).collect::<BTreeSet<_>>());
}

#[tokio::test]
async fn a_demoted_admin_has_no_access_to_admin_routes() {
    let harness = Harness::new().await;
    let ((key, _id), token) = (harness.key("ann", &Scope::ALL).await, harness.token("ann").await);
    harness.state.auth.change_user(&"ann".parse().unwrap(), Some(UserRole::User), None, BudgetChange::default(), None).await.unwrap();
    let for_admins: Vec<_> = REQUIRED.iter().filter(|(_method, _path, need)| *need == Permission::Scope(Scope::Admin)).collect();
    assert!(for_admins.len() >= 6);
    for (method, path, _need) in for_admins {
        let (by_token, by_key) = (harness.send(method, path, Some(&token), "").await, harness.send(method, path, Some(&key), "").await);
        assert_eq!((by_token.status, by_token.code.as_str()), (403, "admin_only"), "{method} {path}");
        assert_eq!((by_key.status, by_key.code.as_str()), (403, "scope_missing"), "{method} {path}");
    }
}
