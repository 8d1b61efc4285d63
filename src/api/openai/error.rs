//! Errors in OpenAI's format, for all routes below `/v1`, including those of the layers.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::ApiError;

/// An error under `/v1`, in OpenAI's format.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct OpenAiError<'a> {
    /// The error.
    #[schema(inline)]
    error: ErrorBody<'a>,
}

/// The error.
#[derive(Serialize, ToSchema)]
struct ErrorBody<'a> {
    /// Explanation for people. The wording may change.
    message: &'a str,
    /// `invalid_request_error`, `permission_error`, `rate_limit_error` or `server_error`.
    r#type: &'static str,
    /// The first faulty field.
    #[schema(required)]
    param: Option<&'a str>,
    /// Stable code for programs.
    code: &'static str,
}

impl<'a> OpenAiError<'a> {
    /// Converts an error.
    pub(in crate::api) fn new(error: &'a ApiError) -> Self {
        let (status, code) = to_openai(error.status(), error.code());
        Self { error: ErrorBody { message: error.detail(), r#type: type_of(status), param: error.field(), code } }
    }
}

/// Whether a path belongs to the OpenAI-compatible API.
pub(in crate::api) fn is_openai_path(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// The status and code that OpenAI's clients expect. Codes that OpenAI does not have are kept.
pub(in crate::api) fn to_openai(status: StatusCode, code: &'static str) -> (StatusCode, &'static str) {
    match code {
        "token_missing" | "token_invalid" | "token_expired" => (status, "invalid_api_key"),
        "unknown_model" | "unknown_agent" => (StatusCode::NOT_FOUND, "model_not_found"),
        "too_many_requests" => (status, "rate_limit_exceeded"),
        "budget_exceeded" => (status, "insufficient_quota"),
        // OpenAI uses 400 for invalid fields.
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

/// Converts all errors under `/v1`. Must be outside all layers that return errors.
pub(in crate::api) async fn convert_errors(request: Request, next: Next) -> Response {
    let is_openai = is_openai_path(request.uri().path());
    let response = next.run(request).await;
    match response.extensions().get::<Arc<ApiError>>().cloned().filter(|_| is_openai) {
        Some(error) => convert(response, &error),
        None => response,
    }
}

/// The error for a path that does not exist. Names the alternative to parts of OpenAI's API, and of Anthropic's, that agents cannot offer.
pub(in crate::api) fn unknown_route(path: &str) -> ApiError {
    const CHAT: &str = "use POST /v1/chat/completions or POST /v1/responses";
    let alternative = match path.strip_prefix("/v1/").map(|rest| rest.split('/').next().unwrap_or_default()) {
        Some("completions") => Some(("text completions", CHAT)),
        Some("messages") => Some(("Anthropic's Messages API", CHAT)),
        Some("responses") => Some(("this part of the Responses API", "use POST /v1/responses")),
        Some("embeddings") => Some(("embeddings", "agents have none; configure the client's embeddings with another provider")),
        Some("images" | "audio" | "moderations" | "realtime") => Some(("this part of OpenAI's API", CHAT)),
        _ => None,
    };
    match alternative {
        Some((part, remedy)) => ApiError::not_found(format!("{part}: not supported; {remedy}")),
        None => ApiError::not_found("route not found"),
    }
}

/// The message of an error. Clients of this API call their credential an API key.
fn message_of(error: &ApiError) -> &str {
    match error.code() {
        "token_missing" => {
            "an API key is required: send it as `Authorization: Bearer orn_…`; create one in the console or with POST /api/keys"
        }
        "token_expired" => "the API key has expired; create another one in the console or with POST /api/keys",
        "token_invalid" => {
            "the API key is not valid: the request needs one `Authorization: Bearer` header with a key of this server (orn_…) that is not revoked"
        }
        _ => error.detail(),
    }
}

/// Replaces status and body. The other headers, such as the challenge of a 401 and `Retry-After`, apply to both formats.
fn convert(response: Response, error: &ApiError) -> Response {
    let mut body = OpenAiError::new(error);
    body.error.message = message_of(error);
    let body = serde_json::to_vec(&body).unwrap_or_default();
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

    fn converted(error: &ApiError) -> serde_json::Value {
        serde_json::to_value(OpenAiError::new(error)).unwrap()
    }

    #[test]
    fn errors_have_the_status_type_and_code_that_openais_clients_expect() {
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
            assert_eq!((to_openai(error.status(), code).0.as_u16(), converted(&error)), (seen, expected));
        }
    }

    #[test]
    fn an_error_without_a_field_has_a_null_param() {
        assert!(converted(&ApiError::not_found("no"))["error"]["param"].is_null());
    }

    #[test]
    fn only_paths_below_v1_belong_to_the_api() {
        assert!(is_openai_path("/v1") && is_openai_path("/v1/models") && is_openai_path("/v1/nothing"));
        assert!(!is_openai_path("/v10/models") && !is_openai_path("/api/v1/models"));
    }
}
