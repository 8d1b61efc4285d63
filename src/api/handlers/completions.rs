//! One answer in OpenAI's form, whole or as a stream.

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::super::audit_context::AuditContext;
use super::super::disconnect::Client;
use super::super::error_mapping::RunFields;
use super::super::extract::{Idempotent, Traced};
use super::super::openai::{Chunk, Chunks, Completion, CompletionRequest, OnDisconnect, Read, end_error};
use super::super::stream::KEEP_ALIVE;
use super::super::{ApiError, AppState};
use super::chat::agent_of;
use super::events::following;
use super::params::RepeatHeader;
use crate::auth::{ClientOrigin, Target};
use crate::run::MAX_TIMEOUT;
use crate::run::events::Framing;
use crate::run::store::StoreError;
use crate::types::{AuditAction, PermissionMode};

const FIELDS: RunFields = RunFields { prompt: "messages", agent: "model", model: "model", prefix: "openrunner." };

/// Tells which run is behind an answer, also of one that is none.
const RUN_ID: HeaderName = HeaderName::from_static("x-openrunner-run-id");

/// Tells OpenAI's clients whether to send a request again by themselves.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Asks an agent in the form of OpenAI's API.
///
/// The run is an ordinary one, so its events can be read as well. If the client leaves before the end, the run is cancelled, unless
/// `openrunner.on_disconnect` or an `Idempotency-Key` says otherwise. A run that comes to no answer is a refusal.
#[utoipa::path(post, path = "/v1/chat/completions", operation_id = "create_chat_completion", tag = "openai", params(RepeatHeader),
    request_body = CompletionRequest,
    extensions(("x-error-codes" = json!(["unsupported_parameter", "unknown_model", "unknown_agent", "not_found", "working_dir_not_allowed",
        "session_busy", "bad_working_dir", "session_mismatch", "cannot_resume", "cannot_ask", "idempotency_key_reused", "queue_full", "budget_exceeded",
        "too_many_streams", "storage", "agent_error", "not_logged_in", "not_installed", "bad_arguments", "crashed", "killed", "protocol",
        "rate_limited", "model_not_found", "timeout", "startup_timeout", "idle_timeout", "cancelled", "node_lost"]))),
    responses((status = 200, description = "The answer: whole, or with `stream` piece by piece, each piece the data of a server-sent \
            event, the last of them `[DONE]`. A failure in the middle of a stream is an event with an `error`.",
        content((Completion = "application/json"), (Chunk<'_> = "text/event-stream")),
        headers(("x-openrunner-run-id" = String, description = "The run behind the answer.")))))]
pub(in crate::api) async fn create(
    State(app): State<AppState>,
    audit_context: AuditContext,
    origin: ClientOrigin,
    Traced(trace_parent): Traced,
    Idempotent { value, key }: Idempotent<CompletionRequest>,
) -> Result<Response, ApiError> {
    let request: CompletionRequest = value;
    let (is_stream, with_usage, model) = (request.is_stream(), request.wants_usage(), request.model.clone());
    // Whoever sends a key comes again by it, and is to find the run.
    let usual = if key.is_some() { OnDisconnect::Continue } else { OnDisconnect::Cancel };
    let on_disconnect = request.on_disconnect().unwrap_or(usual);
    let (agent_type, agents_model) = agent_of(&model, &app)?;
    let mut new = request.into_new_run()?;
    (new.agent_type, new.model, new.is_local) = (Some(agent_type), agents_model, origin.is_local);
    new.trace_parent = trace_parent;
    new.default_passwords =
        new.permission_mode != PermissionMode::Auto && app.auth.default_password_reaches(&audit_context.caller().user).await?;
    // Before there is a run, since one that nobody can follow would be made in vain.
    let permit = if is_stream { Some(app.limits.streams.open(&audit_context.caller().user)?) } else { None };
    let (state, owner) = (app.clone(), audit_context.clone());
    let creating = async move {
        let run = state.runs.create(&owner.caller(), new, key).await.map_err(create_error)?;
        // Made here, so that a client who has left already is seen to have left.
        let client = Client::new(state, owner, run.run_id, on_disconnect);
        Ok((run, client))
    };
    let event = audit_context.event(AuditAction::RunCreate);
    let (run, mut client) = app.audited_with_target(event, creating, |(run, _client)| Some(Target::Run(run.run_id))).await?;
    let id = run.run_id;
    let answered = match permit {
        None => {
            let ended = app.runs.wait(&audit_context.caller(), id, MAX_TIMEOUT).await?;
            client.release();
            end_error(&ended).map_or_else(|| Ok(Answer(Completion::of(ended, model)).into_response()), Err)
        }
        Some(permit) => {
            let follower = app.runs.follow(&audit_context.caller(), id, 0, Framing::Ndjson).await?;
            let lines = permit.attach(following(app, audit_context.principal, id, follower, b"\n"));
            streamed(lines, Chunks::of(&run, model, with_usage), client).await
        }
    };
    // A run that began has cost something and may have changed files: nobody is to begin it again but who knows that.
    let mut response = answered.unwrap_or_else(|failure| ([(SHOULD_RETRY, HeaderValue::from_static("false"))], failure).into_response());
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(RUN_ID, id);
    }
    Ok(response)
}

/// Labels are named `metadata` in this API.
fn create_error(error: crate::run::CreateError) -> ApiError {
    ApiError::from_create(error, FIELDS).rename_field("openrunner.labels", "metadata")
}

/// The answer as a stream. It begins with the agent's first words, so that a run which comes to none is answered with a proper status; an
/// agent that is silent for as long as a keep-alive takes is waited for in the stream.
async fn streamed(
    mut lines: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin + 'static,
    mut chunks: Chunks,
    mut client: Client,
) -> Result<Response, ApiError> {
    let begin_by = Instant::now() + KEEP_ALIVE;
    let mut first = Vec::new();
    let mut has_ended = false;
    while first.is_empty() {
        match timeout_at(begin_by, lines.next()).await {
            Err(_silence) => drop(chunks.read(b"\n", &mut first)),
            Ok(Some(Ok(bytes))) => match chunks.read(&bytes, &mut first) {
                Read::More => {}
                Read::Ended => has_ended = true,
                Read::Failed(error) if first.is_empty() => {
                    client.release();
                    return Err(error);
                }
                Read::Failed(error) => {
                    Chunks::refuse(&error, &mut first);
                    has_ended = true;
                }
            },
            Ok(broken) => {
                client.release();
                return Err(broken_off(broken.and_then(Result::err)));
            }
        }
    }
    if has_ended {
        client.release();
    }
    let rest = stream::unfold((lines, chunks, client, has_ended), async |(mut lines, mut chunks, mut client, has_ended)| {
        if has_ended {
            return None;
        }
        let (mut out, mut has_ended) = (Vec::new(), false);
        while out.is_empty() && !has_ended {
            let failure = match lines.next().await {
                Some(Ok(bytes)) => match chunks.read(&bytes, &mut out) {
                    Read::More => continue,
                    Read::Ended => None,
                    Read::Failed(error) => Some(error),
                },
                broken => Some(broken_off(broken.and_then(Result::err))),
            };
            client.release();
            has_ended = true;
            if let Some(error) = failure {
                Chunks::refuse(&error, &mut out);
            }
        }
        Some((out, (lines, chunks, client, has_ended)))
    });
    let body = stream::once(std::future::ready(first)).chain(rest).map(|bytes| Ok::<_, StoreError>(Bytes::from(bytes)));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// Why a log that has no end yet gives no more: it cannot be read, or the server goes away, or the reader may not read on.
fn broken_off(error: Option<StoreError>) -> ApiError {
    error.map_or_else(
        || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", "the stream broke off before the run ended"),
        ApiError::from,
    )
}
