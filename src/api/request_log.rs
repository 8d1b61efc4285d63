//! One log line for each request, and the metrics: what was asked and how it ended, never what was said.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

use super::client_origin::ClientAddress;
use crate::metrics::HttpMetrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id, logs its end, and sets the headers that every answer has.
///
/// The line names the route, not the address: an address may hold a token. The id is always ours, since one that a client chose could
/// say anything. For a stream the time is that until its head was sent.
pub(super) async fn log_request(State(metrics): State<HttpMetrics>, request: Request, next: Next) -> Response {
    let id = Uuid::now_v7().simple().to_string();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let client = request.extensions().get::<ClientAddress>().copied().unwrap_or_default();
    let began = Instant::now();
    let span = tracing::info_span!("request", request.id = id);
    let mut response = next.run(request).instrument(span).await;
    let (took, status) = (began.elapsed(), response.status().as_u16());
    metrics.record_response(method.as_str(), route.as_ref().map(MatchedPath::as_str), status, took);
    tracing::info!(
        request.id = id,
        client.address = %client,
        http.method = method.as_str(),
        http.route = route.as_ref().map_or("(none)", MatchedPath::as_str),
        http.status = status,
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "request answered"
    );
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Answers hold prompts, files and tokens; none is for a cache, unless its handler says so.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
