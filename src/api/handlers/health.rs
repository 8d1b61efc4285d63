//! Whether the server is well.

use axum::Json as Answer;
use axum::extract::State;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::super::AppState;

/// The server's own view of its health.
pub struct Health {
    started: Instant,
    can_write: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Health {
    /// Started just now. `can_write` tells whether the store took the last write: while it does not, the server serves what it has and
    /// is `degraded`, and it becomes well again by itself.
    pub fn new(can_write: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { started: Instant::now(), can_write: Box::new(can_write) }
    }
}

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
    let status = if (app.health.can_write)() { "ok" } else { "degraded" };
    Answer(HealthResponse { status, version: env!("CARGO_PKG_VERSION"), uptime: app.health.started.elapsed().as_secs() })
}
