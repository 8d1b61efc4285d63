//! Sessions and their runs.

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::{ApiError, AppState, Path, Query};
use super::pagination::{Page, page_size};
use super::params::SessionPath;
use crate::auth::Principal;
use crate::run::store::RunFilter;
use crate::run::{RunView, SessionView};
use crate::types::SessionId;

/// Maximum number of runs in a session's response; the list of runs has all.
const MAX_RUNS: usize = 200;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    /// Maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: the `next_cursor` of the previous one.
    cursor: Option<SessionId>,
}

/// A page of sessions.
pub(in crate::api) type SessionPage = Page<SessionView>;

/// Lists the caller's sessions, newest first; for admins, the sessions of all users.
#[utoipa::path(get, path = "/api/sessions", operation_id = "list_sessions", tag = "sessions", params(ListQuery),
    responses((status = 200, description = "A page of sessions.", body = SessionPage)))]
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    principal: Principal,
    Query(query): Query<ListQuery>,
) -> Result<Answer<SessionPage>, ApiError> {
    let limit = page_size(query.limit)?;
    let found = app.runs.sessions(&principal.caller, query.cursor, limit + 1).await?;
    Ok(Answer(Page::new(found, limit, |session| session.session_id)))
}

/// A session with its runs.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionWithRuns)]
pub(in crate::api) struct SessionResponse {
    #[serde(flatten)]
    session: SessionView,
    /// Summaries of the newest 200 runs, newest first.
    runs: Vec<RunView>,
}

/// Returns a session with its runs.
#[utoipa::path(get, path = "/api/sessions/{id}", operation_id = "get_session", tag = "sessions", params(SessionPath),
    extensions(("x-error-codes" = json!(["not_found"]))),
    responses((status = 200, description = "The session.", body = SessionResponse)))]
pub(in crate::api) async fn get(
    State(app): State<AppState>,
    principal: Principal,
    Path(session): Path<SessionId>,
) -> Result<Answer<SessionResponse>, ApiError> {
    let session = app.runs.session(&principal.caller, session).await?;
    let filter = RunFilter { session: Some(session.session_id), ..RunFilter::default() };
    let runs = app.runs.list(&principal.caller, filter, MAX_RUNS).await?;
    Ok(Answer(SessionResponse { session, runs }))
}
