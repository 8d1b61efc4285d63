//! The audit log, for admins.

use std::net::IpAddr;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::{ApiError, AppState, Query};
use super::pagination::{Page, page_size};
use crate::auth::Principal;
use crate::run::store::{AuditFilter, AuditRecord};
use crate::types::{AuditAction, KeyId, RunId, Timestamp, UserId, UserName};

/// An action, successful or rejected.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(in crate::api) struct AuditView {
    /// Number of the entry in the log.
    id: u64,
    /// When the action finished.
    created_at: Timestamp,
    /// The action.
    action: AuditAction,
    /// `ok`, or the error code.
    outcome: String,
    /// The user; null for the command line, and for a failed login with an unknown name.
    #[schema(required)]
    username: Option<UserName>,
    /// Id of the user, which another user with the same name does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    /// Address of the client; null for the command line.
    #[schema(required, value_type = Option<String>)]
    address: Option<IpAddr>,
    /// The API key that was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<KeyId>,
    /// The affected run.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<RunId>,
    /// Id of the affected user.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_user_id: Option<UserId>,
    /// The affected user.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_username: Option<UserName>,
    /// The affected API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_key_id: Option<KeyId>,
    /// Details, such as a user's new role or a key's scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl From<AuditRecord> for AuditView {
    fn from(AuditRecord { id, entry }: AuditRecord) -> Self {
        Self {
            id,
            created_at: entry.created_at,
            action: entry.action,
            outcome: entry.outcome,
            user_id: entry.user.as_ref().map(|user| user.id),
            username: entry.user.map(|user| user.name),
            address: entry.address,
            key_id: entry.key,
            run_id: entry.run,
            target_user_id: entry.target_user,
            target_username: entry.target_username,
            target_key_id: entry.target_key,
            detail: entry.detail,
        }
    }
}

/// Filters and pagination.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    /// Filter by user.
    username: Option<UserName>,
    /// Filter by action.
    action: Option<AuditAction>,
    /// Filter by affected run.
    run_id: Option<RunId>,
    /// Only entries at or after this time.
    since: Option<Timestamp>,
    /// Maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: the `next_cursor` of the previous one.
    cursor: Option<u64>,
}

/// A page of the audit log.
pub(in crate::api) type AuditPage = Page<AuditView>;

/// Lists the audit log, newest first. Admins only.
#[utoipa::path(get, path = "/api/audit", operation_id = "list_audit", tag = "audit", params(ListQuery),
    responses((status = 200, description = "A page of the audit log.", body = AuditPage)))]
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    _admin: Principal,
    Query(query): Query<ListQuery>,
) -> Result<Answer<AuditPage>, ApiError> {
    let limit = page_size(query.limit)?;
    let filter =
        AuditFilter { username: query.username, action: query.action, run: query.run_id, since: query.since, before: query.cursor };
    let found = app.audit.read(filter, limit + 1).await?;
    Ok(Answer(Page::new(found.into_iter().map(AuditView::from).collect(), limit, |entry| entry.id)))
}
