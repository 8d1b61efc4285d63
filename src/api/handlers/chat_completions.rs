//! Chat completions in OpenAI's format, complete or streamed.

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::super::audit_context::AuditContext;
use super::super::body;
use super::super::disconnect::DisconnectGuard;
use super::super::error_mapping::RunFields;
use super::super::extract::{Idempotent, Traced};
use super::super::openai::{ChatHeaderParams, ChatHeaders, Chunk, Chunks, Completion, CompletionRequest, FileFields, Progress, end_error};
use super::super::stream::{EVENT_STREAM, KEEP_ALIVE};
use super::super::{ApiError, AppState};
use super::chat::agent_of;
use super::chat_turn::{ChatTurn, CreatedTurn};
use super::events::follow_while_allowed;
use super::params::IdempotencyHeader;
use crate::auth::{ClientOrigin, Target};
use crate::run::events::Framing;
use crate::run::store::StoreError;
use crate::run::{CreateError, MAX_TIMEOUT};
use crate::types::{AuditAction, OnDisconnect, PermissionMode};

const FIELDS: RunFields = RunFields { prompt: "messages", agent: "model", model: "model", prefix: "openrunner." };

/// The run of a completion, also on errors.
pub(super) const RUN_ID: HeaderName = HeaderName::from_static("x-openrunner-run-id");

/// The session of a completion, also on errors.
pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("x-openrunner-session-id");

/// Whether OpenAI's clients retry the request themselves.
pub(super) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Creates a chat completion in OpenAI's format.
///
/// This is an ordinary run, so its events can be read. If the client disconnects before the end of a stream, the run is cancelled, unless the
/// request has `openrunner.on_disconnect: continue` or an `Idempotency-Key`. A run without a result is an error.
#[utoipa::path(post, path = "/v1/chat/completions", operation_id = "create_chat_completion", tag = "openai", params(IdempotencyHeader, ChatHeaderParams),
    request_body = CompletionRequest,
    extensions(("x-error-codes" = json!(["unsupported_parameter", "unknown_model", "unknown_agent", "not_found", "working_dir_not_allowed",
        "session_busy", "bad_working_dir", "session_mismatch", "working_dir_gone", "cannot_resume", "cannot_ask", "isolation_required",
        "isolation_unavailable", "idempotency_key_reused", "queue_full", "budget_exceeded", "quota_exceeded", "storage_quota_exceeded",
        "too_many_streams", "storage", "agent_error", "not_logged_in", "not_installed", "bad_arguments", "crashed", "killed", "protocol",
        "rate_limited", "bad_output", "unknown_profile", "profile_conflict", "admin_only", "model_not_found", "timeout", "startup_timeout", "idle_timeout", "cancelled", "node_lost"]))),
    responses((status = 200, description = "The completion; with `stream` as server-sent events, each with one chunk as its data, and `[DONE]` \
            at the end. A failure during the stream is an event with an `error`.",
        content((Completion = "application/json"), (Chunk<'_> = "text/event-stream")),
        headers(("x-openrunner-run-id" = String, description = "The run of the completion."),
            ("x-openrunner-session-id" = String, description = "Its session.")))))]
pub(in crate::api) async fn create(
    State(app): State<AppState>,
    audit_context: AuditContext,
    origin: ClientOrigin,
    mut headers: ChatHeaders,
    Traced(trace_parent): Traced,
    Idempotent { value, key, size }: Idempotent<CompletionRequest>,
) -> Result<Response, ApiError> {
    let request: CompletionRequest = value;
    body::check_rest(size.saturating_sub(request.encoded_size()))?;
    let (is_stream, with_usage, model) = (request.is_stream(), request.includes_usage(), request.model.clone());
    // A client with an idempotency key retries with it, and finds the run. Without a stream the client may have given up only because a proxy did.
    let default = if key.is_some() || !is_stream { OnDisconnect::Continue } else { OnDisconnect::Cancel };
    let on_disconnect = request.on_disconnect().or(audit_context.principal.on_disconnect()).unwrap_or(default);
    let (mut agent_type, mut agents_model) = agent_of(&model, &app)?;
    let is_structured = request.is_structured();
    let mut request = request.read()?;
    if let Some(helper) = app.helper_model.as_deref().filter(|_| request.is_helper()) {
        (agent_type, agents_model) = agent_of(helper, &app).map_err(|error| {
            let detail = format!("OPENRUNNER_HELPER_MODEL, which applies to this request: {}", error.detail());
            ApiError::new(StatusCode::BAD_REQUEST, "unknown_model", detail)
        })?;
    }
    headers.complete(&audit_context.principal, &request);
    let turn = ChatTurn::begin(&app, &audit_context.caller(), &agent_type, &mut request, &headers).await?;
    let (mut new, fields) = match request.into_new_run(turn.session()) {
        Ok(new) => new,
        Err(error) => return turn.abandon(error).await,
    };
    (new.agent_type, new.model, new.is_local) = (Some(agent_type), agents_model, origin.is_local);
    (new.trace_parent, new.profile) = (trace_parent, app.profile_of(headers.profile, &audit_context.principal));
    let may_ask = new.profile.is_some() || new.permission_mode.unwrap_or_default() != PermissionMode::Auto;
    new.default_passwords = may_ask && app.auth.default_password_reaches(&audit_context.caller().user.name).await?;
    // Before the run is created: without a stream the client could not follow it.
    let permit = match is_stream.then(|| app.limits.streams.open(&audit_context.caller().user.name)).transpose() {
        Ok(permit) => permit,
        Err(error) => return turn.abandon(error.into()).await,
    };
    let (state, owner) = (app.clone(), audit_context.clone());
    let creating = move |audit| async move {
        let run = state.runs.create(&owner.caller(), new, key, Some(audit)).await.map_err(|error| create_error(error, &fields))?;
        // Created here, so that an earlier disconnect is noticed.
        let guard = DisconnectGuard::new(state, owner, run.run_id, on_disconnect);
        Ok((run, guard))
    };
    let event = audit_context.event(AuditAction::RunCreate);
    let created = app.audited_with_target(event, creating, |(run, _client)| Some(Target::Run(run.run_id))).await;
    let (run, mut guard) = match created {
        Ok(created) => created,
        Err(error) => return turn.abandon(error).await,
    };
    let (id, session) = (run.run_id, run.session_id);
    let (turn, chat) = turn.created(session).await;
    let result = match permit {
        None => {
            let ended = app.runs.wait(&audit_context.caller(), id, MAX_TIMEOUT).await?;
            guard.disarm();
            match end_error(&ended) {
                None => {
                    let completion = Completion::new(ended, model, is_structured);
                    turn.completed(chat.map(|chat| chat.answered(completion.text()))).await;
                    Ok(Answer(completion).into_response())
                }
                Some(error) => {
                    turn.failed().await;
                    Err(error)
                }
            }
        }
        Some(permit) => {
            let follower = app.runs.follow(&audit_context.caller(), id, 0, Framing::Ndjson).await?;
            let lines = permit.attach(follow_while_allowed(&app, &audit_context.principal, id, follower));
            let chunks = Chunks::new(&run, model, with_usage, is_structured).with_chat(chat);
            stream_response(lines, chunks, guard, turn).await
        }
    };
    // A run that started has a cost and may have changed files, so clients must not retry it automatically.
    let mut response = result.unwrap_or_else(|error| ([(SHOULD_RETRY, HeaderValue::from_static("false"))], error).into_response());
    for (name, id) in [(RUN_ID, id.to_string()), (SESSION_ID, session.to_string())] {
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(name, id);
        }
    }
    Ok(response)
}

/// Labels are named `metadata` in this API, and a profile is named in a header.
fn create_error(error: CreateError, fields: &FileFields) -> ApiError {
    fields.rename(ApiError::from_create(error, FIELDS).rename_field("openrunner.profile", "OpenRunner-Profile"))
}

/// The response as a stream. It starts with the first output of the agent, so that an early failure gets an error status. After a keep-alive
/// interval without output the stream starts anyway.
async fn stream_response(
    mut lines: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin + 'static,
    mut chunks: Chunks,
    mut guard: DisconnectGuard,
    turn: CreatedTurn,
) -> Result<Response, ApiError> {
    let start_by = Instant::now() + KEEP_ALIVE;
    let mut first = Vec::new();
    let mut has_ended = false;
    while first.is_empty() {
        match timeout_at(start_by, lines.next()).await {
            Err(_idle) => drop(chunks.push(b"\n", &mut first)),
            Ok(Some(Ok(bytes))) => match chunks.push(&bytes, &mut first) {
                Progress::Running => {}
                Progress::Completed => {
                    turn.completed(chunks.end_chat()).await;
                    has_ended = true;
                }
                Progress::Failed(error) if first.is_empty() => {
                    guard.disarm();
                    turn.failed().await;
                    return Err(error);
                }
                Progress::Failed(error) => {
                    turn.failed().await;
                    Chunks::write_error(&error, &mut first);
                    has_ended = true;
                }
            },
            Ok(broken) => {
                guard.disarm();
                return Err(interrupted(broken.and_then(Result::err)));
            }
        }
    }
    if has_ended {
        guard.disarm();
    }
    let rest = stream::unfold((lines, chunks, guard, turn, has_ended), async |(mut lines, mut chunks, mut guard, turn, has_ended)| {
        if has_ended {
            return None;
        }
        let (mut out, mut has_ended) = (Vec::new(), false);
        while out.is_empty() && !has_ended {
            let failure = match lines.next().await {
                Some(Ok(bytes)) => match chunks.push(&bytes, &mut out) {
                    Progress::Running => continue,
                    Progress::Completed => {
                        // Before the client can send its next message.
                        turn.completed(chunks.end_chat()).await;
                        None
                    }
                    Progress::Failed(error) => {
                        turn.failed().await;
                        Some(error)
                    }
                },
                broken => Some(interrupted(broken.and_then(Result::err))),
            };
            guard.disarm();
            has_ended = true;
            if let Some(error) = failure {
                Chunks::write_error(&error, &mut out);
            }
        }
        Some((out, (lines, chunks, guard, turn, has_ended)))
    });
    let body = stream::once(std::future::ready(first)).chain(rest).map(|bytes| Ok::<_, StoreError>(Bytes::from(bytes)));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// Why a log ended before the run: it cannot be read, or the server is shutting down.
pub(super) fn interrupted(error: Option<StoreError>) -> ApiError {
    error.map_or_else(
        || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", "the stream was interrupted before the run ended"),
        ApiError::from,
    )
}
