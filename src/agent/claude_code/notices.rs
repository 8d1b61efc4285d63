//! Notices about the provider: retries and limits.

use serde_json::{Value, json};

use super::wire::ApiRetry;
use crate::types::{Level, NoticeCode, StreamEvent, Timestamp};

/// The notice of a retried model request.
pub(super) fn retrying(retry: &ApiRetry) -> StreamEvent {
    let reason = match (retry.error_status, retry.error.as_deref()) {
        (Some(status), Some(error)) => format!("{status} {error}"),
        (Some(status), None) => status.to_string(),
        (None, Some(error)) if error != "unknown" => error.to_owned(),
        (None, _) => "no response".to_owned(),
    };
    let data = json!({
        "attempt": retry.attempt, "max_attempts": retry.max_retries, "delay_ms": retry.retry_delay_ms, "status": retry.error_status,
    });
    let message = format!("the model call failed ({reason}); retrying");
    StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Retrying, message, data: Some(drop_nulls(data)) }
}

/// A rate limit notice. `resets_at` is in seconds since 1970.
pub(super) fn rate_limited(level: Level, message: &str, resets_at: Option<i64>) -> StreamEvent {
    let resets_at = resets_at.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)));
    let data = resets_at.map(|resets_at| json!({ "resets_at": resets_at }));
    StreamEvent::Notice { level, code: NoticeCode::RateLimited, message: message.to_owned(), data }
}

/// Removes fields that are null.
fn drop_nulls(mut data: Value) -> Value {
    if let Some(fields) = data.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    data
}
