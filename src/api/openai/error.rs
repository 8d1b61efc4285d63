//! Refusals as OpenAI's clients read them: whatever was refused below `/v1`, by a handler or by a layer in front of it.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::ApiError;

/// A refusal under `/v1`, in OpenAI's form.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct OpenAiError<'a> {
    /// What is wrong.
    #[schema(inline)]
    error: Words<'a>,
}

/// What is wrong.
#[derive(Serialize, ToSchema)]
struct Words<'a> {
    /// The same for a person. Its words may change.
    message: &'a str,
    /// `invalid_request_error`, `permission_error`, `rate_limit_error` or `server_error`.
    r#type: &'static str,
    /// The one field that is at fault.
    #[schema(required)]
    param: Option<&'a str>,
    /// Which refusal it is, for programs.
    code: &'static str,
}

impl<'a> OpenAiError<'a> {
    /// The same refusal in OpenAI's words.
    pub(in crate::api) fn of(error: &'a ApiError) -> Self {
        let (status, code) = to_openai(error.status(), error.code());
        Self { error: Words { message: error.detail(), r#type: type_of(status), param: error.field(), code } }
    }
}

/// Whether a path belongs to this door.
pub(in crate::api) fn is_openai_path(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// The status and the code by which OpenAI's clients know a refusal. Where OpenAI has no word of its own, ours stands.
pub(in crate::api) fn to_openai(status: StatusCode, code: &'static str) -> (StatusCode, &'static str) {
    match code {
        "token_missing" | "token_invalid" | "token_expired" => (status, "invalid_api_key"),
        "unknown_model" | "unknown_agent" => (StatusCode::NOT_FOUND, "model_not_found"),
        "too_many_requests" => (status, "rate_limit_exceeded"),
        "budget_exceeded" => (status, "insufficient_quota"),
        // What is JSON but not the right one is a bad request there.
        _ if status == StatusCode::UNPROCESSABLE_ENTITY => (StatusCode::BAD_REQUEST, code),
        _ => (status, code),
    }
}

fn type_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    }
}

/// Says every refusal under `/v1` in OpenAI's words. It stands outside of all layers that refuse something.
pub(in crate::api) async fn convert_errors(request: Request, next: Next) -> Response {
    let is_openai_path = is_openai_path(request.uri().path());
    let response = next.run(request).await;
    match response.extensions().get::<Arc<ApiError>>().cloned().filter(|_| is_openai_path) {
        Some(error) => said_again(response, &error),
        None => response,
    }
}

/// The answer with the other status and body. Its headers, the challenge of a 401 and the time to wait, hold for both.
fn said_again(response: Response, error: &ApiError) -> Response {
    let body = serde_json::to_vec(&OpenAiError::of(error)).unwrap_or_default();
    let (mut parts, _problem) = response.into_parts();
    (parts.status, _) = to_openai(error.status(), error.code());
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, body.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::FaultCode;

    fn said(error: &ApiError) -> serde_json::Value {
        serde_json::to_value(OpenAiError::of(error)).unwrap()
    }

    #[test]
    fn a_refusal_has_the_status_the_type_and_the_code_by_which_openais_clients_know_it() {
        for (status, code, seen, kind, word) in [
            (401, "token_expired", 401, "invalid_request_error", "invalid_api_key"),
            (400, "unknown_model", 404, "invalid_request_error", "model_not_found"),
            (422, "invalid_field", 400, "invalid_request_error", "invalid_field"),
            (403, "scope_missing", 403, "permission_error", "scope_missing"),
            (429, "too_many_requests", 429, "rate_limit_error", "rate_limit_exceeded"),
            (429, "queue_full", 429, "rate_limit_error", "queue_full"),
            (507, "storage", 507, "server_error", "storage"),
        ] {
            let error = ApiError::new(StatusCode::from_u16(status).unwrap(), code, "words").with_field("f", FaultCode::Invalid);
            let expected = serde_json::json!({"error": {"message": "words", "type": kind, "param": "f", "code": word}});
            assert_eq!((to_openai(error.status(), code).0.as_u16(), said(&error)), (seen, expected));
        }
    }

    #[test]
    fn a_refusal_of_no_field_says_so() {
        assert!(said(&ApiError::not_found("no"))["error"]["param"].is_null());
    }

    #[test]
    fn only_what_is_below_v1_is_of_this_door() {
        assert!(is_openai_path("/v1") && is_openai_path("/v1/models") && is_openai_path("/v1/nothing"));
        assert!(!is_openai_path("/v10/models") && !is_openai_path("/api/v1/models"));
    }
}
