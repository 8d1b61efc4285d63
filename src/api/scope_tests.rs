//! What keys and roles may do, tested through the real router, route by route.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::router::{router, table};
use super::scopes::{NEEDS, Need};
use super::{AppState, PeerAddress, Policy, access};
use crate::auth::NewKey;
use crate::types::{Scope, UserName, UserRole};

const METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

struct Bench {
    state: AppState,
    router: Router,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// A server with an admin `ann` and a user `bob` who have passwords of their own.
    async fn new() -> Self {
        let (folder, state) = AppState::for_tests().await;
        for (name, role) in [("ann", UserRole::Admin), ("bob", UserRole::User)] {
            state.auth.add_user(name.parse().unwrap(), role, "long enough").await.unwrap();
        }
        let policy = Policy::new("127.0.0.1".parse().unwrap(), &[], &[]);
        Self { router: router(state.clone(), policy), state, _folder: folder }
    }

    async fn key(&self, owner: &str, scopes: &[Scope]) -> String {
        let owner: UserName = owner.parse().unwrap();
        let new = NewKey { name: "test".into(), scopes: scopes.iter().copied().collect(), expires_in: None };
        self.state.auth.create_key(&owner, new).await.unwrap().0
    }

    async fn token(&self, name: &str) -> String {
        let peer = crate::auth::tests::LOCAL;
        self.state.auth.login(name, "long enough", peer).await.unwrap().token
    }

    /// Status and code of the answer to a request without a body.
    async fn send(&self, method: &Method, path: &str, bearer: &str) -> (u16, String) {
        let run = "run_0198a8f0c0de7000800000000000000a";
        let path = path.replace("/keys/{id}", "/keys/key_0198a8f0c0de7000800000000000000a").replace("{id}", run);
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method.clone();
        *request.uri_mut() = path.replace("{name}", "nobody").replace("{request}", "perm_1").parse().unwrap();
        request.headers_mut().insert(header::HOST, "localhost:3000".parse().unwrap());
        request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {bearer}").parse().unwrap());
        request.extensions_mut().insert(PeerAddress("127.0.0.1:50000".parse().unwrap()));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// Whether by the table a key with this scope alone may use a method of a path.
fn allows(method: &Method, path: &str, scope: Scope) -> bool {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let need = NEEDS.iter().find(|(listed, route, _need)| listed == method && *route == path).map(|(_method, _route, need)| *need);
    match need {
        Some(Need::Anyone) => true,
        Some(Need::Login) => false,
        Some(Need::Account) => scope == Scope::Admin,
        Some(Need::Scope(needed)) => needed == scope,
        None => access::OPEN.contains(&(method.clone(), path)),
    }
}

#[tokio::test]
async fn d7_every_route_says_what_it_needs_and_nothing_else_does() {
    let bench = Bench::new().await;
    let mut served = BTreeSet::new();
    for (path, _handlers) in table() {
        for method in METHODS {
            // A login ends at one of the routes, so each gets its own.
            let (status, _code) = bench.send(&method, path, &bench.token("ann").await).await;
            if status != 405 && method != Method::HEAD {
                served.insert((method.to_string(), path));
            }
        }
    }
    let listed = NEEDS.iter().map(|(method, path, _need)| (method.clone(), *path)).chain(access::OPEN);
    assert_eq!(served, listed.map(|(method, path)| (method.to_string(), path)).collect::<BTreeSet<_>>());
}

#[tokio::test]
async fn i4_a_key_reaches_the_routes_of_its_scopes_and_no_others() {
    let bench = Bench::new().await;
    for owner in ["ann", "bob"] {
        let all: &[Scope] = if owner == "ann" { &Scope::ALL } else { &Scope::ALL[..2] };
        for scope in all {
            let key = bench.key(owner, &[*scope]).await;
            for (path, _handlers) in table() {
                for method in METHODS {
                    let (status, code) = bench.send(&method, path, &key).await;
                    let refused = status == 403 && (code == "scope_missing" || method == Method::HEAD);
                    assert_eq!(refused, !allows(&method, path, *scope), "{owner}'s key for {scope}: {method} {path}: {status} {code}");
                }
            }
        }
    }
}

#[tokio::test]
async fn i4_what_is_for_admins_is_closed_to_users_and_to_those_who_were_demoted() {
    let bench = Bench::new().await;
    let key = bench.key("ann", &Scope::ALL).await;
    let (token, user) = (bench.token("ann").await, bench.token("bob").await);
    let admin_routes = || NEEDS.iter().filter(|(_method, _path, need)| *need == Need::Scope(Scope::Admin));
    assert!(admin_routes().count() >= 6);
    for (method, path, _need) in admin_routes() {
        assert_eq!(bench.send(method, path, &user).await, (403, "admin_only".to_owned()), "{method} {path}");
        for bearer in [&token, &key] {
            assert_ne!(bench.send(method, path, bearer).await.0, 403, "{method} {path}");
        }
    }
    bench.state.auth.change_user(&"ann".parse().unwrap(), Some(UserRole::User), None).await.unwrap();
    for (method, path, _need) in admin_routes() {
        assert_eq!(bench.send(method, path, &token).await, (403, "admin_only".to_owned()), "{method} {path}");
        assert_eq!(bench.send(method, path, &key).await, (403, "scope_missing".to_owned()), "{method} {path}");
    }
}
