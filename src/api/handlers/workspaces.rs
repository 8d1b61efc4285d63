//! The workspaces of sessions.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::audit_context::AuditContext;
use super::super::json_object::Object;
use super::super::{ApiError, AppState, Json, Path, Query};
use super::params::SessionPath;
use crate::auth::Target;
use crate::run::{NewCommit, SessionCommit};
use crate::types::{AuditAction, SessionId};
use crate::workspace::Skipped;

/// A commit of a session's work.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct BranchRequest {
    /// The commit message.
    #[schema(min_length = 1, max_length = 65536)]
    message: String,
    /// The author. Default: the caller.
    #[schema(value_type = Option<Author>)]
    author: Option<Object<Author>>,
    /// Push the branch of a clone to its repository. Default: false.
    push: Option<bool>,
}

/// The author of a commit.
#[derive(Deserialize, ToSchema)]
#[schema(as = CommitAuthor)]
#[serde(deny_unknown_fields)]
struct Author {
    /// Name.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Email address.
    #[schema(min_length = 1, max_length = 200)]
    email: String,
}

/// The branch of a session.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct BranchResponse {
    /// The directory of the git repository; of a clone, its URL.
    #[schema(value_type = String)]
    repository: std::path::PathBuf,
    /// The branch.
    branch: String,
    /// The commit that it is at.
    commit: String,
    /// Whether that is a new commit; otherwise nothing had changed.
    committed: bool,
    /// Whether the branch was pushed.
    pushed: bool,
    /// Some of the new files that are not part of the commit.
    skipped: Vec<Skipped>,
    /// Number of new files and directories that are not part of the commit.
    skipped_total: usize,
}

/// Commits the work in a session's worktree on its branch in the repository.
///
/// The commit contains the files as they are now, without ignored ones. Commits that the agent made in the worktree are not part of the
/// branch; their content is.
#[utoipa::path(post, path = "/api/sessions/{id}/branch", operation_id = "commit_session", tag = "sessions", params(SessionPath),
    request_body = BranchRequest,
    extensions(("x-error-codes" = json!(["not_found", "session_busy", "no_worktree", "branch_changed", "push_failed", "workspace_unusable", "storage"]))),
    responses((status = 200, description = "The branch.", body = BranchResponse)))]
pub(in crate::api) async fn branch(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Path(session): Path<SessionId>,
    Json(request): Json<BranchRequest>,
) -> Result<Answer<BranchResponse>, ApiError> {
    let (author_name, author_email) = request.author.map(|Object(author)| (author.name, author.email)).unzip();
    let new = NewCommit { message: request.message, author_name, author_email, push: request.push.unwrap_or(false) };
    let (runs, caller) = (app.runs.clone(), audit_context.caller());
    let event = audit_context.event(AuditAction::SessionBranch);
    let committing = move |_audit| async move { Ok(runs.commit_worktree(&caller, session, new).await?) };
    let SessionCommit { run: _, workspace, committed, is_pushed } =
        app.audited_with_target(event, committing, |commit: &SessionCommit| Some(Target::Run(commit.run))).await?;
    Ok(Answer(BranchResponse {
        repository: workspace.repository,
        branch: workspace.branch,
        commit: committed.commit.to_string(),
        committed: committed.is_new,
        pushed: is_pushed,
        skipped: committed.skipped,
        skipped_total: committed.skipped_total,
    }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RemoveQuery {
    /// Also remove work that is not committed.
    #[param(default = false)]
    force: Option<bool>,
}

/// Removes the directory that was made for a session, and its worktree.
///
/// The branch stays if it has commits. The session cannot be continued in the directory any more.
#[utoipa::path(delete, path = "/api/sessions/{id}/workspace", operation_id = "remove_workspace", tag = "sessions",
    params(SessionPath, RemoveQuery),
    extensions(("x-error-codes" = json!(["not_found", "session_busy", "no_workspace", "uncommitted_work", "storage"]))),
    responses((status = 204, description = "The workspace was removed.")))]
pub(in crate::api) async fn remove(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Path(session): Path<SessionId>,
    Query(query): Query<RemoveQuery>,
) -> Result<StatusCode, ApiError> {
    let (runs, caller) = (app.runs.clone(), audit_context.caller());
    let event = audit_context.event(AuditAction::WorkspaceRemove);
    let removing = move |_audit| async move { Ok(runs.remove_workspace(&caller, session, query.force.unwrap_or(false)).await?) };
    app.audited_with_target(event, removing, |run| Some(Target::Run(*run))).await?;
    Ok(StatusCode::NO_CONTENT)
}
