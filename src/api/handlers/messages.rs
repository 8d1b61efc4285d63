//! Messages to a live run.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::audit_context::AuditContext;
use super::super::body;
use super::super::extract::Idempotent;
use super::super::json_object::Object;
use super::super::{ApiError, AppState, Path};
use super::input_parts::{InputPart, encoded_size, into_content, read_uploads};
use super::params::{IdempotencyHeader, RunPath};
use crate::auth::Target;
use crate::run::MessageInput;
use crate::types::{AuditAction, MessageMode, RunId};

/// A message to a live run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct MessageRequest {
    /// Text of the message. May be absent if `parts` contains text.
    #[schema(min_length = 1, example = "Add a test, too.")]
    text: Option<String>,
    /// Further parts of the message, as in `input.parts` of a new run. All images and files of the message together have at most 5 MiB,
    /// and with uploaded files 20 MiB.
    #[schema(value_type = Option<Vec<std::collections::BTreeMap<String, serde_json::Value>>>)]
    parts: Option<Vec<Object<InputPart>>>,
    /// How the message is delivered.
    #[serde(default)]
    mode: MessageMode,
}

/// An accepted message.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct MessageResponse {
    /// The run.
    run_id: RunId,
    /// How the message is delivered.
    mode: MessageMode,
}

/// Sends a message to a live run.
#[utoipa::path(post, path = "/api/runs/{id}/messages", operation_id = "send_message", tag = "runs", request_body = MessageRequest,
    params(RunPath, IdempotencyHeader),
    extensions(("x-error-codes" = json!(["not_found", "run_ended", "messages_not_supported", "idempotency_key_reused", "budget_exceeded", "too_many_messages",
        "storage", "storage_quota_exceeded"]))),
    responses((status = 202, description = "The message is stored in the run's log.", body = MessageResponse)))]
pub(in crate::api) async fn send(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Path(run): Path<RunId>,
    Idempotent { value, key, size }: Idempotent<MessageRequest>,
) -> Result<(StatusCode, Answer<MessageResponse>), ApiError> {
    let MessageRequest { text, mut parts, mode } = value;
    body::check_rest(size.saturating_sub(encoded_size(parts.as_deref())))?;
    let _memory = read_uploads(&app, &audit_context.caller(), parts.as_mut(), "parts").await?;
    let (text, attachments) = into_content(text, parts, "parts")?;
    let message = MessageInput { text, attachments, mode };
    let (runs, caller) = (app.runs.clone(), audit_context.caller());
    let event = audit_context.event(AuditAction::RunMessage).to(Target::Run(run));
    app.audited(event, move |audit| async move { Ok(runs.message(&caller, run, message, key, Some(audit)).await?) }).await?;
    Ok((StatusCode::ACCEPTED, Answer(MessageResponse { run_id: run, mode })))
}
