//! Maps Codex's errors to a [`Cause`]: by error code and HTTP status first, by text second.

use serde_json::{Value, json};

use crate::process::Exit;
use crate::types::{Cause, Failure, Level, NoticeCode, StreamEvent};

/// The failure for an error with this message. `info` is the app-server's `codexErrorInfo`, or null if there is none, as in exec mode.
pub(super) fn failure(info: &Value, message: &str) -> Failure {
    Failure::new(classify(info, message), message)
}

fn classify(info: &Value, message: &str) -> Cause {
    let code = info.as_str().or_else(|| info.as_object().and_then(|object| object.keys().next().map(String::as_str)));
    match code {
        Some("unauthorized") => return Cause::NotLoggedIn,
        Some("usageLimitExceeded" | "rateLimitExceeded") => return Cause::RateLimited,
        Some("modelNotFound") => return Cause::ModelNotFound,
        _ => {}
    }
    let status = http_status(info).or_else(|| status_in_text(message));
    match status {
        Some(401 | 403) => Cause::NotLoggedIn,
        Some(429) => Cause::RateLimited,
        // Codex controls the URL's path, so 404 from the provider means an unknown model.
        Some(404) => Cause::ModelNotFound,
        _ => cause_from_text(message),
    }
}

/// Texts of Codex (recordings `no_auth_env_key`, `error_429`) and of its default provider.
fn cause_from_text(message: &str) -> Cause {
    let message = message.to_lowercase();
    let has = |text: &str| message.contains(text);
    if has("missing environment variable") || has("not logged in") || has("not signed in") || has("please log in") || has("codex login") {
        Cause::NotLoggedIn
    } else if has("rate limit") || has("usage limit") || has("too many requests") || has("exceeded your current quota") {
        Cause::RateLimited
    } else if has("model") && (has("does not exist") || has("model not found") || has("is not supported")) {
        Cause::ModelNotFound
    } else {
        Cause::AgentError
    }
}

/// The status in an object such as `{"responseStreamDisconnected":{"httpStatusCode":401}}` (recording `appserver_error_401`).
fn http_status(info: &Value) -> Option<u64> {
    info.as_object()?.values().find_map(|details| details.get("httpStatusCode")?.as_u64())
}

/// The status in a text such as `unexpected status 401 Unauthorized: …` or `…, last status: 429 Too Many Requests`.
fn status_in_text(message: &str) -> Option<u64> {
    let (_, after) = message.split_once("status ").or_else(|| message.split_once("status: "))?;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|status| (400..600).contains(status))
}

/// The notices for a message such as `Reconnecting... 2/5` or `Reconnecting... waiting for network (…)`: that Codex retries and, if
/// applicable, that a rate limit was reached. `details` is the reason, if Codex reports it separately.
pub(super) fn retry_notices(info: &Value, message: &str, details: Option<&str>) -> Vec<StreamEvent> {
    let reason = details.unwrap_or(message);
    let mut data = serde_json::Map::new();
    if let Some((attempt, max)) = parse_attempt(message) {
        data.insert("attempt".to_owned(), json!(attempt));
        data.insert("max_attempts".to_owned(), json!(max));
    }
    if let Some(status) = http_status(info).or_else(|| status_in_text(reason)) {
        data.insert("status".to_owned(), json!(status));
    }
    let notice = match details {
        Some(details) => format!("{message} ({details})"),
        None => message.to_owned(),
    };
    let data = (!data.is_empty()).then_some(Value::Object(data));
    let limited = classify(info, reason) == Cause::RateLimited;
    let limit = limited.then(|| StreamEvent::notice(Level::Warning, NoticeCode::RateLimited, reason));
    limit.into_iter().chain([StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Retrying, message: notice, data }]).collect()
}

/// Whether the message announces a retry. Exec mode has no other indication.
pub(super) fn is_retry(message: &str) -> bool {
    message.starts_with("Reconnecting...")
}

fn parse_attempt(message: &str) -> Option<(u64, u64)> {
    let (attempt, rest) = message.strip_prefix("Reconnecting... ")?.split_once('/')?;
    let max = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((attempt.parse().ok()?, max.parse().ok()?))
}

/// The reason for an exit without a result, from stderr. The texts are those of the recordings `bad_flag`, `bad_config_override`,
/// `resume_unknown_id`, `not_a_git_repo`, `no_prompt` and `prompt_invalid_utf8_stdin`.
pub(super) fn diagnose(exit: Exit, stderr: &str) -> Option<Failure> {
    let exit_code = exit.code().filter(|code| *code != 0)?;
    let error_prefixes = ["error: ", "Error: ", "Not inside a trusted directory", "No prompt provided", "Failed to read prompt from stdin"];
    let line = stderr.lines().rev().find(|line| error_prefixes.iter().any(|prefix| line.starts_with(prefix)))?;
    let message = line.trim_start_matches("error: ").trim_start_matches("Error: ").to_owned();
    // Exit code 2 comes from the command-line parser.
    let is_bad_arguments =
        exit_code == 2 || !line.starts_with("Error: ") || line.contains("no rollout found") || line.contains("Model provider");
    match classify(&Value::Null, &message) {
        Cause::AgentError if is_bad_arguments => Some(Failure::new(Cause::BadArguments, message)),
        cause => Some(Failure::new(cause, message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_take_precedence_over_text() {
        let disconnected = |status: u64| json!({ "responseStreamDisconnected": { "httpStatusCode": status } });
        for (info, message, expected) in [
            (json!("unauthorized"), "status 429", Cause::NotLoggedIn),
            (json!("usageLimitExceeded"), "You've hit your usage limit.", Cause::RateLimited),
            (json!("modelNotFound"), "?", Cause::ModelNotFound),
            (disconnected(401), "?", Cause::NotLoggedIn),
            (disconnected(429), "?", Cause::RateLimited),
            (json!("other"), "Missing environment variable: `KEY`.", Cause::NotLoggedIn),
            (json!("other"), "exceeded retry limit, last status: 429 Too Many Requests", Cause::RateLimited),
            (Value::Null, "unexpected status 404 Not Found: no such model, url: …", Cause::ModelNotFound),
            (Value::Null, "The model `x` does not exist or you do not have access to it.", Cause::ModelNotFound),
            (json!({ "activeTurnNotSteerable": { "turnKind": "review" } }), "?", Cause::AgentError),
            (json!(7), "unexpected status 99999999999999999999", Cause::AgentError),
        ] {
            assert_eq!(failure(&info, message).cause, expected, "{info} {message}");
        }
    }

    #[test]
    fn a_retry_notice_has_the_attempt_and_the_status() {
        let data = |message: &str| match retry_notices(&Value::Null, message, None).pop() {
            Some(StreamEvent::Notice { data, .. }) => data,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            data("Reconnecting... 2/5 (unexpected status 500 Internal Server Error)"),
            Some(json!({ "attempt": 2, "max_attempts": 5, "status": 500 }))
        );
        assert_eq!(data("Reconnecting... waiting for network (Connection failed: error sending request)"), None);
    }
}
