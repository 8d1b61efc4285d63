//! The error for what agents cannot do.

use axum::http::StatusCode;

use super::super::{ApiError, FaultCode};

/// A parameter that would change the result and that agents do not support.
pub(super) fn unsupported(field: impl Into<String>, why: &str) -> ApiError {
    let field = field.into();
    let detail = format!("{field} is not supported: {why}");
    ApiError::new(StatusCode::BAD_REQUEST, "unsupported_parameter", detail).with_field(field, FaultCode::NotSupported)
}
