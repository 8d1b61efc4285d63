//! One question, one answer: for clients that do not want a stream.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::audit_context::AuditContext;
use super::super::error_mapping::RunFields;
use super::super::extract::Traced;
use super::super::{ApiError, AppState, FaultCode, Json};
use crate::auth::{ClientOrigin, Target};
use crate::run::{MAX_TIMEOUT, NewRun};
use crate::types::{AuditAction, Cause, RunId, RunStatus, SessionId, Usage};

/// Short names of agents.
const SHORT: [(&str, &str); 1] = [("claude", "claude_code")];

const FIELDS: RunFields = RunFields { prompt: "message", agent: "model", model: "model", prefix: "" };

/// One prompt.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ChatRequest {
    /// The prompt.
    #[schema(min_length = 1, example = "hello")]
    message: String,
    /// `agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`. Absent, it is the session's agent, else `claude_code`.
    #[schema(example = "demo")]
    model: Option<String>,
    /// The conversation to go on with.
    session_id: Option<SessionId>,
}

/// How the run ended.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct ChatResponse {
    /// The run, whose events can be read.
    run_id: RunId,
    /// Its conversation.
    session_id: SessionId,
    /// The agent's final text; empty if it came to none.
    message: String,
    /// How the run ended.
    status: RunStatus,
    /// Why it ended so.
    cause: Cause,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Totals of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

/// Asks an agent, waits for its end and gives the final text.
///
/// The run is an ordinary one, so its events can be read as well, and it goes on if the client leaves. A run that failed is answered
/// with 200, too: look at `status` and `cause`.
#[utoipa::path(post, path = "/api/chat", operation_id = "chat", tag = "runs", request_body = ChatRequest,
    extensions(("x-error-codes" = json!(["unknown_model", "unknown_agent", "not_found", "working_dir_not_allowed", "bad_working_dir",
        "session_mismatch", "cannot_resume", "budget_exceeded", "queue_full", "storage"]))),
    responses((status = 200, description = "The run has ended.", body = ChatResponse)))]
pub(in crate::api) async fn chat(
    State(app): State<AppState>,
    audit_context: AuditContext,
    origin: ClientOrigin,
    Traced(trace_parent): Traced,
    Json(request): Json<ChatRequest>,
) -> Result<Answer<ChatResponse>, ApiError> {
    let (agent_type, model) = agent_of(request.model.as_deref().unwrap_or("claude"), &app)?;
    let new = NewRun {
        agent_type: request.model.is_some().then_some(agent_type),
        prompt: request.message,
        model,
        session: request.session_id,
        trace_parent,
        is_local: origin.is_local,
        ..NewRun::default()
    };
    let (runs, caller) = (app.runs.clone(), audit_context.caller());
    let creating = async move { runs.create(&caller, new, None).await.map_err(|error| ApiError::from_create(error, FIELDS)) };
    let run = app.audited_with_target(audit_context.event(AuditAction::RunCreate), creating, |run| Some(Target::Run(run.run_id))).await?;
    // A run ends by its own time limit; whoever asked may leave before and find it by its id.
    let run = app.runs.wait(&audit_context.caller(), run.run_id, MAX_TIMEOUT).await?;
    let (Some(cause), Some(end)) = (run.cause, run.end) else {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting_down",
            format!("the server went away before run {} ended", run.run_id),
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

/// Which agent, and which of its models, a name means.
pub(super) fn agent_of(name: &str, app: &AppState) -> Result<(String, Option<String>), ApiError> {
    let (agent, model) = name.split_once('/').map_or((name, None), |(agent, model)| (agent, Some(model.to_owned())));
    let agent = SHORT.iter().find(|(short, _)| *short == agent).map_or(agent, |(_, agent)| agent);
    if app.runs.agents().contains(agent) {
        return Ok((agent.to_owned(), model));
    }
    let known: Vec<&str> = SHORT.iter().map(|(short, _)| *short).chain(app.runs.agents().names()).collect();
    let detail = format!(
        "there is no agent for the model {name:?}; give one of {}, alone or followed by / and a model of its own",
        known.join(", ")
    );
    Err(ApiError::new(StatusCode::BAD_REQUEST, "unknown_model", detail).with_field("model", FaultCode::NotFound))
}
