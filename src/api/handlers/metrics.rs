//! What the server counts of itself.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::super::{ApiError, AppState};
use crate::metrics::{CONTENT_TYPE, Present};
use crate::types::{Clock, SystemClock};

/// Tells what the server counts of itself, for Prometheus.
///
/// A request from the machine itself that came through no proxy needs no token; any other is an admin's, or comes with a key that has the
/// scope `metrics`.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "server",
    responses((status = 200, description = "The text format of OpenMetrics.", body = String,
        content_type = "application/openmetrics-text")))]
pub(in crate::api) async fn metrics(State(app): State<AppState>) -> Result<impl IntoResponse, ApiError> {
    let (followers, is_well) = (app.limits.open_streams(), app.health.is_well().await);
    let present = Present { followers, is_well, ..app.runs.present().await };
    let writing = tokio::task::spawn_blocking(move || app.metrics.write(&present, SystemClock.now()));
    let text = writing.await.map_err(|panic| ApiError::internal(&panic))?.map_err(|error| ApiError::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text))
}
