//! Stored responses: finds them, and continues them in their session or in a new one.

use super::super::openai::{ChatHeaders, Continued, ReadRequest, ResponseId, SessionHeader};
use super::super::{ApiError, AppState, FaultCode};
use crate::run::RunView;
use crate::run::store::RunFilter;
use crate::types::{Caller, RunId};

/// Maximum number of earlier turns that a new session begins with.
const MAX_TURNS: usize = 100;

/// Maximum size of these turns, in bytes. The oldest are left out.
const MAX_HISTORY: usize = 1024 * 1024;

/// The run of a stored response.
///
/// # Errors
/// If the response does not exist, is not stored, or the store fails.
pub(super) async fn find(app: &AppState, caller: &Caller, ResponseId(run): ResponseId) -> Result<RunView, ApiError> {
    let run = app.runs.get(caller, run).await?;
    if run.response.is_some_and(|response| !response.stored) {
        return Err(ApiError::not_found("the response was requested with store: false; its run can be read under /api/runs"));
    }
    Ok(run)
}

/// Completes a request that continues an earlier response: `previous_response_id`, else the last output item in its input. Returns the run of
/// that response.
///
/// Its session is continued if the response is the last one in it and the agent `can_resume`. An agent's memory cannot be changed, so otherwise
/// the request gets the conversation up to the response, for a new session.
///
/// # Errors
/// If the response does not exist, or the store fails.
pub(super) async fn continue_previous(
    app: &AppState,
    caller: &Caller,
    can_resume: bool,
    request: &mut ReadRequest,
    headers: &mut ChatHeaders,
    continued: &Continued,
) -> Result<Option<RunId>, ApiError> {
    let not_found = |field: &str| ApiError::invalid_field(field, FaultCode::NotFound, "there is no such response");
    let previous = match (&continued.previous, &continued.anchor) {
        (Some(id), _) => find(app, caller, *id)
            .await
            .map_err(|error| if error.code() == "not_found" { not_found("previous_response_id") } else { error })?,
        (None, Some(anchor)) => match (find(app, caller, ResponseId(anchor.run)).await, &anchor.reference) {
            (Ok(run), _) => run,
            // The input contains the items themselves.
            (Err(error), None) if error.code() == "not_found" => return Ok(None),
            (Err(error), Some(field)) if error.code() == "not_found" => return Err(not_found(field)),
            (Err(error), _) => return Err(error),
        },
        (None, None) => return Ok(None),
    };
    if let (None, Some(anchor)) = (continued.previous, &continued.anchor) {
        request.drop_until(anchor);
    }
    if can_resume && is_last(app, caller, &previous).await? {
        request.continue_session(previous.session_id);
    } else {
        request.precede_with(turns(app, caller, &previous).await?);
        // The history would lead to the session that has gone on.
        headers.session.get_or_insert(SessionHeader::New);
    }
    Ok(Some(previous.run_id))
}

/// Whether no other run has followed in the session.
async fn is_last(app: &AppState, caller: &Caller, run: &RunView) -> Result<bool, ApiError> {
    let filter = RunFilter { session: Some(run.session_id), ..RunFilter::default() };
    Ok(app.runs.list(caller, filter, 1).await?.first().is_some_and(|last| last.run_id == run.run_id))
}

/// The prompts and answers of a session up to `last`, oldest first.
async fn turns(app: &AppState, caller: &Caller, last: &RunView) -> Result<Vec<(String, String)>, ApiError> {
    let filter = RunFilter { session: Some(last.session_id), before: Some(last.run_id), ..RunFilter::default() };
    let earlier = app.runs.list(caller, filter, MAX_TURNS - 1).await?;
    let mut turns = vec![turn(last.clone())];
    let mut size = turns.iter().map(|(prompt, answer)| prompt.len() + answer.len()).sum::<usize>();
    for summary in earlier {
        let (prompt, answer) = turn(app.runs.get(caller, summary.run_id).await?);
        size += prompt.len() + answer.len();
        if size > MAX_HISTORY {
            break;
        }
        turns.push((prompt, answer));
    }
    turns.reverse();
    Ok(turns)
}

fn turn(run: RunView) -> (String, String) {
    (run.prompt, run.end.and_then(|end| end.result).unwrap_or_default())
}
