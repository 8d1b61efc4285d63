//! What a browser must be told before it lets a page of a listed origin call this server.
//!
//! Only called for origins from the operator's list, so no answer ever holds `*` or an origin that is merely sent back. Credentials stay
//! off: a token travels in a header that the page sets itself.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, idempotency-key, last-event-id");
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static("location, retry-after, x-request-id");

/// How long a browser may remember the answer, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Whether the browser only asks what it may send.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that, which is the same for every route: a page learns nothing from it but what the documentation says.
pub(super) fn preflight(origin: HeaderValue) -> Response {
    let rules: [(HeaderName, HeaderValue); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
    ];
    allow((StatusCode::NO_CONTENT, rules).into_response(), origin)
}

/// Lets pages of `origin` read an answer.
pub(super) fn allow(mut response: Response, origin: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    response
}
