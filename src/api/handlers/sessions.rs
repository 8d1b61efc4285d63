//! Conversations and their runs.

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::super::{ApiError, AppState, Path, Query};
use super::page::{self, Page};
use crate::auth::Principal;
use crate::run::store::RunFilter;
use crate::run::{RunView, SessionView};
use crate::types::SessionId;

/// Most runs that are listed with their session; the listing of runs has them all.
const RUNS: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    limit: Option<usize>,
    cursor: Option<SessionId>,
}

/// `GET /api/sessions`
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    principal: Principal,
    Query(query): Query<ListQuery>,
) -> Result<Answer<Page<SessionView, SessionId>>, ApiError> {
    let limit = page::limit(query.limit)?;
    let found = app.runs.sessions(&principal.caller, query.cursor, limit + 1).await?;
    Ok(Answer(Page::of(found, limit, |session| session.session_id)))
}

#[derive(Serialize)]
pub(in crate::api) struct SessionResponse {
    #[serde(flatten)]
    session: SessionView,
    /// Newest first.
    runs: Vec<RunView>,
}

/// `GET /api/sessions/{id}`
pub(in crate::api) async fn get(
    State(app): State<AppState>,
    principal: Principal,
    Path(session): Path<SessionId>,
) -> Result<Answer<SessionResponse>, ApiError> {
    let session = app.runs.session(&principal.caller, session).await?;
    let filter = RunFilter { session: Some(session.session_id), ..RunFilter::default() };
    let runs = app.runs.list(&principal.caller, filter, RUNS).await?;
    Ok(Answer(SessionResponse { session, runs }))
}
