//! The router walked by everyone who may come: each route, with nobody's, a worthless, a stranger's, the owner's and an admin's token and
//! with a key of each scope. The routes are those of the table, so one that is forgotten anywhere fails here.

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
use super::scopes::{NEEDS, Need, need};
use super::{AppState, HostPolicy, authn, openai, openapi};
use crate::auth::NewKey;
use crate::types::{BudgetChange, Scope, UserName, UserRole};

/// The routes that need no token, written out: one more is a decision that somebody has to see.
/// The last one is open to whoever sits on the server's own machine, as the visitors here do, and to nobody else.
const OPEN: [&str; 10] = [
    "GET /",
    "GET /console/{version}/{*path}",
    "GET /docs",
    "GET /docs/{file}",
    "GET /events.schema.json",
    "GET /health",
    "GET /health/agents",
    "GET /openapi.json",
    "POST /api/auth/login",
    "GET /metrics",
];

const METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The route whose answer does not end.
const FEED: &str = "/api/events";

const PASSWORD: &str = "long enough";

/// Who comes to a route. What is asked for there belongs to `bob`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visitor {
    /// Nobody who is known.
    Nobody,
    /// `bob`, with a token of the day before.
    Yesterday,
    /// `carol`, a user like `bob`.
    Stranger,
    /// `bob`.
    Owner,
    /// `ann`, who may see everyone's things.
    Admin,
    /// A key with one scope: `bob`'s, but for the scope that only admins can give.
    Key(Scope),
}

impl Visitor {
    const ALL: [Self; 9] = [
        Self::Nobody,
        Self::Yesterday,
        Self::Stranger,
        Self::Owner,
        Self::Admin,
        Self::Key(Scope::RunsRead),
        Self::Key(Scope::RunsWrite),
        Self::Key(Scope::Admin),
        Self::Key(Scope::Metrics),
    ];

    /// The refusal that is due at a route, or `None` where the visitor is let in.
    fn refusal(self, method: &Method, route: &str) -> Option<(u16, &'static str)> {
        if authn::is_public(method, route) {
            return None;
        }
        let need = need(method, route).unwrap_or_else(|| panic!("{method} {route} does not say what it needs"));
        let names_what_is_bobs = route.contains('{') && !route.contains("{model}");
        match (self, need) {
            (Self::Nobody | Self::Yesterday, _) if openai::is_openai_path(route) => Some((401, "invalid_api_key")),
            (Self::Nobody, Need::Scope(Scope::Metrics)) => None,
            (Self::Nobody, _) => Some((401, "token_missing")),
            (Self::Yesterday, _) => Some((401, "token_expired")),
            (Self::Stranger | Self::Owner, Need::Scope(Scope::Admin | Scope::Metrics)) => Some((403, "admin_only")),
            (Self::Stranger, _) if names_what_is_bobs => Some((404, "not_found")),
            (Self::Key(scope), need) if !covers(scope, need) => Some((403, "scope_missing")),
            (Self::Stranger | Self::Owner | Self::Admin | Self::Key(_), _) => None,
        }
    }
}

/// Whether a key with this scope alone has what is needed.
fn covers(scope: Scope, need: Need) -> bool {
    match need {
        Need::Anyone => true,
        Need::Login => false,
        Need::Account => scope == Scope::Admin,
        Need::Scope(needed) => scope == needed,
    }
}

struct Bench {
    state: AppState,
    router: Router,
    yesterdays: String,
    _folder: tempfile::TempDir,
}

struct Answer {
    status: u16,
    code: String,
    text: String,
}

impl Bench {
    /// A server with an admin `ann` and the users `bob` and `carol`, who have passwords of their own.
    async fn new() -> Self {
        let (folder, state, clock) = AppState::with_clock().await;
        for (name, role) in [("ann", UserRole::Admin), ("bob", UserRole::User), ("carol", UserRole::User)] {
            state.auth.add_user(name.parse().unwrap(), role, PASSWORD).await.unwrap();
        }
        let policy = HostPolicy::new("127.0.0.1".parse().unwrap(), &[], &[]);
        let router = router(state.clone(), policy);
        let mut bench = Self { state, router, yesterdays: String::new(), _folder: folder };
        bench.yesterdays = bench.token("bob").await;
        clock.0.fetch_add(25 * 60 * 60 * 1000, Ordering::Relaxed);
        bench
    }

    /// A key and its id.
    async fn key(&self, owner: &str, scopes: &[Scope]) -> (String, String) {
        let owner: UserName = owner.parse().unwrap();
        let new = NewKey { name: "test".into(), scopes: scopes.iter().copied().collect(), expires_in: None };
        let (key, record) = self.state.auth.create_key(&owner, new).await.unwrap();
        (key, record.id.to_string())
    }

    async fn token(&self, name: &str) -> String {
        self.state.auth.login(name, PASSWORD, crate::auth::tests::LOCAL).await.unwrap().token
    }

    /// What a visitor shows at the door. A login may end at one of the routes, so each visit gets its own.
    async fn shown_by(&self, visitor: Visitor) -> Option<String> {
        match visitor {
            Visitor::Nobody => None,
            Visitor::Yesterday => Some(self.yesterdays.clone()),
            Visitor::Stranger => Some(self.token("carol").await),
            Visitor::Owner => Some(self.token("bob").await),
            Visitor::Admin => Some(self.token("ann").await),
            Visitor::Key(scope @ (Scope::Admin | Scope::Metrics)) => Some(self.key("ann", &[scope]).await.0),
            Visitor::Key(scope) => Some(self.key("bob", &[scope]).await.0),
        }
    }

    /// The ids of a run, a session and a key of `bob`'s, and a name of a user: fresh ones, since a visit may remove what it names.
    async fn things_of_bob(&self) -> [String; 4] {
        let run = self.state.runs.add_ended_run("bob").await;
        let (_key, key) = self.key("bob", &[Scope::RunsRead]).await;
        let user: UserName = format!("u{}", key.trim_start_matches("key_")).parse().unwrap();
        self.state.auth.add_user(user.clone(), UserRole::User, PASSWORD).await.unwrap();
        [run.run_id.to_string(), run.session_id.to_string(), key, user.to_string()]
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
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body();
        // This stream has no end; what it begins with is enough.
        let body = if status == 200 && uri == FEED { first_of(body).await } else { body.collect().await.unwrap().to_bytes() };
        let text = String::from_utf8(body.to_vec()).unwrap();
        let code = serde_json::from_str(&text)
            .map_or(String::new(), |body: Value| body["code"].as_str().or(body["error"]["code"].as_str()).unwrap_or_default().to_owned());
        Answer { status, code, text }
    }
}

/// What a body begins with: empty where there is none.
async fn first_of(mut body: Body) -> Bytes {
    body.frame().await.and_then(|frame| frame.unwrap().into_data().ok()).unwrap_or_default()
}

/// The routes of the table with their methods; HEAD where there is GET.
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

/// A body that is read without a complaint, where whose the thing is comes out only after the body is read.
fn body_for(route: &str) -> &'static str {
    match route {
        "/api/runs/{id}/messages" => r#"{"text":"on"}"#,
        "/api/runs/{id}/requests/{request}" => r#"{"decision":"deny"}"#,
        _ => "{}",
    }
}

#[tokio::test]
async fn d7_every_route_lets_in_whom_it_is_for_and_nobody_else() {
    let bench = Bench::new().await;
    let mut open = BTreeSet::new();
    for (method, route) in routes() {
        for visitor in Visitor::ALL {
            let [run, session, key, user] = bench.things_of_bob().await;
            let id = if route.starts_with("/api/sessions") {
                &session
            } else if route.starts_with("/api/keys") {
                &key
            } else {
                &run
            };
            let uri = route
                .replace("{id}", id)
                .replace("{name}", &user)
                .replace("{request}", "perm_1")
                .replace("{file}", "start.js")
                .replace("{model}", "demo")
                .replace("{version}/{*path}", "any/app/main.js");
            let shown = bench.shown_by(visitor).await;
            let answer = bench.send(&method, &uri, shown.as_deref(), body_for(&route)).await;
            let what = format!("{visitor:?}: {method} {route}: {} {}", answer.status, answer.text);
            match visitor.refusal(&method, &route) {
                // Without a body the code is not told.
                Some((status, _code)) if method == Method::HEAD => assert_eq!(answer.status, status, "{what}"),
                Some(refusal) => assert_eq!((answer.status, answer.code.as_str()), refusal, "{what}"),
                // There are no agents here, so there are no models.
                None if route.contains("{model}") => assert_eq!(answer.status, 404, "{what}"),
                // What is wrong with the request itself may be said to those who are let in.
                None => assert!(!matches!(answer.status, 401 | 403 | 404 | 405 | 429 | 500..), "{what}"),
            }
            if visitor == Visitor::Nobody && answer.status != 401 && method != Method::HEAD {
                open.insert(format!("{method} {route}"));
            }
            if visitor == Visitor::Stranger && !route.contains('{') {
                assert!(![run, session, key].iter().any(|id| answer.text.contains(id)), "a listing tells of somebody else's: {what}");
            }
        }
    }
    assert_eq!(open, OPEN.map(str::to_owned).into());
}

#[tokio::test]
async fn d7_what_a_route_needs_is_said_of_every_route_and_of_nothing_else() {
    let bench = Bench::new().await;
    let mut served = BTreeSet::new();
    for (path, _handlers) in table() {
        for method in METHODS {
            let answer = bench.send(&method, &path, Some(&bench.token("ann").await), "").await;
            if answer.status != 405 && method != Method::HEAD {
                served.insert((method.to_string(), path.clone()));
            }
        }
    }
    let listed = NEEDS.iter().map(|(method, path, _need)| (method.clone(), *path)).chain(authn::PUBLIC);
    assert_eq!(served, listed.map(|(method, path)| (method.to_string(), path.to_owned())).collect::<BTreeSet<_>>());
}

#[tokio::test]
async fn i4_an_admin_who_was_demoted_reaches_nothing_that_is_for_admins() {
    let bench = Bench::new().await;
    let ((key, _id), token) = (bench.key("ann", &Scope::ALL).await, bench.token("ann").await);
    bench.state.auth.change_user(&"ann".parse().unwrap(), Some(UserRole::User), None, BudgetChange::default()).await.unwrap();
    let for_admins: Vec<_> = NEEDS.iter().filter(|(_method, _path, need)| *need == Need::Scope(Scope::Admin)).collect();
    assert!(for_admins.len() >= 6);
    for (method, path, _need) in for_admins {
        let (by_token, by_key) = (bench.send(method, path, Some(&token), "").await, bench.send(method, path, Some(&key), "").await);
        assert_eq!((by_token.status, by_token.code.as_str()), (403, "admin_only"), "{method} {path}");
        assert_eq!((by_key.status, by_key.code.as_str()), (403, "scope_missing"), "{method} {path}");
    }
}
