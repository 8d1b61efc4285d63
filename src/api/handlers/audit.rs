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
use crate::types::{AuditAction, KeyId, RunId, Timestamp, UserName};

/// One thing that was done, or refused.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(in crate::api) struct AuditView {
    /// Its number in the log.
    id: u64,
    /// When the action finished.
    created_at: Timestamp,
    /// What was done.
    action: AuditAction,
    /// `ok`, or the code of the refusal.
    outcome: String,
    /// Who did it; null for the command line, and for a failed login under a name that nobody has.
    #[schema(required)]
    username: Option<UserName>,
    /// The address that the request came from; null for the command line.
    #[schema(required, value_type = Option<String>)]
    address: Option<IpAddr>,
    /// The API key that it was done with.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<KeyId>,
    /// The run that it was done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<RunId>,
    /// The user whom it was done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_username: Option<UserName>,
    /// The API key that it was done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_key_id: Option<KeyId>,
    /// What exactly: a user's new role, a key's scopes.
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
            username: entry.username,
            address: entry.address,
            key_id: entry.key,
            run_id: entry.run,
            target_username: entry.target_username,
            target_key_id: entry.target_key,
            detail: entry.detail,
        }
    }
}

/// Which entries are wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    /// Only what this user did.
    username: Option<UserName>,
    /// Only this action.
    action: Option<AuditAction>,
    /// Only what was done to this run.
    run_id: Option<RunId>,
    /// Only what was done at this time or later.
    since: Option<Timestamp>,
    /// Most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Where the page begins: the `next_cursor` of the one before.
    cursor: Option<u64>,
}

/// A page of the audit log.
pub(in crate::api) type AuditPage = Page<AuditView>;

/// Lists who did what, newest first; for admins.
#[utoipa::path(get, path = "/api/audit", operation_id = "list_audit", tag = "audit", params(ListQuery),
    responses((status = 200, description = "A page of the log.", body = AuditPage)))]
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
