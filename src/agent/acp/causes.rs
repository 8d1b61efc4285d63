//! Maps an agent's errors to causes.

use serde_json::Value;

use super::wire::RpcError;
use crate::types::{Cause, Failure};

/// JSON-RPC's and the protocol's own error numbers.
const AUTH_REQUIRED: i64 = -32000;
const RESOURCE_NOT_FOUND: i64 = -32002;
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
pub(super) const INVALID_PARAMS: i64 = -32602;

/// The kind of request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestPhase {
    /// `initialize`.
    Initialize,
    /// `authenticate`.
    Authenticate,
    /// `session/new`, `session/resume` or `session/load`.
    Session,
    /// Setting the model.
    Model,
    /// Setting the session mode or a configuration option.
    Configure,
    /// `session/prompt`.
    Prompt,
}

/// The failure of an error response. Numbers and named fields take precedence over text.
pub(super) fn failure(phase: RequestPhase, error: &RpcError) -> Failure {
    let message = message(error);
    let code = error.code.as_i64();
    let cause = cause_from_code(code).or_else(|| cause_from_data(&error.data)).or_else(|| cause_from_text(&message)).unwrap_or(
        match (phase, code) {
            (RequestPhase::Model, _) => Cause::ModelNotFound,
            (RequestPhase::Authenticate, _) => Cause::NotLoggedIn,
            (_, Some(PARSE_ERROR | INVALID_REQUEST | METHOD_NOT_FOUND)) => Cause::Protocol,
            (_, Some(INVALID_PARAMS | RESOURCE_NOT_FOUND)) => Cause::BadArguments,
            _ => Cause::AgentError,
        },
    );
    Failure::new(cause, message)
}

/// The agent's message, with the details if the message alone is unspecific (`"Internal error"`).
fn message(error: &RpcError) -> String {
    let text = error.message.as_str().unwrap_or_default();
    let details = error.data.as_str().or_else(|| error.data.get("details").and_then(Value::as_str)).unwrap_or_default();
    match (text, details) {
        ("", "") => format!("the agent reported error {}", error.code),
        (text, "") => text.to_owned(),
        ("", details) => details.to_owned(),
        (text, details) if text.contains(details) => text.to_owned(),
        (text, details) => format!("{text}: {details}"),
    }
}

fn cause_from_code(code: Option<i64>) -> Option<Cause> {
    match code? {
        AUTH_REQUIRED => Some(Cause::NotLoggedIn),
        status => cause_from_status(status),
    }
}

/// The cause by the fields that agents add to an error: an HTTP status, or the name of an error type.
fn cause_from_data(data: &Value) -> Option<Cause> {
    let status = ["statusCode", "status", "httpStatusCode"].iter().find_map(|name| data.get(name)?.as_i64());
    status.and_then(cause_from_status).or_else(|| match data.get("errorName")?.as_str()? {
        "ProviderAuthError" => Some(Cause::NotLoggedIn),
        "ProviderModelNotFoundError" => Some(Cause::ModelNotFound),
        _ => None,
    })
}

/// The cause by a provider's HTTP status, if the status alone determines it.
pub(crate) fn cause_from_status(status: i64) -> Option<Cause> {
    match status {
        401 | 403 => Some(Cause::NotLoggedIn),
        404 => Some(Cause::ModelNotFound),
        429 => Some(Cause::RateLimited),
        _ => None,
    }
}

/// The cause by an error's text, for agents that do not pass on the provider's status (recording `acp/opencode_error_401`:
/// `"Internal error: mock error 401"`).
pub(crate) fn cause_from_text(message: &str) -> Option<Cause> {
    let text = message.to_lowercase();
    let contains = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    if contains(&["model not found", "model_not_found", "unknown model", "modelnotfound", "model does not exist", "invalid model"]) {
        return Some(Cause::ModelNotFound);
    }
    if contains(&["rate limit", "rate_limit", "too many requests", "quota", "usage limit", "insufficient credit"]) {
        return Some(Cause::RateLimited);
    }
    if contains(&[
        "unauthorized",
        "authentication",
        "api key",
        "api_key",
        "apikey",
        "not logged in",
        "please log in",
        "login required",
        "no llm provider configured",
        "credentials",
    ]) {
        return Some(Cause::NotLoggedIn);
    }
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() == 3).find_map(|word| cause_from_status(word.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cause(phase: RequestPhase, error: &Value) -> Cause {
        failure(phase, &serde_json::from_value(error.clone()).unwrap()).cause
    }

    #[test]
    fn numbers_and_named_fields_take_precedence_over_text() {
        assert_eq!(cause(RequestPhase::Prompt, &json!({ "code": -32000, "message": "Authentication required" })), Cause::NotLoggedIn);
        assert_eq!(cause(RequestPhase::Prompt, &json!({ "code": 429, "message": "unauthorized" })), Cause::RateLimited);
        assert_eq!(
            cause(RequestPhase::Prompt, &json!({ "code": -32603, "data": { "statusCode": 404 }, "message": "rate limit" })),
            Cause::ModelNotFound
        );
        assert_eq!(
            cause(RequestPhase::Prompt, &json!({ "code": -32603, "message": "Internal error: mock error 401" })),
            Cause::NotLoggedIn
        );
        assert_eq!(cause(RequestPhase::Prompt, &json!({ "code": -32603, "message": "Internal error: took 401123 ms" })), Cause::AgentError);
    }

    #[test]
    fn the_kind_of_request_decides_if_the_error_is_unspecific() {
        let invalid = json!({ "code": -32602, "message": "Invalid params" });
        assert_eq!(cause(RequestPhase::Model, &invalid), Cause::ModelNotFound);
        assert_eq!(cause(RequestPhase::Session, &invalid), Cause::BadArguments);
        assert_eq!(cause(RequestPhase::Session, &json!({ "code": -32601, "message": "Method not found" })), Cause::Protocol);
        assert_eq!(cause(RequestPhase::Prompt, &json!({})), Cause::AgentError);
        assert_eq!(cause(RequestPhase::Authenticate, &invalid), Cause::NotLoggedIn);
    }

    #[test]
    fn an_error_without_text_still_has_a_message() {
        let error = serde_json::from_value(json!({ "code": "x", "message": 3 })).unwrap();
        assert_eq!(failure(RequestPhase::Prompt, &error).message, "the agent reported error \"x\"");
        let error =
            serde_json::from_value(json!({ "code": -32603, "message": "Internal error", "data": { "details": "no disk" } })).unwrap();
        assert_eq!(failure(RequestPhase::Prompt, &error).message, "Internal error: no disk");
    }
}
