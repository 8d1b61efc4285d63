//! Responses in OpenAI's format: create, retrieve, cancel, delete, and their input.

use std::time::Duration;

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::audit_context::AuditContext;
use super::super::body;
use super::super::disconnect::DisconnectGuard;
use super::super::error_mapping::RunFields;
use super::super::extract::{Idempotent, Traced};
use super::super::openai::{
    ChatHeaderParams, ChatHeaders, FileFields, InputItemList, ResponseDeleted, ResponseEvents, ResponseId, ResponseObject, ResponseRequest,
    SessionHeader, StreamEnd, end_error,
};
use super::super::stream::EVENT_STREAM;
use super::super::{ApiError, AppState, Path, Query};
use super::chat::agent_of;
use super::chat_completions::{RUN_ID, SESSION_ID, SHOULD_RETRY, interrupted};
use super::chat_turn::{ChatTurn, CreatedTurn};
use super::events::follow_while_allowed;
use super::params::IdempotencyHeader;
use super::stored_response::{continue_previous, find};
use crate::auth::{ClientOrigin, Principal, Target};
use crate::run::events::Framing;
use crate::run::store::StoreError;
use crate::run::{CreateError, MAX_TIMEOUT, RunView};
use crate::types::{AuditAction, Caller, OnDisconnect, PermissionMode, ResponseSpec};

const FIELDS: RunFields = RunFields { prompt: "input", agent: "model", model: "model", prefix: "openrunner." };

/// How long a cancel waits for the end of the run.
const CANCEL_WAIT: Duration = Duration::from_secs(30);

/// The response of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(in crate::api) struct ResponsePath {
    /// Id of the response.
    id: ResponseId,
}

/// Creates a response in OpenAI's format.
///
/// A response is an ordinary run, and its stream is the run's log, so it can be read again from any event, also after a restart of the server.
/// A client that disconnects does not cancel it. With `background` the request returns before the end. Without, a run that fails is an error.
#[utoipa::path(post, path = "/v1/responses", operation_id = "create_response", tag = "openai", params(IdempotencyHeader, ChatHeaderParams),
    request_body = ResponseRequest,
    extensions(("x-error-codes" = json!(["unsupported_parameter", "unknown_model", "unknown_agent", "not_found", "working_dir_not_allowed",
        "session_busy", "bad_working_dir", "session_mismatch", "working_dir_gone", "cannot_resume", "cannot_ask", "isolation_required",
        "isolation_unavailable", "idempotency_key_reused", "queue_full", "budget_exceeded", "quota_exceeded", "storage_quota_exceeded",
        "too_many_streams", "storage", "agent_error", "not_logged_in", "not_installed", "bad_arguments", "crashed", "killed", "protocol",
        "rate_limited", "bad_output", "unknown_profile", "profile_conflict", "admin_only", "model_not_found", "timeout", "startup_timeout", "idle_timeout", "cancelled", "node_lost"]))),
    responses((status = 200, description = "The response; with `stream` as server-sent events that end with `response.completed` or \
            `response.failed`, and `[DONE]`. Each event has a `sequence_number`, after which it can be resumed.",
        content((ResponseObject = "application/json"), (String = "text/event-stream")),
        headers(("x-openrunner-run-id" = String, description = "The run of the response."),
            ("x-openrunner-session-id" = String, description = "Its session.")))))]
pub(in crate::api) async fn create(
    State(app): State<AppState>,
    audit_context: AuditContext,
    origin: ClientOrigin,
    mut headers: ChatHeaders,
    Traced(trace_parent): Traced,
    Idempotent { value, key, size }: Idempotent<ResponseRequest>,
) -> Result<Response, ApiError> {
    let request: ResponseRequest = value;
    body::check_rest(size.saturating_sub(request.encoded_size()))?;
    let (is_stream, is_background, stored) = (request.is_stream(), request.is_background(), request.is_stored());
    let on_disconnect = request.on_disconnect().or(audit_context.principal.on_disconnect()).unwrap_or(OnDisconnect::Continue);
    let (agent_type, agents_model) = agent_of(&request.model, &app)?;
    let (mut request, continued) = request.read()?;
    let capabilities = app.runs.agents().capabilities(&agent_type).await;
    if !capabilities.instructions {
        request.inline_instructions();
    }
    let caller = audit_context.caller();
    let previous = continue_previous(&app, &caller, capabilities.resume, &mut request, &mut headers, &continued).await?;
    headers.complete(&audit_context.principal, &request);
    if is_background && headers.session.is_none() && request.session_id().is_none() {
        // Nothing would record the answer of a chat that is recognized by its history.
        headers.session = Some(SessionHeader::New);
    }
    let turn = ChatTurn::begin(&app, &caller, &agent_type, &mut request, &headers).await?;
    let (mut new, fields) = match request.into_new_run(turn.session()) {
        Ok(new) => new,
        Err(error) => return turn.abandon(error).await,
    };
    (new.agent_type, new.model, new.is_local) = (Some(agent_type), agents_model, origin.is_local);
    (new.trace_parent, new.profile) = (trace_parent, app.profile_of(headers.profile, &audit_context.principal));
    new.response = Some(ResponseSpec { previous, background: is_background, stored });
    let may_ask = new.profile.is_some() || new.permission_mode.unwrap_or_default() != PermissionMode::Auto;
    new.default_passwords = may_ask && app.auth.default_password_reaches(&caller.user.name).await?;
    // Before the run is created: without a stream the client could not follow it.
    let permit = match is_stream.then(|| app.limits.streams.open(&caller.user.name)).transpose() {
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
        Some(permit) => {
            let follower = app.runs.follow(&caller, id, 0, Framing::Ndjson).await?;
            let lines = permit.attach(follow_while_allowed(&app, &audit_context.principal, id, follower));
            let chat = chat.map(|chat| (turn, chat));
            Ok(stream_response(lines, Streamed { events: ResponseEvents::new(&run, None), guard: Some(guard), chat }))
        }
        None if is_background => {
            guard.disarm();
            Ok(Answer(ResponseObject::new(&run)).into_response())
        }
        None => {
            let ended = app.runs.wait(&caller, id, MAX_TIMEOUT).await?;
            guard.disarm();
            match end_error(&ended) {
                None => {
                    let response = complete(&app, &caller, &ended).await?;
                    turn.completed(chat.map(|chat| response.answer(chat))).await;
                    Ok(Answer(response).into_response())
                }
                Some(error) => {
                    turn.failed().await;
                    Err(error)
                }
            }
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

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct RetrieveQuery {
    /// Whether to stream the response, from its beginning.
    stream: Option<bool>,
    /// With `stream`: start after the event with this `sequence_number`.
    starting_after: Option<u64>,
}

/// Returns a response, or streams it from any event.
///
/// The response of every run can be retrieved, unless it was requested with `store: false`. `output` is empty until the end.
#[utoipa::path(get, path = "/v1/responses/{id}", operation_id = "get_response", tag = "openai", params(ResponsePath, RetrieveQuery),
    extensions(("x-error-codes" = json!(["not_found", "too_many_streams"]))),
    responses((status = 200, description = "The response; with `stream` as server-sent events.",
        content((ResponseObject = "application/json"), (String = "text/event-stream")))))]
pub(in crate::api) async fn get(
    State(app): State<AppState>,
    principal: Principal,
    Path(id): Path<ResponseId>,
    Query(query): Query<RetrieveQuery>,
) -> Result<Response, ApiError> {
    let run = find(&app, &principal.caller, id).await?;
    if !query.stream.unwrap_or(false) {
        return Ok(Answer(complete(&app, &principal.caller, &run).await?).into_response());
    }
    let permit = app.limits.streams.open(&principal.caller.user.name)?;
    let follower = app.runs.follow(&principal.caller, run.run_id, 0, Framing::Ndjson).await?;
    let lines = permit.attach(follow_while_allowed(&app, &principal, run.run_id, follower));
    Ok(stream_response(lines, Streamed { events: ResponseEvents::new(&run, query.starting_after), guard: None, chat: None }))
}

/// Cancels a response and kills the whole process tree of its run.
///
/// Cancelling again, or after the end, has no effect and is not an error.
#[utoipa::path(post, path = "/v1/responses/{id}/cancel", operation_id = "cancel_response", tag = "openai", params(ResponsePath),
    extensions(("x-error-codes" = json!(["not_found", "storage"]))),
    responses((status = 200, description = "The response, after its end unless that takes longer than 30 seconds.", body = ResponseObject)))]
pub(in crate::api) async fn cancel(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Path(id): Path<ResponseId>,
) -> Result<Answer<ResponseObject>, ApiError> {
    let caller = audit_context.caller();
    let run = find(&app, &caller, id).await?.run_id;
    let (runs, owner) = (app.runs.clone(), caller.clone());
    let event = audit_context.event(AuditAction::RunCancel).to(Target::Run(run));
    app.audited(event, move |audit| async move { Ok(runs.cancel(&owner, run, Some(audit)).await?) }).await?;
    let run = app.runs.wait(&caller, run, CANCEL_WAIT).await?;
    Ok(Answer(complete(&app, &caller, &run).await?))
}

/// Deletes an ended response: its run with its events, and its session and fresh working directory with the last run of the session.
#[utoipa::path(delete, path = "/v1/responses/{id}", operation_id = "delete_response", tag = "openai", params(ResponsePath),
    extensions(("x-error-codes" = json!(["not_found", "run_active", "storage"]))),
    responses((status = 200, description = "The response was deleted.", body = ResponseDeleted)))]
pub(in crate::api) async fn delete(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Path(id): Path<ResponseId>,
) -> Result<Answer<ResponseDeleted>, ApiError> {
    let caller = audit_context.caller();
    let run = find(&app, &caller, id).await?.run_id;
    let runs = app.runs.clone();
    let event = audit_context.event(AuditAction::RunDelete).to(Target::Run(run));
    app.audited(event, move |audit| async move { Ok(runs.delete(&caller, run, Some(audit)).await?) }).await?;
    Ok(Answer(ResponseDeleted::new(id)))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct InputItemsQuery {
    /// Only items after the one with this id.
    after: Option<String>,
}

/// Returns the input of a response: the prompt as the agent received it.
#[utoipa::path(get, path = "/v1/responses/{id}/input_items", operation_id = "list_response_input_items", tag = "openai",
    params(ResponsePath, InputItemsQuery),
    extensions(("x-error-codes" = json!(["not_found"]))),
    responses((status = 200, description = "The only page of items.", body = InputItemList)))]
pub(in crate::api) async fn input_items(
    State(app): State<AppState>,
    principal: Principal,
    Path(id): Path<ResponseId>,
    Query(query): Query<InputItemsQuery>,
) -> Result<Answer<InputItemList>, ApiError> {
    let run = find(&app, &principal.caller, id).await?;
    Ok(Answer(InputItemList::new(&run, query.after.as_deref())))
}

/// The response of a run, with its output if it has ended.
async fn complete(app: &AppState, caller: &Caller, run: &RunView) -> Result<ResponseObject, ApiError> {
    if run.cause.is_none() {
        return Ok(ResponseObject::new(run));
    }
    let mut follower = app.runs.follow(caller, run.run_id, 0, Framing::Ndjson).await?;
    let (mut events, mut unused) = (ResponseEvents::silent(run), Vec::new());
    while let Some(lines) = follower.next().await {
        if events.push(&lines?, &mut unused).is_some() {
            return Ok(events.into_response());
        }
        unused.clear();
    }
    // The end cannot be read from the log. A run that was deleted meanwhile is not found.
    let run = app.runs.get(caller, run.run_id).await?;
    events.end_as(&run);
    Ok(events.into_response())
}

/// Labels are named `metadata` in this API, and a profile is named in a header.
fn create_error(error: CreateError, fields: &FileFields) -> ApiError {
    fields.rename(ApiError::from_create(error, FIELDS).rename_field("openrunner.profile", "OpenRunner-Profile"))
}

/// A response that is being streamed.
struct Streamed {
    events: ResponseEvents,
    /// Of the request that created the response.
    guard: Option<DisconnectGuard>,
    /// The client's chat, to which the answer is added.
    chat: Option<(CreatedTurn, super::super::openai::Chat)>,
}

impl Streamed {
    /// The stream is at its end. When this returns, the next request of the client finds its session.
    async fn finish(&mut self, end: StreamEnd) {
        self.disarm();
        match (self.chat.take(), end) {
            (Some((turn, chat)), StreamEnd::Completed) => turn.completed(Some(chat.answered_by(self.events.texts()))).await,
            (Some((turn, _chat)), StreamEnd::Failed) => turn.failed().await,
            (_, StreamEnd::AccessLost) | (None, _) => {}
        }
    }

    fn disarm(&mut self) {
        if let Some(guard) = &mut self.guard {
            guard.disarm();
        }
    }
}

/// The response as a stream.
fn stream_response(lines: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin + 'static, streamed: Streamed) -> Response {
    let frames = stream::unfold(Some((lines, streamed)), async |state| {
        let (mut lines, mut streamed) = state?;
        let mut out = Vec::new();
        while out.is_empty() {
            match lines.next().await {
                Some(Ok(bytes)) => {
                    if let Some(end) = streamed.events.push(&bytes, &mut out) {
                        streamed.finish(end).await;
                        return Some((out, None));
                    }
                }
                broken => {
                    streamed.disarm();
                    streamed.events.write_error(&interrupted(broken.and_then(Result::err)), &mut out);
                    return Some((out, None));
                }
            }
        }
        Some((out, Some((lines, streamed))))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(frames.map(|bytes| Ok::<_, StoreError>(Bytes::from(bytes))))).into_response()
}
