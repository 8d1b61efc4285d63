//! What a run has changed in its working directory.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::{ApiError, AppState, FaultCode, Path, Query};
use super::pagination::page_size;
use super::params::{ChangedFilePath, RunPath, SessionPath};
use crate::auth::Principal;
use crate::run::RunChanges;
use crate::types::{RunId, SessionId};
use crate::workspace::{FileChange, Skipped};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    /// Only the changes of this turn, counted from 1. Default: those of the whole run.
    #[param(minimum = 1)]
    turn: Option<usize>,
    /// Maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: the `next_cursor` of the previous one.
    cursor: Option<usize>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PatchQuery {
    /// Only the changes of this turn, counted from 1. Default: those of the whole run.
    #[param(minimum = 1)]
    turn: Option<usize>,
}

/// What a run, or one of its turns, has changed in its working directory.
#[derive(Serialize, ToSchema)]
#[schema(as = RunChanges)]
pub(in crate::api) struct ChangesResponse {
    /// A page of the changed files, in the order of their paths. At most 10,000 files are listed.
    items: Vec<FileChange>,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Number of changed files.
    files: usize,
    /// Lines added to text files.
    insertions: u64,
    /// Lines removed from text files.
    deletions: u64,
    /// ID of the snapshot before the changes.
    from: String,
    /// ID of the snapshot after them; of a live run as it is now.
    snapshot: String,
    /// Some of the files and directories whose changes are not recorded.
    skipped: Vec<Skipped>,
    /// Number of files and directories whose changes are not recorded.
    skipped_total: usize,
}

/// Lists the files that a run has changed in its working directory.
///
/// Of a live run as of now. The list of an ended run outlives the directory.
#[utoipa::path(get, path = "/api/runs/{id}/changes", operation_id = "list_changes", tag = "runs", params(RunPath, ListQuery),
    extensions(("x-error-codes" = json!(["not_found", "changes_unavailable"]))),
    responses((status = 200, description = "A page of the changed files, and totals.", body = ChangesResponse)))]
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    principal: Principal,
    Path(run): Path<RunId>,
    Query(query): Query<ListQuery>,
) -> Result<Answer<ChangesResponse>, ApiError> {
    let limit = page_size(query.limit)?;
    let found = app.runs.changes(&principal.caller, run, checked(query.turn)?).await?;
    Ok(Answer(page(found, limit, query.cursor)))
}

/// A page of the changed files.
fn page(found: RunChanges, limit: usize, cursor: Option<usize>) -> ChangesResponse {
    let RunChanges { changes, from, snapshot, skipped, skipped_total } = found;
    let begin = cursor.unwrap_or(0).min(changes.files.len());
    let end = begin.saturating_add(limit).min(changes.files.len());
    ChangesResponse {
        next_cursor: (end < changes.files.len()).then(|| end.to_string()),
        items: changes.files.into_iter().skip(begin).take(limit).collect(),
        files: changes.total,
        insertions: changes.insertions,
        deletions: changes.deletions,
        from: from.to_string(),
        snapshot: snapshot.to_string(),
        skipped,
        skipped_total,
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct SessionListQuery {
    /// Maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: the `next_cursor` of the previous one.
    cursor: Option<usize>,
}

/// Lists the files that all runs of a session together have changed in its working directory.
///
/// With a live run as of now. Available as long as the snapshots are kept: a week after the last run in the directory.
#[utoipa::path(get, path = "/api/sessions/{id}/changes", operation_id = "list_session_changes", tag = "sessions",
    params(SessionPath, SessionListQuery),
    extensions(("x-error-codes" = json!(["not_found", "changes_unavailable"]))),
    responses((status = 200, description = "A page of the changed files, and totals.", body = ChangesResponse)))]
pub(in crate::api) async fn list_of_session(
    State(app): State<AppState>,
    principal: Principal,
    Path(session): Path<SessionId>,
    Query(query): Query<SessionListQuery>,
) -> Result<Answer<ChangesResponse>, ApiError> {
    let limit = page_size(query.limit)?;
    Ok(Answer(page(app.runs.session_changes(&principal.caller, session).await?, limit, query.cursor)))
}

/// Returns what all runs of a session together have changed as a patch that `git apply` takes.
#[utoipa::path(get, path = "/api/sessions/{id}/changes.patch", operation_id = "get_session_patch", tag = "sessions", params(SessionPath),
    extensions(("x-error-codes" = json!(["not_found", "changes_unavailable", "working_dir_not_allowed"]))),
    responses((status = 200, description = "The patch. Binary files are included.", body = String, content_type = "text/x-diff")))]
pub(in crate::api) async fn patch_of_session(
    State(app): State<AppState>,
    principal: Principal,
    Path(session): Path<SessionId>,
) -> Result<Response, ApiError> {
    Ok(diff(session, app.runs.session_patch(&principal.caller, session).await?))
}

/// Returns what a run has changed as a patch that `git apply` takes.
#[utoipa::path(get, path = "/api/runs/{id}/changes.patch", operation_id = "get_patch", tag = "runs", params(RunPath, PatchQuery),
    extensions(("x-error-codes" = json!(["not_found", "changes_unavailable", "working_dir_not_allowed"]))),
    responses((status = 200, description = "The patch. Binary files are included.", body = String, content_type = "text/x-diff")))]
pub(in crate::api) async fn patch(
    State(app): State<AppState>,
    principal: Principal,
    Path(run): Path<RunId>,
    Query(query): Query<PatchQuery>,
) -> Result<Response, ApiError> {
    Ok(diff(run, app.runs.patch(&principal.caller, run, checked(query.turn)?, None).await?))
}

/// Returns what a run has changed in one file, as a unified diff.
#[utoipa::path(get, path = "/api/runs/{id}/changes/{path}", operation_id = "get_file_changes", tag = "runs", params(ChangedFilePath, PatchQuery),
    extensions(("x-error-codes" = json!(["not_found", "changes_unavailable", "working_dir_not_allowed"]))),
    responses((status = 200, description = "The diff.", body = String, content_type = "text/x-diff")))]
pub(in crate::api) async fn file(
    State(app): State<AppState>,
    principal: Principal,
    Path((run, path)): Path<(RunId, String)>,
    Query(query): Query<PatchQuery>,
) -> Result<Response, ApiError> {
    Ok(diff(run, app.runs.patch(&principal.caller, run, checked(query.turn)?, Some(&path)).await?))
}

fn checked(turn: Option<usize>) -> Result<Option<usize>, ApiError> {
    match turn {
        Some(0) => Err(ApiError::invalid_field("turn", FaultCode::OutOfRange, "must be at least 1")),
        turn => Ok(turn),
    }
}

/// The agent wrote the content, so a browser must neither render it nor run anything in it.
fn diff(name: impl std::fmt::Display, patch: Vec<u8>) -> Response {
    let headers: [(HeaderName, HeaderValue); 2] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/x-diff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    let name =
        HeaderValue::from_str(&format!("attachment; filename=\"{name}.patch\"")).ok().map(|value| (header::CONTENT_DISPOSITION, value));
    let mut response = (headers, patch).into_response();
    response.headers_mut().extend(name);
    response
}
