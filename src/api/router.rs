//! The route table, and the layers around it.

use std::any::Any;
use std::sync::Arc;

use axum::handler::Handler;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::HttpMethod;

use super::handlers;
use super::host_guard::HostGuard;
use super::{ApiError, AppState, HostPolicy, authn, body, client_origin, compression, host_guard, openai, request_log};

/// Defines [`table`] and, for tests, `described` from the same rows, so that every route is described.
///
/// Path and methods come from the type that `#[utoipa::path]` generates for a handler (`__path_` and the handler's name). Nothing else of
/// that type is used outside tests, so the code of the schemas is no part of the program, which embeds the finished description.
macro_rules! routes {
    ($($($module:ident::$handler:ident),+;)+) => {
        /// The routes: each path with its handlers by method.
        pub(super) fn table() -> Vec<(String, MethodRouter<AppState>)> {
            let rows = pastey::paste! {
                [$(vec![$(route::<handlers::$module::[<__path_ $handler>], _, _>(&handlers::$module::$handler)),+]),+]
            };
            rows.into_iter().filter_map(|row| row.into_iter().reduce(|(path, some), (_same, more)| (path, some.merge(more)))).collect()
        }

        /// The same rows with their descriptions.
        #[cfg(test)]
        pub(super) fn described() -> Vec<utoipa_axum::router::UtoipaMethodRouter<AppState>> {
            vec![$(utoipa_axum::routes!($(handlers::$module::$handler),+)),+]
        }
    };
}

// Every route, one row per path. Path and method are in the handler's attribute. Which routes are public is decided in `authn`.
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
    auth::login, auth::login_options;
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
    profiles::list;
    profiles::get, profiles::set, profiles::delete;
    runs::list, runs::create;
    runs::get, runs::delete;
    runs::cancel;
    events::follow;
    changes::list;
    changes::patch;
    changes::file;
    files::list;
    files::get, files::put;
    archive::get;
    revert::revert;
    feed::follow;
    tickets::create;
    messages::send;
    requests::list;
    requests::answer;
    uploads::create;
    uploads::delete;
    sessions::list;
    sessions::get;
    changes::list_of_session;
    changes::patch_of_session;
    workspaces::branch;
    workspaces::remove;
    chat::chat;
    models::list;
    models::get;
    chat_completions::create;
    responses::create;
    responses::get, responses::delete;
    responses::cancel;
    responses::input_items;
    webhooks::list;
    webhooks::retry;
    mcp::serve;
}

/// A handler with the path and the methods of its description `D`.
fn route<D: utoipa::Path, H: Handler<T, AppState>, T: 'static>(handler: &H) -> (String, MethodRouter<AppState>) {
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
    (to_router_syntax(&D::path()), filters.fold(MethodRouter::new(), |methods, filter| methods.on(filter, handler.clone())))
}

/// Converts a path from OpenAPI's syntax to the router's, which marks a parameter that spans several segments.
pub(super) fn to_router_syntax(path: &str) -> String {
    path.replace("{path}", "{*path}").replace("{model}", "{*model}")
}

/// The whole API.
pub fn router(state: AppState, policy: HostPolicy) -> Router {
    let base_path = state.base_path.clone();
    base_path.wrap(build(table(), state, policy))
}

/// The API for requests that come from within another request, as which they must be authenticated again.
fn in_process(state: AppState) -> Router {
    routes(table())
        .layer(from_fn_with_state(state.clone(), body::read_whole))
        .layer(from_fn_with_state(state.clone(), authn::require_auth))
        .with_state(state)
}

/// The routes of `table`, without layers.
fn routes(table: Vec<(String, MethodRouter<AppState>)>) -> Router<AppState> {
    let routes = table.into_iter().fold(Router::new(), |router, (path, methods)| router.route(&path, methods));
    routes.fallback(unknown_route).method_not_allowed_fallback(other_method)
}

/// A router for `table`, with all layers.
pub(super) fn build(table: Vec<(String, MethodRouter<AppState>)>, state: AppState, policy: HostPolicy) -> Router {
    let policy = Arc::new(policy);
    routes(table.into_iter().chain(handlers::page_aliases::table()).collect())
        .layer(Extension(handlers::mcp::InProcessRoutes(in_process)))
        // The last layer is the outermost.
        .layer(from_fn_with_state(state.clone(), body::read_whole))
        .layer(from_fn_with_state(state.clone(), authn::require_auth))
        .layer(from_fn_with_state(HostGuard::new(Arc::clone(&policy)), host_guard::guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(openai::convert_errors))
        .layer(from_fn(compression::compress_json))
        .layer(from_fn_with_state(state.clone(), request_log::log_request))
        .layer(from_fn_with_state(policy, client_origin::insert))
        .with_state(state)
}

async fn unknown_route(uri: Uri) -> ApiError {
    openai::unknown_route(uri.path())
}

/// Answers `OPTIONS`, and rejects methods that the route does not have. The router adds the `Allow` header to both.
async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "the route does not support this method; see the `Allow` header")
        .into_response()
}

/// A panic in a handler ends that request with 500 and nothing else.
#[expect(clippy::needless_pass_by_value, reason = "the layer passes the panic by value")]
fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic.downcast_ref::<String>().cloned();
    let message = message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    let message = message.unwrap_or_else(|| String::from("(not a string)"));
    ApiError::internal(&std::io::Error::other(format!("a handler panicked: {message}"))).into_response()
}
