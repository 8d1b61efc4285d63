//! Errors for runs that ended without a result.

use axum::http::StatusCode;

use super::super::{ApiError, FaultCode};
use crate::run::RunView;
use crate::types::Cause;

/// Why a run has no completion; `None` if it completed. A run has not ended if the server shut down before.
pub(in crate::api) fn end_error(run: &RunView) -> Option<ApiError> {
    let Some(cause) = run.cause else {
        let detail = format!("the server shut down before run {} ended", run.run_id);
        return Some(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", detail));
    };
    let message = run.end.as_ref().and_then(|end| end.message.as_deref()).unwrap_or("no reason given");
    cause_error(cause, format!("run {} ended without a result: {message}", run.run_id))
}

/// The error for a cause; `None` for `ok`.
pub(super) fn cause_error(cause: Cause, detail: String) -> Option<ApiError> {
    Some(match cause {
        Cause::Ok => return None,
        Cause::AgentError => ApiError::new(StatusCode::BAD_GATEWAY, "agent_error", detail),
        // Not 401: the agent's login is missing, not the caller's.
        Cause::NotLoggedIn => ApiError::new(StatusCode::BAD_GATEWAY, "not_logged_in", detail),
        Cause::NotInstalled => ApiError::new(StatusCode::BAD_GATEWAY, "not_installed", detail),
        Cause::BadArguments => ApiError::new(StatusCode::BAD_GATEWAY, "bad_arguments", detail),
        Cause::Crashed => ApiError::new(StatusCode::BAD_GATEWAY, "crashed", detail),
        Cause::Killed => ApiError::new(StatusCode::BAD_GATEWAY, "killed", detail),
        Cause::Protocol => ApiError::new(StatusCode::BAD_GATEWAY, "protocol", detail),
        Cause::RateLimited => ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail),
        Cause::BadOutput => ApiError::new(StatusCode::BAD_GATEWAY, "bad_output", detail),
        Cause::BudgetExceeded => ApiError::new(StatusCode::TOO_MANY_REQUESTS, "budget_exceeded", detail),
        Cause::SpendLimit => ApiError::new(StatusCode::TOO_MANY_REQUESTS, "spend_limit", detail),
        Cause::ModelNotFound => ApiError::new(StatusCode::NOT_FOUND, "model_not_found", detail).with_field("model", FaultCode::NotFound),
        Cause::Timeout => ApiError::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail),
        Cause::StartupTimeout => ApiError::new(StatusCode::GATEWAY_TIMEOUT, "startup_timeout", detail),
        Cause::IdleTimeout => ApiError::new(StatusCode::GATEWAY_TIMEOUT, "idle_timeout", detail),
        Cause::Cancelled => ApiError::new(StatusCode::CONFLICT, "cancelled", detail),
        Cause::Shutdown => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", detail),
        Cause::NodeLost => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "node_lost", detail),
        Cause::Internal => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail),
        Cause::Storage => ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "storage", detail),
    })
}
