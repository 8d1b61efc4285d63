//! CORS for the origins that the operator lists.
//!
//! The host guard passes only requests from listed origins through this layer, so no response contains `*` or an unlisted origin.
//! Credentials stay off: a token travels in a header that the page sets itself.

use std::time::Duration;

use axum::http::{HeaderName, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Request headers that pages may send besides the safelisted ones: those that the API reads, and those that OpenAI's JavaScript client
/// (`openai` 7) sends. Firefox and Safari treat `user-agent` like any other header.
const REQUEST_HEADERS: [&str; 27] = [
    "authorization",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
    "openrunner-directory",
    "openrunner-profile",
    "openrunner-session",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-client-request-id",
    "openai-beta",
    "openai-organization",
    "openai-project",
    "x-stainless-arch",
    "x-stainless-async",
    "x-stainless-custom-poll-interval",
    "x-stainless-helper-method",
    "x-stainless-lang",
    "x-stainless-os",
    "x-stainless-package-version",
    "x-stainless-poll-helper",
    "x-stainless-retry-count",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
    "x-stainless-timeout",
];

/// Response headers that pages may read besides the safelisted ones.
const RESPONSE_HEADERS: [&str; 9] = [
    "allow",
    "etag",
    "location",
    "retry-after",
    "www-authenticate",
    "x-openrunner-run-id",
    "x-openrunner-session-id",
    "x-request-id",
    "x-should-retry",
];

/// How long a browser may cache the answer to a preflight request.
const MAX_AGE: Duration = Duration::from_mins(10);

/// A layer for pages of the origins for which `is_listed` holds. It answers preflight requests itself, without a token.
pub(super) fn layer(is_listed: impl Fn(&str) -> bool + Clone + Send + Sync + 'static) -> CorsLayer {
    let origins = AllowOrigin::predicate(move |origin, _request| origin.to_str().is_ok_and(&is_listed));
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(REQUEST_HEADERS.map(HeaderName::from_static))
        .expose_headers(RESPONSE_HEADERS.map(HeaderName::from_static))
        .max_age(MAX_AGE)
        .vary([header::ORIGIN])
}
