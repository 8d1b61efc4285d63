//! What an agent's error means, in the words of our closed list.

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

/// What we had asked for when the error came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To begin: `initialize`, `session/new` or `session/load`.
    Setup,
    /// To use a model.
    Model,
    /// To carry out the prompt.
    Prompt,
}

/// What an error response to `asked` means. Numbers and named fields are believed first, words last.
pub(super) fn failure(asked: Asked, error: &RpcError) -> Failure {
    let message = message(error);
    let code = error.code.as_i64();
    let cause = from_code(code).or_else(|| from_data(&error.data)).or_else(|| from_words(&message)).unwrap_or(match (asked, code) {
        (Asked::Model, _) => Cause::ModelNotFound,
        (_, Some(PARSE_ERROR | INVALID_REQUEST | METHOD_NOT_FOUND)) => Cause::Protocol,
        (_, Some(INVALID_PARAMS | RESOURCE_NOT_FOUND)) => Cause::BadArguments,
        _ => Cause::AgentError,
    });
    Failure::new(cause, message)
}

/// The agent's words, with the details where the message alone says nothing (`"Internal error"`).
fn message(error: &RpcError) -> String {
    let said = error.message.as_str().unwrap_or_default();
    let details = error.data.as_str().or_else(|| error.data.get("details").and_then(Value::as_str)).unwrap_or_default();
    match (said, details) {
        ("", "") => format!("the agent reported error {}", error.code),
        (said, "") => said.to_owned(),
        ("", details) => details.to_owned(),
        (said, details) if said.contains(details) => said.to_owned(),
        (said, details) => format!("{said}: {details}"),
    }
}

fn from_code(code: Option<i64>) -> Option<Cause> {
    match code? {
        AUTH_REQUIRED => Some(Cause::NotLoggedIn),
        status => from_status(status),
    }
}

/// The fields that agents put beside an error: an HTTP status, or the name of their own error type.
fn from_data(data: &Value) -> Option<Cause> {
    let status = ["statusCode", "status", "httpStatusCode"].iter().find_map(|name| data.get(name)?.as_i64());
    status.and_then(from_status).or_else(|| match data.get("errorName")?.as_str()? {
        "ProviderAuthError" => Some(Cause::NotLoggedIn),
        "ProviderModelNotFoundError" => Some(Cause::ModelNotFound),
        _ => None,
    })
}

/// What a provider's HTTP status means, where it alone is enough.
pub(crate) fn from_status(status: i64) -> Option<Cause> {
    match status {
        401 | 403 => Some(Cause::NotLoggedIn),
        404 => Some(Cause::ModelNotFound),
        429 => Some(Cause::RateLimited),
        _ => None,
    }
}

/// What an error's words mean, for agents that keep the provider's status to themselves (recording `acp/opencode_error_401`:
/// `"Internal error: mock error 401"`).
pub(crate) fn from_words(message: &str) -> Option<Cause> {
    let words = message.to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
    if says(&["model not found", "model_not_found", "unknown model", "modelnotfound", "model does not exist", "invalid model"]) {
        return Some(Cause::ModelNotFound);
    }
    if says(&["rate limit", "rate_limit", "too many requests", "quota", "usage limit", "insufficient credit"]) {
        return Some(Cause::RateLimited);
    }
    if says(&[
        "unauthorized",
        "authentication",
        "api key",
        "api_key",
        "apikey",
        "not logged in",
        "please log in",
        "login required",
        "credentials",
    ]) {
        return Some(Cause::NotLoggedIn);
    }
    words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() == 3).find_map(|word| from_status(word.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cause(asked: Asked, error: &Value) -> Cause {
        failure(asked, &serde_json::from_value(error.clone()).unwrap()).cause
    }

    #[test]
    fn numbers_and_named_fields_are_believed_before_words() {
        assert_eq!(cause(Asked::Prompt, &json!({ "code": -32000, "message": "Authentication required" })), Cause::NotLoggedIn);
        assert_eq!(cause(Asked::Prompt, &json!({ "code": 429, "message": "unauthorized" })), Cause::RateLimited);
        assert_eq!(
            cause(Asked::Prompt, &json!({ "code": -32603, "data": { "statusCode": 404 }, "message": "rate limit" })),
            Cause::ModelNotFound
        );
        assert_eq!(cause(Asked::Prompt, &json!({ "code": -32603, "message": "Internal error: mock error 401" })), Cause::NotLoggedIn);
        assert_eq!(cause(Asked::Prompt, &json!({ "code": -32603, "message": "Internal error: took 401123 ms" })), Cause::AgentError);
    }

    #[test]
    fn the_question_decides_where_the_answer_does_not() {
        let invalid = json!({ "code": -32602, "message": "Invalid params" });
        assert_eq!(cause(Asked::Model, &invalid), Cause::ModelNotFound);
        assert_eq!(cause(Asked::Setup, &invalid), Cause::BadArguments);
        assert_eq!(cause(Asked::Setup, &json!({ "code": -32601, "message": "Method not found" })), Cause::Protocol);
        assert_eq!(cause(Asked::Prompt, &json!({})), Cause::AgentError);
    }

    #[test]
    fn an_error_without_words_still_has_a_message() {
        let error = serde_json::from_value(json!({ "code": "x", "message": 3 })).unwrap();
        assert_eq!(failure(Asked::Prompt, &error).message, "the agent reported error \"x\"");
        let error =
            serde_json::from_value(json!({ "code": -32603, "message": "Internal error", "data": { "details": "no disk" } })).unwrap();
        assert_eq!(failure(Asked::Prompt, &error).message, "Internal error: no disk");
    }
}
