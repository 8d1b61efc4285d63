//! The request log and the HTTP metrics: one line per request with its route and status, never its content. Requests without a user are
//! logged up to a limit only.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

use super::AppState;
use crate::auth::ClientOrigin;

/// Marks the response to a request with a valid token or key, also if the request was then refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct HasUser;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Assigns an id to the request, logs its end, and sets the headers that all responses have.
///
/// The log contains the route instead of the path, because a query may contain a token. An id sent by the client is ignored. For a stream
/// the duration ends with the response headers.
pub(super) async fn log_request(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let id = Uuid::now_v7().simple().to_string();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let client = request.extensions().get::<ClientOrigin>().copied().unwrap_or_default();
    let started = Instant::now();
    let span = tracing::info_span!("request", request.id = id);
    let mut response = next.run(request).instrument(span).await;
    let (duration, status) = (started.elapsed(), response.status().as_u16());
    app.metrics.http().record_response(method.as_str(), route.as_ref().map(MatchedPath::as_str), status, duration);
    let has_user = response.extensions().get::<HasUser>().is_some();
    let is_logged = has_user || app.limits.unlogged.count(client.network(), status);
    if is_logged {
        log_line(&id, client, &method, route.as_ref(), status, duration);
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Responses contain prompts, files and tokens, so they are not cached unless a handler allows it.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn log_line(id: &str, client: ClientOrigin, method: &Method, route: Option<&MatchedPath>, status: u16, duration: Duration) {
    tracing::info!(
        request.id = id,
        client.address = %client,
        http.method = method.as_str(),
        http.route = route.map_or("(none)", MatchedPath::as_str),
        http.status = status,
        duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        "request answered"
    );
}
