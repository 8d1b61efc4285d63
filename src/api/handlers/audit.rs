//! The audit log, for admins.

use std::net::IpAddr;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::super::{ApiError, AppState, Query};
use super::page::{self, Page};
use crate::auth::Principal;
use crate::run::store::{AuditFilter, AuditRecord};
use crate::types::{Action, KeyId, RunId, Timestamp, UserName};

/// One thing that was done, or refused.
#[derive(Serialize)]
pub(in crate::api) struct AuditView {
    /// Its number in the log.
    id: u64,
    /// When it was over.
    at: Timestamp,
    /// What was done.
    action: Action,
    /// `ok`, or the code of the refusal.
    outcome: String,
    /// Who did it; null for the command line, and for a failed login under a name that nobody has.
    user: Option<UserName>,
    /// Where the request came from; null for the command line.
    address: Option<IpAddr>,
    /// The API key that it was done with.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<KeyId>,
    /// The run that it was done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<RunId>,
    /// The user whom it was done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_user: Option<UserName>,
    /// The API key that it was done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_key: Option<KeyId>,
    /// What exactly: a user's new role, a key's scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl From<AuditRecord> for AuditView {
    fn from(AuditRecord { id, entry }: AuditRecord) -> Self {
        Self {
            id,
            at: entry.at,
            action: entry.action,
            outcome: entry.outcome,
            user: entry.user,
            address: entry.address,
            key_id: entry.key,
            run_id: entry.run,
            target_user: entry.target_user,
            target_key: entry.target_key,
            detail: entry.detail,
        }
    }
}

/// Which entries are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    /// Only what this user did.
    user: Option<UserName>,
    /// Only this.
    action: Option<Action>,
    /// Only what was done to this run.
    run: Option<RunId>,
    /// Only what was done at this time or later.
    since: Option<Timestamp>,
    /// Items of the page: 1 to 200, 50 if not said.
    limit: Option<usize>,
    /// Number of the last entry of the page before.
    cursor: Option<u64>,
}

/// `GET /api/audit`
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    _admin: Principal,
    Query(query): Query<ListQuery>,
) -> Result<Answer<Page<AuditView, u64>>, ApiError> {
    let limit = page::limit(query.limit)?;
    let filter = AuditFilter { user: query.user, action: query.action, run: query.run, since: query.since, before: query.cursor };
    let found = app.audit.read(filter, limit + 1).await?;
    Ok(Answer(Page::of(found.into_iter().map(AuditView::from).collect(), limit, |entry| entry.id)))
}
