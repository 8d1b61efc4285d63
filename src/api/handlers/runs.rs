//! Runs: create, list, get, cancel and delete.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::super::audit_context::AuditContext;
use super::super::body;
use super::super::error_mapping::RunFields;
use super::super::extract::{Idempotent, Traced};
use super::super::json_object::{Object, object, optional_object};
use super::super::{ApiError, AppState, FaultCode, FieldError, Path, Query};
use super::created::Created;
use super::input_parts::{InputPart, encoded_size, into_content, read_uploads};
use super::pagination::{Page, page_size};
use super::params::{IdempotencyHeader, RunPath};
use crate::auth::{ClientOrigin, Principal, Target};
use crate::run::store::{OwnerFilter, RunFilter, SearchText};
use crate::run::{NewRun, OnBusy, RunView, WebhookRequest, WorkspaceRequest};
use crate::types::{
    Amount, AuditAction, IsolationLevel, McpServer, McpServerSpec, Money, OnRateLimit, PermissionMode, ProfileName, ProjectConfig,
    RuleSpec, RunId, RunStatus, SessionId, SpendLimits, Timestamp, Tokens, UserName, WorkspaceKind,
};

const FIELDS: RunFields = RunFields { prompt: "input.text", agent: "metadata.agent_type", model: "metadata.model", prefix: "metadata." };

/// Maximum of `?wait=`, in seconds.
const MAX_WAIT: u64 = 600;

/// A new run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"input": {"text": "create hello.py"}, "metadata": {"agent_type": "demo"}}))]
pub(in crate::api) struct CreateRunRequest {
    /// The task for the agent.
    #[serde(deserialize_with = "object")]
    input: RunInput,
    /// How to run it; null and absent mean defaults.
    #[serde(default, deserialize_with = "optional_object")]
    #[schema(value_type = Option<RunMetadata>)]
    metadata: RunMetadata,
}

/// The task for the agent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RunInput {
    /// The prompt. May be absent if `parts` contains text.
    #[schema(min_length = 1, max_length = 2_097_152)]
    text: Option<String>,
    /// Further parts of the input. The prompt is `text` and the texts of the parts, with blank lines between them; images and files follow it
    /// in this order. All images and files together have at most 5 MiB, and with uploaded files 20 MiB.
    #[schema(value_type = Option<Vec<std::collections::BTreeMap<String, serde_json::Value>>>)]
    parts: Option<Vec<Object<InputPart>>>,
}

/// Options of a run. Every field may be absent or null, which means its default.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RunMetadata {
    /// The agent, one of `GET /api/agents`. Default: the agent of the session, or `claude_code`.
    agent_type: Option<String>,
    /// JSON Schema of the answer, at most 64 KiB. The run's `output` is then the answer as a value that matches it.
    #[schema(value_type = Option<Object>)]
    output_schema: Option<Value>,
    /// Text that is added to the agent's system prompt in this run, at most 64 KiB.
    #[schema(min_length = 1, max_length = 65536)]
    instructions: Option<String>,
    /// Working directory: an absolute path without `..`. Default: the directory of the session, or a fresh one. Some agents can continue a
    /// session in another directory.
    #[schema(value_type = Option<String>)]
    working_dir: Option<PathBuf>,
    /// Alias of `working_dir`.
    #[schema(value_type = Option<String>)]
    cwd: Option<PathBuf>,
    /// Workspace of a new session, if it is to be more than the working directory. Later runs of the session work in it as well.
    #[schema(value_type = Option<WorkspaceBody>)]
    workspace: Option<Object<WorkspaceBody>>,
    /// Time limit in seconds. Default: 300. Time spent waiting for answers does not count.
    #[schema(minimum = 1, maximum = 604_800)]
    timeout_secs: Option<u64>,
    /// Time limit in seconds without any output of the agent.
    #[schema(minimum = 1, maximum = 604_800)]
    idle_timeout_secs: Option<u64>,
    /// What to do when the agent reaches a rate or usage limit of the model's provider. Default: `fail`.
    on_rate_limit: Option<OnRateLimit>,
    /// How long the run may wait for such a limit to reset, in seconds, with `on_rate_limit` `wait`. Default and maximum: the server's
    /// setting.
    #[schema(minimum = 1, maximum = 86_400)]
    max_wait_secs: Option<u64>,
    /// Maximum cost in US dollars, as the agent reports it, including sub-agents. A run that exceeds it is stopped and fails with cause
    /// `spend_limit`. If the owner has a lower limit, that applies.
    #[schema(exclusive_minimum = 0, maximum = 1_000_000)]
    max_cost_usd: Option<Money>,
    /// Maximum number of tokens: uncached input, writes to the provider's cache, and output.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_u64)]
    max_tokens: Option<Tokens>,
    /// Maximum number of model calls, which agents call turns.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_u64)]
    max_turns: Option<Amount>,
    /// The model, as the agent names it.
    #[schema(pattern = r"^[A-Za-z0-9][A-Za-z0-9._:/@+\[\]-]{0,127}$")]
    model: Option<String>,
    /// Additional command-line arguments for the agent.
    extra_args: Option<Vec<String>>,
    /// The session to continue. Default: a new one.
    session_id: Option<SessionId>,
    /// What to do if that session has a live run.
    on_busy: Option<OnBusy>,
    /// Profile to use, one of `GET /api/profiles`. Default: that of the API key, else that of the server. The other fields may set what it leaves open, and narrow what it sets.
    profile: Option<ProfileName>,
    /// How permission requests are decided. Default: that of the profile, or `auto`.
    permission_mode: Option<PermissionMode>,
    /// Rules that take precedence over the mode.
    #[schema(max_items = 256)]
    permission_rules: Option<Vec<RuleSpec>>,
    /// The isolation level. Default: that of the server. Only admins may choose a lower one.
    isolation: Option<IsolationLevel>,
    /// Hosts that the agent may reach at isolation level `sandbox`, besides its model, as `host:port`. Default: the git remotes of the working
    /// directory, as far as the operator allows them.
    #[schema(max_items = 64)]
    egress: Option<Vec<String>>,
    /// Whether the agent's configuration in the working directory has an effect: hooks, MCP servers, plugins, commands, settings. Default:
    /// `ignore`, and `trust` below a directory of `OPENRUNNER_TRUSTED_PROJECTS`. Elsewhere, `trust` requires an admin.
    project_config: Option<ProjectConfig>,
    /// Environment variables for the agent. Their values are never shown or stored.
    env: Option<BTreeMap<String, String>>,
    /// MCP servers for the agent; admins only.
    mcp_servers: Option<Vec<McpServerSpec>>,
    /// Labels for filtering, at most 32.
    labels: Option<BTreeMap<String, String>>,
    /// Webhook for the run's events: a URL, or an object with options. See docs/webhooks.md.
    webhook: Option<Webhook>,
}

/// A workspace to make.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewWorkspace)]
#[serde(deny_unknown_fields)]
struct WorkspaceBody {
    /// Kind of workspace.
    kind: WorkspaceKind,
    /// The top directory of a git repository on the server; default: `working_dir`. For a clone, a URL such as
    /// `https://github.com/owner/repository`.
    #[schema(value_type = Option<String>)]
    repository: Option<PathBuf>,
    /// The branch, tag or commit to begin with, such as `main`, `v1.0`, `origin/main` or 40 hexadecimal digits. Default: what is checked out
    /// in the repository, or the default branch of a remote one.
    #[schema(max_length = 200)]
    r#ref: Option<String>,
}

/// A webhook.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be a URL, or an object with url, events and secret")]
enum Webhook {
    Url(String),
    Object(WebhookObject),
}

/// A webhook with options.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WebhookObject {
    /// The URL: http or https, not in a private network unless the operator allows it.
    #[schema(max_length = 2048)]
    url: String,
    /// Event types; `*` selects all that can be sent. Default: `run_started`, `needs_input` (requests that wait for a
    /// person) and `done`.
    events: Option<Vec<String>>,
    /// Signing secret: `whsec_` followed by Base64. Default: the server's secret.
    #[schema(pattern = "^whsec_[A-Za-z0-9+/]+=*$")]
    secret: Option<String>,
}

impl From<Webhook> for WebhookRequest {
    fn from(webhook: Webhook) -> Self {
        match webhook {
            Webhook::Url(url) => Self { url, events: None, secret: None },
            Webhook::Object(WebhookObject { url, events, secret }) => Self { url, events, secret },
        }
    }
}

/// A created run.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct CreateRunResponse {
    /// Id of the run.
    run_id: RunId,
    /// Session of the run.
    session_id: SessionId,
    /// Always `queued`, the status at creation.
    status: RunStatus,
    /// Path of the event stream.
    events_url: String,
}

/// Creates a run. The run is durable before the response is sent.
#[utoipa::path(post, path = "/api/runs", operation_id = "create_run", tag = "runs", params(IdempotencyHeader), request_body = CreateRunRequest,
    extensions(("x-error-codes" = json!(["bad_argument", "admin_only", "env_not_allowed", "working_dir_not_allowed", "not_found",
        "session_busy", "unknown_agent", "unknown_profile", "profile_conflict", "bad_working_dir", "bad_workspace", "session_mismatch", "working_dir_gone", "cannot_resume", "cannot_ask", "idempotency_key_reused",
        "isolation_required", "isolation_unavailable", "budget_exceeded", "queue_full", "storage", "quota_exceeded", "storage_quota_exceeded"]))),
    responses((status = 201, description = "The run was created.", body = CreateRunResponse,
        headers(("Location" = String, description = "Path of the run.")))))]
pub(in crate::api) async fn create(
    State(app): State<AppState>,
    audit_context: AuditContext,
    origin: ClientOrigin,
    Traced(trace_parent): Traced,
    Idempotent { value, key, size }: Idempotent<CreateRunRequest>,
) -> Result<Created<CreateRunResponse>, ApiError> {
    let mut request: CreateRunRequest = value;
    body::check_rest(size.saturating_sub(encoded_size(request.input.parts.as_deref())))?;
    let _memory = read_uploads(&app, &audit_context.caller(), request.input.parts.as_mut(), "input.parts").await?;
    let mut new = request.into_new_run(origin.is_local)?;
    new.trace_parent = trace_parent;
    new.profile = app.profile_of(new.profile, &audit_context.principal);
    let may_ask = new.profile.is_some() || new.permission_mode.unwrap_or_default() != PermissionMode::Auto;
    new.default_passwords = may_ask && app.auth.default_password_reaches(&audit_context.caller().user.name).await?;
    let (runs, caller, event) = (app.runs.clone(), audit_context.caller(), audit_context.event(AuditAction::RunCreate));
    let creating =
        move |audit| async move { runs.create(&caller, new, key, Some(audit)).await.map_err(|error| ApiError::from_create(error, FIELDS)) };
    let run = app.audited_with_target(event, creating, |run| Some(Target::Run(run.run_id))).await?;
    let location = format!("/api/runs/{}", run.run_id);
    let events_url = app.base_path.path_of(&format!("{location}/events"));
    // The status at creation, so that a repeated request with the same idempotency key gets the same response.
    let status = RunStatus::Queued;
    Ok(Created { location, body: CreateRunResponse { run_id: run.run_id, session_id: run.session_id, status, events_url } })
}

impl CreateRunRequest {
    fn into_new_run(self, is_local: bool) -> Result<NewRun, ApiError> {
        let (prompt, attachments) = into_content(self.input.text, self.input.parts, "input.parts")?;
        let metadata = self.metadata;
        let working_dir = match (metadata.working_dir, metadata.cwd) {
            (Some(one), Some(other)) if one != other => {
                return Err(ApiError::invalid_field(
                    "metadata.cwd",
                    FaultCode::Conflict,
                    "is an alias of metadata.working_dir; give only one of them",
                ));
            }
            (one, other) => one.or(other),
        };
        Ok(NewRun {
            agent_type: metadata.agent_type,
            prompt,
            attachments,
            output_schema: metadata.output_schema,
            instructions: metadata.instructions,
            working_dir,
            workspace: metadata.workspace.map(|Object(body)| WorkspaceRequest {
                kind: body.kind,
                repository: body.repository,
                reference: body.r#ref,
            }),
            model: metadata.model,
            extra_args: metadata.extra_args.unwrap_or_default(),
            session: metadata.session_id,
            on_busy: metadata.on_busy.unwrap_or_default(),
            profile: metadata.profile,
            permission_mode: metadata.permission_mode,
            permission_rules: metadata.permission_rules.unwrap_or_default(),
            isolation: metadata.isolation,
            egress: metadata.egress,
            project_config: metadata.project_config,
            env: metadata.env.unwrap_or_default(),
            mcp_servers: metadata.mcp_servers.unwrap_or_default().into_iter().map(McpServer::from).collect(),
            timeout: metadata.timeout_secs.map(Duration::from_secs),
            idle_timeout: metadata.idle_timeout_secs.map(Duration::from_secs),
            on_rate_limit: metadata.on_rate_limit.unwrap_or_default(),
            max_wait: metadata.max_wait_secs.map(Duration::from_secs),
            spend_limits: SpendLimits {
                max_cost_usd: metadata.max_cost_usd,
                max_tokens: metadata.max_tokens,
                max_turns: metadata.max_turns,
            },
            labels: metadata.labels.unwrap_or_default(),
            trace_parent: None,
            response: None,
            webhook: metadata.webhook.map(WebhookRequest::from),
            is_local,
            default_passwords: false,
        })
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    /// Filter by status; several are separated by commas.
    #[param(value_type = Option<Vec<RunStatus>>, style = Form, explode = false, min_items = 1)]
    status: Option<Statuses>,
    /// Search text: words that all must occur in the prompt, the answer, a label or the working directory, or the start of an ID. Text in
    /// double quotes is searched for as a whole.
    #[param(min_length = 1, max_length = 200)]
    q: Option<String>,
    /// Filter by agent.
    agent_type: Option<String>,
    /// Filter by session.
    session_id: Option<SessionId>,
    /// Filter by label, as `name=value`.
    #[param(pattern = "=")]
    label: Option<String>,
    /// Only runs created at or after this time.
    since: Option<Timestamp>,
    /// Filter by owner; admins only.
    owner: Option<UserName>,
    /// Maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: the `next_cursor` of the previous one.
    cursor: Option<RunId>,
}

/// One or more statuses, separated by commas.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Statuses(Vec<RunStatus>);

impl TryFrom<String> for Statuses {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = |name| RunStatus::from_name(name).ok_or_else(|| format!("unknown status {name:?}"));
        text.split(',').map(known).collect::<Result<_, _>>().map(Self)
    }
}

/// Maximum length of a search text, in characters.
const MAX_SEARCH: usize = 200;

/// A page of runs.
pub(in crate::api) type RunPage = Page<RunView>;

/// Lists the caller's runs, newest first; for admins, the runs of all users.
#[utoipa::path(get, path = "/api/runs", operation_id = "list_runs", tag = "runs", params(ListQuery),
    extensions(("x-error-codes" = json!(["too_many_searches", "search_timeout"]))),
    responses((status = 200, description = "A page of runs.", body = RunPage)))]
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    principal: Principal,
    Query(query): Query<ListQuery>,
) -> Result<Answer<RunPage>, ApiError> {
    let label = query.label.map(|label| match label.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(FieldError::new("label", FaultCode::Invalid, "must have the form name=value")),
    });
    let search = query.q.map(|text| match text.chars().count() {
        1..=MAX_SEARCH => SearchText::parse(&text).map_err(|bad| FieldError::new("q", FaultCode::Invalid, bad.to_string())),
        _ => Err(FieldError::new("q", FaultCode::OutOfRange, format!("must have 1 to {MAX_SEARCH} characters"))),
    });
    let (limit, label, search) = match (page_size(query.limit), label.transpose(), search.transpose()) {
        (Ok(limit), Ok(label), Ok(search)) => (limit, label, search),
        (limit, label, search) => {
            let faults = [limit.err(), label.err(), search.err()];
            return Err(ApiError::invalid_fields(faults.into_iter().flatten().collect()));
        }
    };
    let filter = RunFilter {
        owner: query.owner.map(OwnerFilter::Name),
        status: query.status.map_or_else(Vec::new, |statuses| statuses.0),
        agent_type: query.agent_type,
        session: query.session_id,
        label,
        since: query.since,
        before: query.cursor,
    };
    let found = match search {
        Some(text) => app.runs.search(&principal.caller, text, filter, limit + 1).await?,
        None => app.runs.list(&principal.caller, filter, limit + 1).await?,
    };
    Ok(Answer(Page::new(found, limit, |run| run.run_id)))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct GetQuery {
    /// Wait until the run has ended, at most this many seconds.
    #[param(maximum = 600)]
    wait: Option<u64>,
}

/// Returns a run, optionally after its end.
#[utoipa::path(get, path = "/api/runs/{id}", operation_id = "get_run", tag = "runs", params(RunPath, GetQuery),
    extensions(("x-error-codes" = json!(["not_found"]))),
    responses((status = 200, description = "The run.", body = RunView)))]
pub(in crate::api) async fn get(
    State(app): State<AppState>,
    principal: Principal,
    Path(run): Path<RunId>,
    Query(query): Query<GetQuery>,
) -> Result<Answer<RunView>, ApiError> {
    let found = match query.wait {
        None => app.runs.get(&principal.caller, run).await?,
        Some(wait) if wait <= MAX_WAIT => {
            app.runs.wait(&principal.caller, run, Duration::from_secs(wait)).await?;
            // The caller may have lost access in the meantime.
            app.runs.get(&app.auth.recheck(&principal).await?.caller, run).await?
        }
        Some(_) => return Err(ApiError::invalid_field("wait", FaultCode::OutOfRange, format!("must be at most {MAX_WAIT} seconds"))),
    };
    Ok(Answer(found))
}

/// Cancels a run and kills its whole process tree.
///
/// Cancelling again, or after the end, has no effect and is not an error.
#[utoipa::path(post, path = "/api/runs/{id}/cancel", operation_id = "cancel_run", tag = "runs", params(RunPath),
    extensions(("x-error-codes" = json!(["not_found", "storage"]))),
    responses((status = 200, description = "The run. It has ended once `done` is in its log.", body = RunView)))]
pub(in crate::api) async fn cancel(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Path(run): Path<RunId>,
) -> Result<Answer<RunView>, ApiError> {
    let (runs, caller) = (app.runs.clone(), audit_context.caller());
    let event = audit_context.event(AuditAction::RunCancel).to(Target::Run(run));
    app.audited(event, move |audit| async move { Ok(Answer(runs.cancel(&caller, run, Some(audit)).await?)) }).await
}

/// Deletes an ended run with its events, and its session and fresh working directory with the last run of the session.
#[utoipa::path(delete, path = "/api/runs/{id}", operation_id = "delete_run", tag = "runs", params(RunPath),
    extensions(("x-error-codes" = json!(["not_found", "run_active", "storage"]))),
    responses((status = 204, description = "The run was deleted.")))]
pub(in crate::api) async fn delete(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Path(run): Path<RunId>,
) -> Result<StatusCode, ApiError> {
    let (runs, caller) = (app.runs.clone(), audit_context.caller());
    let event = audit_context.event(AuditAction::RunDelete).to(Target::Run(run));
    app.audited(event, move |audit| async move { Ok(runs.delete(&caller, run, Some(audit)).await?) }).await?;
    Ok(StatusCode::NO_CONTENT)
}
