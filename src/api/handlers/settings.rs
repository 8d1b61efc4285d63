//! The effective settings, for admins.

use axum::Json as Answer;
use axum::extract::State;

use super::super::AppState;
use super::super::audit_context::AuditContext;
use super::pagination::Page;
use crate::config::ResolvedSetting;

/// The effective settings.
pub(in crate::api) type SettingPage = Page<ResolvedSetting>;

/// Lists the effective settings and the origin of each. Admins only.
///
/// The settings are those that the server started with. Secrets are not shown.
#[utoipa::path(get, path = "/api/settings", operation_id = "list_settings", tag = "server",
    responses((status = 200, description = "All settings. `next_cursor` is always null.", body = SettingPage)))]
pub(in crate::api) async fn list(State(app): State<AppState>, _admin: AuditContext) -> Answer<SettingPage> {
    Answer(Page::complete(app.settings.to_vec()))
}
