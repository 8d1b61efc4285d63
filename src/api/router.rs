//! The route table and the layers around it.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::HttpMethod;

use super::handlers::{self, health::Health};
use super::{ApiError, HostPolicy, RateLimits, authn, body, client_origin, host_guard, openai, request_log};
use crate::auth::{Audit, Auth};
use crate::config::ResolvedSetting;
use crate::metrics::Metrics;
use crate::run::RunManager;

/// What handlers work with: handles on the services beneath, cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// Lets users in.
    pub auth: Arc<Auth>,
    /// Writes down who did what.
    pub audit: Audit,
    /// Makes, finds and stops runs.
    pub runs: RunManager,
    /// The server's own health.
    pub health: Arc<Health>,
    /// How often somebody may come.
    pub limits: Arc<RateLimits>,
    /// What is counted.
    pub metrics: Metrics,
    /// The settings in force.
    pub settings: Arc<[ResolvedSetting]>,
}

#[cfg(test)]
impl AppState {
    /// The state of a server without agents, over a store in a folder of its own.
    pub(crate) async fn for_tests() -> (tempfile::TempDir, Self) {
        let (folder, state, _clock) = Self::with_clock().await;
        (folder, state)
    }

    /// The same, with the clock by which tokens expire.
    pub(super) async fn with_clock() -> (tempfile::TempDir, Self, Arc<crate::auth::tests::StandingClock>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(crate::run::store::SqliteStore::open(&folder.path().join("identity")).unwrap());
        let (auth, clock) = crate::auth::tests::auth_over(store.clone(), None).await.unwrap();
        let audit = Audit::new(store, clock.clone(), tokio_util::task::TaskTracker::new());
        let runs = RunManager::without_agents(folder.path());
        let metrics = Metrics::new(crate::types::Timestamp::from_millis(0), &crate::metrics::StoreMetrics::default(), runs.metrics());
        let (health, limits) = (Arc::new(Health::new(|| Box::pin(async { true }))), Arc::new(RateLimits::for_tests()));
        (folder, Self { auth: Arc::new(auth), audit, runs, health, limits, metrics, settings: Arc::new([]) }, clock)
    }
}

/// Writes [`table`] and, for the tests, `described` from the same rows, so that there is no route without a description.
///
/// Path and methods are asked of the type that `#[utoipa::path]` puts beside a handler, `__path_` and its name. Nothing else is asked of
/// it: what else it has is the code of all schemas, which then is no part of a program that has the finished description inside.
macro_rules! routes {
    ($($($module:ident::$handler:ident),+;)+) => {
        /// The routes as the router takes them: each path with its handlers by method.
        pub(super) fn table() -> Vec<(String, MethodRouter<AppState>)> {
            let rows = pastey::paste! {
                [$(vec![$(place::<handlers::$module::[<__path_ $handler>], _, _>(&handlers::$module::$handler)),+]),+]
            };
            rows.into_iter().filter_map(|row| row.into_iter().reduce(|(path, some), (_same, more)| (path, some.merge(more)))).collect()
        }

        /// The same rows with all that is said of them.
        #[cfg(test)]
        pub(super) fn described() -> Vec<utoipa_axum::router::UtoipaMethodRouter<AppState>> {
            vec![$(utoipa_axum::routes!($(handlers::$module::$handler),+)),+]
        }
    };
}

// Every route, a row for each path. Path and method stand with the handler, in the attribute that describes it. Whether a route is open to
// all is not said here but in the layer that checks tokens.
routes! {
    health::health;
    agents::health;
    metrics::metrics;
    reference::openapi;
    reference::events;
    reference::page;
    reference::file;
    console::page;
    console::file;
    auth::login;
    auth::logout;
    auth::me;
    auth::password;
    users::list, users::create;
    users::get, users::change, users::delete;
    keys::list, keys::create;
    keys::delete;
    audit::list;
    usage::list;
    usage::budget;
    settings::list;
    agents::list;
    runs::list, runs::create;
    runs::get, runs::delete;
    runs::cancel;
    events::follow;
    feed::follow;
    tickets::create;
    messages::send;
    requests::list;
    requests::answer;
    sessions::list;
    sessions::get;
    chat::chat;
    models::list;
    models::get;
    completions::create;
    webhooks::list;
}

/// A handler at the path and for the methods that `D` describes it with.
fn place<D: utoipa::Path, H: Handler<T, AppState>, T: 'static>(handler: &H) -> (String, MethodRouter<AppState>) {
    let filters = D::methods().into_iter().map(|method| match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Delete => MethodFilter::DELETE,
        HttpMethod::Options => MethodFilter::OPTIONS,
        HttpMethod::Head => MethodFilter::HEAD,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Trace => MethodFilter::TRACE,
    });
    (as_matched(&D::path()), filters.fold(MethodRouter::new(), |methods, filter| methods.on(filter, handler.clone())))
}

/// The path in the router's way of writing, where the rest of a path has a mark that OpenAPI does not know.
pub(super) fn as_matched(path: &str) -> String {
    path.replace("{path}", "{*path}")
}

/// The whole API.
pub fn router(state: AppState, policy: HostPolicy) -> Router {
    build(table(), state, policy)
}

/// A router over `table`, with all the layers.
pub(super) fn build(table: Vec<(String, MethodRouter<AppState>)>, state: AppState, policy: HostPolicy) -> Router {
    let policy = Arc::new(policy);
    let routes = table.into_iter().fold(Router::new(), |router, (path, methods)| router.route(&path, methods));
    routes
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        // The last one added is the first that a request meets.
        .layer(from_fn(body::read_whole))
        .layer(from_fn_with_state(state.clone(), authn::require_auth))
        .layer(from_fn_with_state(Arc::clone(&policy), host_guard::guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(openai::in_its_words))
        .layer(from_fn_with_state(state.metrics.http().clone(), request_log::log_request))
        .layer(from_fn_with_state(policy, client_origin::attach))
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
