//! Reverts of working directories.

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::audit_context::AuditContext;
use super::super::{ApiError, AppState, FaultCode, FieldError, Json, Path};
use super::params::RunPath;
use crate::auth::Target;
use crate::run::RevertTo;
use crate::types::{AuditAction, RunId};
use crate::workspace::{BadTreeId, FilePath, MAX_PATHS, UntouchedReason};

/// The state to which a working directory is reverted: after a turn, or that of a snapshot.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RevertRequest {
    /// The turn after which the directory was in the wanted state, counted from 1; 0 stands for the start of the run.
    turn: Option<usize>,
    /// Instead of `turn`: a snapshot of the run, or the `undo` of an earlier revert in the same session.
    snapshot: Option<String>,
    /// Only these files, and those in these directories; at most 100. Default: all.
    #[schema(max_items = 100)]
    paths: Option<Vec<String>>,
}

/// What a revert has done.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct RevertResponse {
    /// The run.
    run_id: RunId,
    /// ID of the snapshot after the revert.
    snapshot: String,
    /// ID of the snapshot from right before. Reverting to it undoes the revert.
    undo: String,
    /// Number of files that were written or removed.
    files: usize,
    /// Some of the files that differ from the wanted state and were left as they are.
    untouched: Vec<UntouchedFile>,
    /// Number of files that were left as they are.
    untouched_total: usize,
}

/// A file that was left as it is.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct UntouchedFile {
    /// Its path, relative to the working directory. Bytes that are not UTF-8 are replaced.
    path: String,
    /// Why.
    reason: Untouched,
}

/// Why a file was left as it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum Untouched {
    /// Its present content is in no snapshot, so replacing it could not be undone: it is ignored, too large or unreadable.
    NotRecorded,
    /// The server's account may not write there.
    Denied,
}

/// Reverts the working directory of a run to an earlier state.
///
/// A snapshot is taken first, to which it can be reverted in turn. Refused while a run of the session has not ended. If it is interrupted,
/// repeating it completes it.
#[utoipa::path(post, path = "/api/runs/{id}/revert", operation_id = "revert_run", tag = "runs", request_body = RevertRequest, params(RunPath),
    extensions(("x-error-codes" = json!(["not_found", "session_busy", "changes_unavailable", "working_dir_gone", "working_dir_not_allowed", "storage"]))),
    responses((status = 200, description = "The directory is in the wanted state, except for `untouched`.", body = RevertResponse)))]
pub(in crate::api) async fn revert(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Path(run): Path<RunId>,
    Json(request): Json<RevertRequest>,
) -> Result<Answer<RevertResponse>, ApiError> {
    let (to, paths) = checked(request)?;
    let (runs, caller) = (app.runs.clone(), audit_context.caller());
    let event = audit_context.event(AuditAction::RunRevert).to(Target::Run(run));
    let done = app.audited(event, move |_audit| async move { Ok(runs.revert(&caller, run, to, &paths).await?) }).await?;
    let untouched = done.untouched.into_iter().map(|file| UntouchedFile {
        path: file.path,
        reason: match file.reason {
            UntouchedReason::NotRecorded => Untouched::NotRecorded,
            UntouchedReason::Denied => Untouched::Denied,
        },
    });
    Ok(Answer(RevertResponse {
        run_id: run,
        snapshot: done.after.to_string(),
        undo: done.before.to_string(),
        files: done.files,
        untouched: untouched.collect(),
        untouched_total: done.untouched_total,
    }))
}

fn checked(request: RevertRequest) -> Result<(RevertTo, Vec<FilePath>), ApiError> {
    let RevertRequest { turn, snapshot, paths } = request;
    let mut faults = Vec::new();
    let to = match (turn, snapshot) {
        (Some(turn), None) => Some(RevertTo::Turn(turn)),
        (None, Some(snapshot)) => {
            let parsed = snapshot.parse().map(RevertTo::Snapshot);
            parsed.map_err(|bad: BadTreeId| faults.push(FieldError::new("snapshot", FaultCode::Invalid, bad.to_string()))).ok()
        }
        (None, None) => {
            faults.push(FieldError::new("turn", FaultCode::Required, "is required, or `snapshot`"));
            None
        }
        (Some(_), Some(_)) => {
            faults.push(FieldError::new("snapshot", FaultCode::Conflict, "must not be given together with `turn`"));
            None
        }
    };
    let paths = paths.unwrap_or_default();
    if paths.len() > MAX_PATHS {
        faults.push(FieldError::new("paths", FaultCode::TooMany, format!("at most {MAX_PATHS}")));
    }
    let mut parsed = Vec::new();
    for (index, path) in paths.iter().enumerate().take(MAX_PATHS) {
        match FilePath::parse(path) {
            Ok(path) => parsed.push(path),
            Err(bad) => faults.push(FieldError::new(format!("paths[{index}]"), FaultCode::Invalid, bad.to_string())),
        }
    }
    match to {
        Some(to) if faults.is_empty() => Ok((to, parsed)),
        _ => Err(ApiError::invalid_fields(faults)),
    }
}
