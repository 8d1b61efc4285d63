//! The health of the server.

use axum::Json as Answer;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::AppState;

/// The health of the server.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct HealthResponse {
    /// `degraded` while the server cannot write to disk or open files, otherwise `ok`.
    #[schema(pattern = "^(ok|degraded)$")]
    status: &'static str,
    /// Version of the server.
    version: &'static str,
    /// Seconds since the server started.
    uptime: u64,
    /// Whether changes of working directories are recorded: git is installed, and `OPENRUNNER_CHANGES` is on.
    records_changes: bool,
}

/// Returns the health of the server.
#[utoipa::path(get, path = "/health", operation_id = "health", tag = "server",
    responses((status = 200, description = "The server is running.", body = HealthResponse)))]
pub(in crate::api) async fn health(State(app): State<AppState>) -> Answer<HealthResponse> {
    let status = if app.health.is_healthy().await { "ok" } else { "degraded" };
    Answer(HealthResponse {
        status,
        version: env!("CARGO_PKG_VERSION"),
        uptime: app.health.uptime().as_secs(),
        records_changes: app.runs.records_changes(),
    })
}
