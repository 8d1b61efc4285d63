//! The route table and the layers around it.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use tower_http::catch_panic::CatchPanicLayer;

use super::handlers::{self, health::Health};
use super::{ApiError, Policy, RateLimits, access, body, client, door, request_log};
use crate::auth::Auth;
use crate::run::RunManager;

/// What handlers work with: handles on the services beneath, cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// Lets users in.
    pub auth: Arc<Auth>,
    /// Makes, finds and stops runs.
    pub runs: RunManager,
    /// The server's own health.
    pub health: Arc<Health>,
    /// How often somebody may come.
    pub limits: Arc<RateLimits>,
}

#[cfg(test)]
impl AppState {
    /// The state of a server without agents, over a store in a folder of its own.
    pub(crate) async fn for_tests() -> (tempfile::TempDir, Self) {
        let folder = tempfile::tempdir().unwrap();
        let (auth, _clock) = crate::auth::tests::auth_over(Arc::default(), None).await.unwrap();
        let runs = RunManager::without_agents(folder.path());
        (folder, Self { auth: Arc::new(auth), runs, health: Arc::new(Health::new(|| true)), limits: Arc::new(RateLimits::for_tests()) })
    }
}

/// Every route: its path, and its handlers by method. Whether a route is open to all is not said here but in the layer that checks
/// tokens.
pub(super) fn table() -> Vec<(&'static str, MethodRouter<AppState>)> {
    vec![
        ("/health", get(handlers::health::health)),
        ("/api/auth/login", post(handlers::auth::login)),
        ("/api/auth/me", get(handlers::auth::me)),
        ("/health/agents", get(handlers::agents::health)),
        ("/api/agents", get(handlers::agents::list)),
        ("/api/runs", get(handlers::runs::list).post(handlers::runs::create)),
        ("/api/runs/{id}", get(handlers::runs::get).delete(handlers::runs::delete)),
        ("/api/runs/{id}/cancel", post(handlers::runs::cancel)),
        ("/api/runs/{id}/events", get(handlers::events::follow)),
        ("/api/runs/{id}/messages", post(handlers::messages::send)),
        ("/api/runs/{id}/requests", get(handlers::requests::list)),
        ("/api/runs/{id}/requests/{request}", post(handlers::requests::answer)),
        ("/api/sessions", get(handlers::sessions::list)),
        ("/api/sessions/{id}", get(handlers::sessions::get)),
        ("/api/chat", post(handlers::chat::chat)),
    ]
}

/// The whole API.
pub fn router(state: AppState, policy: Policy) -> Router {
    build(table(), state, policy)
}

/// A router over `table`, with all the layers.
pub(super) fn build(table: Vec<(&'static str, MethodRouter<AppState>)>, state: AppState, policy: Policy) -> Router {
    let policy = Arc::new(policy);
    let routes = table.into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods));
    routes
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        // The last one added is the first that a request meets.
        .layer(from_fn(body::read_whole))
        .layer(from_fn_with_state(state.clone(), access::require_token))
        .layer(from_fn_with_state(Arc::clone(&policy), door::guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(request_log::log_request))
        .layer(from_fn_with_state(policy, client::attach))
        .with_state(state)
}

async fn unknown_route() -> ApiError {
    ApiError::not_found("there is no such route")
}

async fn wrong_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this route does not know the method; `Allow` lists those it knows")
}

/// A panic in a handler is a fault of ours that ends one request and nothing else.
#[expect(clippy::needless_pass_by_value, reason = "the layer gives what was thrown away by value")]
fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic.downcast_ref::<String>().cloned();
    let message = message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    let message = message.unwrap_or_else(|| String::from("a value that is no text"));
    ApiError::internal(&std::io::Error::other(format!("a handler panicked: {message}"))).into_response()
}
