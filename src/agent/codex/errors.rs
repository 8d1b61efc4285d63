//! What Codex's errors mean: causes from its error words and HTTP statuses first, from its sentences second.

use serde_json::{Value, json};

use crate::process::Exit;
use crate::types::{Cause, Failure, Level, NoticeCode, StreamEvent};

/// The failure that `message` tells. `info` is the app-server's `codexErrorInfo`, or null where there is none, as in exec mode.
pub(super) fn failure(info: &Value, message: &str) -> Failure {
    Failure::new(cause(info, message), message)
}

fn cause(info: &Value, message: &str) -> Cause {
    let word = info.as_str().or_else(|| info.as_object().and_then(|object| object.keys().next().map(String::as_str)));
    match word {
        Some("unauthorized") => return Cause::NotLoggedIn,
        Some("usageLimitExceeded" | "rateLimitExceeded") => return Cause::RateLimited,
        Some("modelNotFound") => return Cause::ModelNotFound,
        _ => {}
    }
    let status = http_status(info).or_else(|| status_in(message));
    match status {
        Some(401 | 403) => Cause::NotLoggedIn,
        Some(429) => Cause::RateLimited,
        // The path is Codex's own, so a provider that answers 404 means the model.
        Some(404) => Cause::ModelNotFound,
        _ => by_words(message),
    }
}

/// Sentences of Codex (recordings `no_auth_env_key`, `error_429`) and of its default provider.
fn by_words(message: &str) -> Cause {
    let message = message.to_lowercase();
    let has = |words: &str| message.contains(words);
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

/// The status that an object like `{"responseStreamDisconnected":{"httpStatusCode":401}}` holds (recording `appserver_error_401`).
fn http_status(info: &Value) -> Option<u64> {
    info.as_object()?.values().find_map(|about| about.get("httpStatusCode")?.as_u64())
}

/// The status in a sentence like `unexpected status 401 Unauthorized: …` or `…, last status: 429 Too Many Requests`.
fn status_in(message: &str) -> Option<u64> {
    let (_, after) = message.split_once("status ").or_else(|| message.split_once("status: "))?;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|status| (400..600).contains(status))
}

/// What a sentence like `Reconnecting... 2/5` or `Reconnecting... waiting for network (…)` announces: the notices that another
/// try follows and, where that is the reason, that a limit was reached. `details` says why in Codex's own words, if they are apart.
pub(super) fn retrying(info: &Value, message: &str, details: Option<&str>) -> Vec<StreamEvent> {
    let why = details.unwrap_or(message);
    let mut data = serde_json::Map::new();
    if let Some((attempt, max)) = attempt_in(message) {
        data.insert("attempt".to_owned(), json!(attempt));
        data.insert("max_attempts".to_owned(), json!(max));
    }
    if let Some(status) = http_status(info).or_else(|| status_in(why)) {
        data.insert("status".to_owned(), json!(status));
    }
    let told = match details {
        Some(details) => format!("{message} ({details})"),
        None => message.to_owned(),
    };
    let data = (!data.is_empty()).then_some(Value::Object(data));
    let limited = cause(info, why) == Cause::RateLimited;
    let limit = limited.then(|| StreamEvent::notice(Level::Warning, NoticeCode::RateLimited, why));
    limit.into_iter().chain([StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Retrying, message: told, data }]).collect()
}

/// Whether the sentence announces another try: the only mark that exec mode gives.
pub(super) fn announces_retry(message: &str) -> bool {
    message.starts_with("Reconnecting...")
}

fn attempt_in(message: &str) -> Option<(u64, u64)> {
    let (attempt, rest) = message.strip_prefix("Reconnecting... ")?.split_once('/')?;
    let max = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((attempt.parse().ok()?, max.parse().ok()?))
}

/// What an exit without a result means, by what stands on stderr. The sentences are those of the recordings `bad_flag`,
/// `bad_config_override`, `resume_unknown_id`, `not_a_git_repo`, `no_prompt` and `prompt_invalid_utf8_stdin`.
pub(super) fn diagnose(exit: Exit, stderr: &str) -> Option<Failure> {
    let code = exit.code().filter(|code| *code != 0)?;
    let refusals = ["error: ", "Error: ", "Not inside a trusted directory", "No prompt provided", "Failed to read prompt from stdin"];
    let line = stderr.lines().rev().find(|line| refusals.iter().any(|words| line.starts_with(words)))?;
    let message = line.trim_start_matches("error: ").trim_start_matches("Error: ").to_owned();
    // Code 2 is the command-line library's own.
    let refused = code == 2 || !line.starts_with("Error: ") || line.contains("no rollout found") || line.contains("Model provider");
    match cause(&Value::Null, &message) {
        Cause::AgentError if refused => Some(Failure::new(Cause::BadArguments, message)),
        cause => Some(Failure::new(cause, message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structured_reason_counts_more_than_words() {
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
    fn a_retry_tells_its_number_and_the_status() {
        let data = |message: &str| match retrying(&Value::Null, message, None).pop() {
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
