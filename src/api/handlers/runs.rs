//! Runs: made, listed, looked at, cancelled and deleted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::super::access::Peer;
use super::super::actor::Actor;
use super::super::error::RunFields;
use super::super::extract::Keyed;
use super::super::object::object;
use super::super::{ApiError, AppState, Path, Query};
use super::page::{self, Page};
use crate::auth::{Principal, Target};
use crate::run::store::RunFilter;
use crate::run::{NewRun, OnBusy, RunView};
use crate::types::{Action, McpServer, McpTransport, PermissionMode, RuleSpec, RunId, RunStatus, SessionId, Timestamp, UserName};

const FIELDS: RunFields = RunFields { prompt: "input.text", agent: "metadata.agent_type", model: "metadata.model", prefix: "metadata." };

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
    session_id: Option<SessionId>,
    on_busy: Option<OnBusy>,
    permission_mode: Option<PermissionMode>,
    permission_rules: Option<Vec<RuleSpec>>,
    env: Option<BTreeMap<String, String>>,
    mcp_servers: Option<Vec<McpServerRequest>>,
    labels: Option<BTreeMap<String, String>>,
}

/// A program that the agent starts (`command`), or an address that it calls (`url`).
#[derive(Deserialize)]
#[serde(untagged)]
enum McpServerRequest {
    Stdio(StdioServer),
    Http(HttpServer),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StdioServer {
    name: String,
    command: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpServer {
    name: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl From<McpServerRequest> for McpServer {
    fn from(request: McpServerRequest) -> Self {
        match request {
            McpServerRequest::Stdio(StdioServer { name, command, args, env }) => {
                Self { name, transport: McpTransport::Stdio { command, args, env } }
            }
            McpServerRequest::Http(HttpServer { name, url, headers }) => Self { name, transport: McpTransport::Http { url, headers } },
        }
    }
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
    actor: Actor,
    Peer(peer): Peer,
    Keyed { value, key }: Keyed<CreateRunRequest>,
) -> Result<(StatusCode, HeaderMap, Answer<CreateRunResponse>), ApiError> {
    let request: CreateRunRequest = value;
    let mut new = request.into_new_run(peer.is_local())?;
    new.default_passwords = new.permission_mode != PermissionMode::Auto && app.auth.default_password_reaches(&actor.caller().user).await?;
    let (runs, caller, deed) = (app.runs.clone(), actor.caller(), actor.deed(Action::RunCreate));
    let creating = async move { runs.create(&caller, new, key).await.map_err(|error| ApiError::of_create(error, FIELDS)) };
    let run = app.audited_new(deed, creating, |run| Some(Target::Run(run.run_id))).await?;
    let url = format!("/api/runs/{}", run.run_id);
    let mut headers = HeaderMap::new();
    if let Ok(location) = url.parse() {
        headers.insert(header::LOCATION, location);
    }
    let events_url = format!("{url}/events");
    // What it was when it was made: the same request with the same key has the same answer.
    let status = RunStatus::Queued;
    let answer = CreateRunResponse { run_id: run.run_id, session_id: run.session_id, status, events_url };
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
            agent_type: metadata.agent_type,
            prompt: self.input.text,
            working_dir,
            model: metadata.model,
            extra_args: metadata.extra_args.unwrap_or_default(),
            session: metadata.session_id,
            on_busy: metadata.on_busy.unwrap_or_default(),
            permission_mode: metadata.permission_mode.unwrap_or_default(),
            permission_rules: metadata.permission_rules.unwrap_or_default(),
            env: metadata.env.unwrap_or_default(),
            mcp_servers: metadata.mcp_servers.unwrap_or_default().into_iter().map(McpServer::from).collect(),
            timeout: metadata.timeout_secs.map(Duration::from_secs),
            idle_timeout: metadata.idle_timeout_secs.map(Duration::from_secs),
            labels: metadata.labels.unwrap_or_default(),
            from_this_machine,
            default_passwords: false,
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

/// `GET /api/runs`
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    principal: Principal,
    Query(query): Query<ListQuery>,
) -> Result<Answer<Page<RunView, RunId>>, ApiError> {
    let limit = page::limit(query.limit)?;
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
    let found = app.runs.list(&principal.caller, filter, limit + 1).await?;
    Ok(Answer(Page::of(found, limit, |run| run.run_id)))
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
pub(in crate::api) async fn cancel(State(app): State<AppState>, actor: Actor, Path(run): Path<RunId>) -> Result<Answer<RunView>, ApiError> {
    let (runs, caller) = (app.runs.clone(), actor.caller());
    let deed = actor.deed(Action::RunCancel).to(Target::Run(run));
    app.audited(deed, async move { Ok(Answer(runs.cancel(&caller, run).await?)) }).await
}

/// `DELETE /api/runs/{id}`
pub(in crate::api) async fn delete(State(app): State<AppState>, actor: Actor, Path(run): Path<RunId>) -> Result<StatusCode, ApiError> {
    let (runs, caller) = (app.runs.clone(), actor.caller());
    let deed = actor.deed(Action::RunDelete).to(Target::Run(run));
    app.audited(deed, async move { Ok(runs.delete(&caller, run).await?) }).await?;
    Ok(StatusCode::NO_CONTENT)
}
