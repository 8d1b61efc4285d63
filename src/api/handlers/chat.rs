//! Chat without streaming: one prompt, one response.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::audit_context::AuditContext;
use super::super::disconnect::DisconnectGuard;
use super::super::error_mapping::RunFields;
use super::super::extract::{ProfileHeader, Traced};
use super::super::{ApiError, AppState, FaultCode, Json};
use super::params::ProfileHeaderParam;
use crate::auth::{ClientOrigin, Target};
use crate::run::{MAX_TIMEOUT, NewRun};
use crate::types::{AuditAction, Cause, OnDisconnect, ProfileName, RunId, RunStatus, SessionId, Usage};

/// Short names of agents.
const ALIASES: [(&str, &str); 1] = [("claude", "claude_code")];

const FIELDS: RunFields = RunFields { prompt: "message", agent: "model", model: "model", prefix: "" };

/// A prompt.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ChatRequest {
    /// The prompt.
    #[schema(min_length = 1, example = "hello")]
    message: String,
    /// `agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`. Default: the agent of the session, or `claude_code`.
    #[schema(example = "demo")]
    model: Option<String>,
    /// The session to continue.
    session_id: Option<SessionId>,
    /// Profile to use, one of `GET /api/profiles`. Default: that of the API key, else that of the server.
    profile: Option<ProfileName>,
    /// What to do if the client disconnects before the end. Default: that of the API key, else `continue`.
    on_disconnect: Option<OnDisconnect>,
}

/// The result of the run.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct ChatResponse {
    /// The run. Its events can be read as usual.
    run_id: RunId,
    /// Its session.
    session_id: SessionId,
    /// The agent's final text; empty if there is none.
    message: String,
    /// Status of the ended run.
    status: RunStatus,
    /// Cause of the status.
    cause: Cause,
    /// Explanation of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Total usage of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

/// Runs a prompt, waits for the end, and returns the final text.
///
/// This is an ordinary run: its events can be read, and it continues if the client disconnects, unless requested otherwise. The response to a failed run is also 200;
/// check `status` and `cause`.
#[utoipa::path(post, path = "/api/chat", operation_id = "chat", tag = "runs", params(ProfileHeaderParam), request_body = ChatRequest,
    extensions(("x-error-codes" = json!(["unknown_model", "unknown_agent", "unknown_profile", "profile_conflict", "not_found", "working_dir_not_allowed", "bad_working_dir",
        "session_mismatch", "working_dir_gone", "cannot_resume", "budget_exceeded", "queue_full", "storage", "quota_exceeded", "storage_quota_exceeded"]))),
    responses((status = 200, description = "The run has ended.", body = ChatResponse)))]
pub(in crate::api) async fn chat(
    State(app): State<AppState>,
    audit_context: AuditContext,
    origin: ClientOrigin,
    Traced(trace_parent): Traced,
    header: ProfileHeader,
    Json(request): Json<ChatRequest>,
) -> Result<Answer<ChatResponse>, ApiError> {
    let (agent_type, model) = agent_of(request.model.as_deref().unwrap_or("claude"), &app)?;
    let profile = app.profile_of(header.or(request.profile)?, &audit_context.principal);
    let on_disconnect = request.on_disconnect.or(audit_context.principal.on_disconnect()).unwrap_or(OnDisconnect::Continue);
    let mut new = NewRun {
        agent_type: request.model.is_some().then_some(agent_type),
        prompt: request.message,
        model,
        session: request.session_id,
        profile,
        trace_parent,
        is_local: origin.is_local,
        ..NewRun::default()
    };
    new.default_passwords = new.profile.is_some() && app.auth.default_password_reaches(&audit_context.caller().user.name).await?;
    let (state, owner) = (app.clone(), audit_context.clone());
    let creating = move |audit| async move {
        let run = state.runs.create(&owner.caller(), new, None, Some(audit)).await.map_err(|error| ApiError::from_create(error, FIELDS))?;
        // Created here, so that an earlier disconnect is noticed.
        let guard = DisconnectGuard::new(state, owner, run.run_id, on_disconnect);
        Ok((run, guard))
    };
    let event = audit_context.event(AuditAction::RunCreate);
    let (run, mut guard) = app.audited_with_target(event, creating, |(run, _client)| Some(Target::Run(run.run_id))).await?;
    // The run ends by its own time limit at the latest. A client that disconnects can find it by its id.
    let run = app.runs.wait(&audit_context.caller(), run.run_id, MAX_TIMEOUT).await?;
    guard.disarm();
    let (Some(cause), Some(end)) = (run.cause, run.end) else {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting_down",
            format!("the server shut down before run {} ended", run.run_id),
        ));
    };
    Ok(Answer(ChatResponse {
        run_id: run.run_id,
        session_id: run.session_id,
        message: end.result.unwrap_or_default(),
        status: run.status,
        cause,
        error: end.message,
        usage: end.usage,
    }))
}

/// The agent and model that a model name stands for.
pub(super) fn agent_of(name: &str, app: &AppState) -> Result<(String, Option<String>), ApiError> {
    let (agent, model) = name.split_once('/').map_or((name, None), |(agent, model)| (agent, Some(model.to_owned())));
    let agent = ALIASES.iter().find(|(short, _)| *short == agent).map_or(agent, |(_, agent)| agent);
    if app.runs.agents().contains(agent) {
        return Ok((agent.to_owned(), model));
    }
    let known: Vec<&str> = ALIASES.iter().map(|(short, _)| *short).chain(app.runs.agents().names()).collect();
    let detail = format!("unknown model {name:?}; use one of {}, optionally followed by / and a model of that agent", known.join(", "));
    Err(ApiError::new(StatusCode::BAD_REQUEST, "unknown_model", detail).with_field("model", FaultCode::NotFound))
}
