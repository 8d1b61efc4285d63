//! Whether the server is well.

use axum::Json as Answer;
use axum::extract::State;
use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::super::AppState;

/// The server's own view of its health.
pub struct Health {
    started: Instant,
    can_write: Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
}

impl Health {
    /// Started just now. `can_write` finds out whether the store takes writes: while it does not, the server serves what it has and is
    /// `degraded`, and it becomes well again by itself.
    pub fn new(can_write: impl Fn() -> BoxFuture<'static, bool> + Send + Sync + 'static) -> Self {
        Self { started: Instant::now(), can_write: Box::new(can_write) }
    }

    pub(super) async fn is_healthy(&self) -> bool {
        // No run can be started without descriptors. Whether there are any is found out by taking one.
        std::fs::File::open("/dev/null").is_ok() && (self.can_write)().await
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
    let status = if app.health.is_healthy().await { "ok" } else { "degraded" };
    Answer(HealthResponse { status, version: env!("CARGO_PKG_VERSION"), uptime: app.health.started.elapsed().as_secs() })
}
