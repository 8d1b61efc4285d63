//! Whether the server is well.

use axum::Json as Answer;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::AppState;

/// How the server is.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct HealthResponse {
    /// `degraded` while nothing can be written to disk, otherwise `ok`.
    #[schema(pattern = "^(ok|degraded)$")]
    status: &'static str,
    /// The server's version.
    version: &'static str,
    /// Seconds since the start.
    uptime: u64,
}

/// Tells whether the server is well.
#[utoipa::path(get, path = "/health", operation_id = "health", tag = "server",
    responses((status = 200, description = "The server answers.", body = HealthResponse)))]
pub(in crate::api) async fn health(State(app): State<AppState>) -> Answer<HealthResponse> {
    let status = if app.health.is_healthy().await { "ok" } else { "degraded" };
    Answer(HealthResponse { status, version: env!("CARGO_PKG_VERSION"), uptime: app.health.uptime().as_secs() })
}
