//! Whether the server is well.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json as Answer;
use axum::extract::State;
use serde::Serialize;
use tokio::time::Instant;

use super::super::AppState;

/// The server's own view of its health, shared by whoever can tell that something is wrong.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    degraded: AtomicBool,
}

impl Health {
    /// Well, and started just now.
    #[expect(clippy::new_without_default, reason = "the moment of the call matters")]
    pub fn new() -> Self {
        Self { started: Instant::now(), degraded: AtomicBool::new(false) }
    }

    /// Says whether the server can do only a part of its work, for instance because nothing can be stored. It goes on serving, and may
    /// become well again.
    pub fn set_degraded(&self, degraded: bool) {
        self.degraded.store(degraded, Ordering::Relaxed);
    }
}

#[derive(Serialize)]
pub(in crate::api) struct HealthResponse {
    status: &'static str,
    version: &'static str,
    /// Seconds since the start.
    uptime: u64,
}

/// `GET /health`
pub(in crate::api) async fn health(State(app): State<AppState>) -> Answer<HealthResponse> {
    let status = if app.health.degraded.load(Ordering::Relaxed) { "degraded" } else { "ok" };
    Answer(HealthResponse { status, version: env!("CARGO_PKG_VERSION"), uptime: app.health.started.elapsed().as_secs() })
}
