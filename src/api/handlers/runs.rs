//! Runs: made, listed, looked at, cancelled and deleted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::super::access::Peer;
use super::super::error::RunFields;
use super::super::object::object;
use super::super::{ApiError, AppState, Json, Path, Query};
use crate::auth::Principal;
use crate::run::store::RunFilter;
use crate::run::{NewRun, RunView};
use crate::types::{PermissionMode, RunId, RunStatus, SessionId, Timestamp, UserName};

/// The agent of a run that names none.
const DEFAULT_AGENT: &str = "claude_code";
const FIELDS: RunFields = RunFields { prompt: "input.text", agent: "metadata.agent_type", model: "metadata.model", prefix: "metadata." };

/// Runs on one page of a listing, unless asked otherwise, and at most.
const PAGE: (usize, usize) = (50, 200);
/// Longest `?wait=`, in seconds.
const MAX_WAIT: u64 = 600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct CreateRunRequest {
    #[serde(deserialize_with = "object")]
    input: RunInput,
    #[serde(default, deserialize_with = "object")]
    metadata: RunMetadata,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunInput {
    text: String,
}

/// Every field may be absent or null, which means its default.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunMetadata {
    agent_type: Option<String>,
    working_dir: Option<PathBuf>,
    cwd: Option<PathBuf>,
    timeout_secs: Option<u64>,
    idle_timeout_secs: Option<u64>,
    model: Option<String>,
    extra_args: Option<Vec<String>>,
    permission_mode: Option<PermissionMode>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Serialize)]
pub(in crate::api) struct CreateRunResponse {
    run_id: RunId,
    session_id: SessionId,
    status: RunStatus,
    events_url: String,
}

/// `POST /api/runs`
pub(in crate::api) async fn create(
    State(app): State<AppState>,
    principal: Principal,
    Peer(peer): Peer,
    Json(request): Json<CreateRunRequest>,
) -> Result<(StatusCode, HeaderMap, Answer<CreateRunResponse>), ApiError> {
    let new = request.into_new_run(peer.is_local())?;
    let run = app.runs.create(&principal.caller, new).await.map_err(|error| ApiError::of_create(error, FIELDS))?;
    let url = format!("/api/runs/{}", run.run_id);
    let mut headers = HeaderMap::new();
    if let Ok(location) = url.parse() {
        headers.insert(header::LOCATION, location);
    }
    let events_url = format!("{url}/events");
    let answer = CreateRunResponse { run_id: run.run_id, session_id: run.session_id, status: run.status, events_url };
    Ok((StatusCode::CREATED, headers, Answer(answer)))
}

impl CreateRunRequest {
    fn into_new_run(self, from_this_machine: bool) -> Result<NewRun, ApiError> {
        let metadata = self.metadata;
        let working_dir = match (metadata.working_dir, metadata.cwd) {
            (Some(one), Some(other)) if one != other => {
                return Err(ApiError::invalid_field("metadata.cwd", "it is another name of metadata.working_dir; give one of them"));
            }
            (one, other) => one.or(other),
        };
        Ok(NewRun {
            agent_type: metadata.agent_type.unwrap_or_else(|| DEFAULT_AGENT.to_owned()),
            prompt: self.input.text,
            working_dir,
            model: metadata.model,
            extra_args: metadata.extra_args.unwrap_or_default(),
            permission_mode: metadata.permission_mode.unwrap_or_default(),
            timeout: metadata.timeout_secs.map(Duration::from_secs),
            idle_timeout: metadata.idle_timeout_secs.map(Duration::from_secs),
            labels: metadata.labels.unwrap_or_default(),
            from_this_machine,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    status: Option<RunStatus>,
    agent_type: Option<String>,
    session_id: Option<SessionId>,
    /// `name=value`.
    label: Option<String>,
    since: Option<Timestamp>,
    owner: Option<UserName>,
    limit: Option<usize>,
    cursor: Option<RunId>,
}

#[derive(Serialize)]
pub(in crate::api) struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<RunId>,
}

/// `GET /api/runs`
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    principal: Principal,
    Query(query): Query<ListQuery>,
) -> Result<Answer<Page<RunView>>, ApiError> {
    let limit = query.limit.unwrap_or(PAGE.0);
    if limit == 0 || limit > PAGE.1 {
        return Err(ApiError::invalid_field("limit", format!("must be from 1 to {}", PAGE.1)));
    }
    let label = query.label.map(|label| match label.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(ApiError::invalid_field("label", "must be a name and a value with = between them")),
    });
    let filter = RunFilter {
        owner: query.owner,
        status: query.status,
        agent_type: query.agent_type,
        session: query.session_id,
        label: label.transpose()?,
        since: query.since,
        before: query.cursor,
    };
    // One more than asked for tells whether there is a next page.
    let mut items = app.runs.list(&principal.caller, filter, limit + 1).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|run| run.run_id);
    Ok(Answer(Page { items, next_cursor }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct GetQuery {
    /// Seconds to wait for the end.
    wait: Option<u64>,
}

/// `GET /api/runs/{id}`
pub(in crate::api) async fn get(
    State(app): State<AppState>,
    principal: Principal,
    Path(run): Path<RunId>,
    Query(query): Query<GetQuery>,
) -> Result<Answer<RunView>, ApiError> {
    let found = match query.wait {
        None => app.runs.get(&principal.caller, run).await?,
        Some(wait) if wait <= MAX_WAIT => app.runs.wait(&principal.caller, run, Duration::from_secs(wait)).await?,
        Some(_) => return Err(ApiError::invalid_field("wait", format!("must be at most {MAX_WAIT} seconds"))),
    };
    Ok(Answer(found))
}

/// `POST /api/runs/{id}/cancel`
pub(in crate::api) async fn cancel(
    State(app): State<AppState>,
    principal: Principal,
    Path(run): Path<RunId>,
) -> Result<Answer<RunView>, ApiError> {
    Ok(Answer(app.runs.cancel(&principal.caller, run).await?))
}

/// `DELETE /api/runs/{id}`
pub(in crate::api) async fn delete(
    State(app): State<AppState>,
    principal: Principal,
    Path(run): Path<RunId>,
) -> Result<StatusCode, ApiError> {
    app.runs.delete(&principal.caller, run).await?;
    Ok(StatusCode::NO_CONTENT)
}
