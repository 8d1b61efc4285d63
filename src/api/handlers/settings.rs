//! The settings in force, for admins.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::AppState;
use super::super::audit_context::AuditContext;
use crate::config::ResolvedSetting;

/// The settings in force.
#[derive(Serialize, ToSchema)]
#[schema(as = Settings)]
pub(in crate::api) struct SettingsView {
    /// Every setting, as `openrunner config --json` shows them.
    #[schema(value_type = Vec<ResolvedSetting>)]
    items: Arc<[ResolvedSetting]>,
    /// Always null: the list is complete.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Lists the settings in force and where each came from; for admins.
///
/// They were read when the server started. Of secrets it tells only that they are there.
#[utoipa::path(get, path = "/api/settings", operation_id = "list_settings", tag = "server",
    responses((status = 200, description = "All of them.", body = SettingsView)))]
pub(in crate::api) async fn list(State(app): State<AppState>, _admin: AuditContext) -> Answer<SettingsView> {
    Answer(SettingsView { items: app.settings, next_cursor: None })
}
