//! Further messages to a live run.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::actor::Actor;
use super::super::extract::Keyed;
use super::super::{ApiError, AppState, Path};
use crate::auth::Target;
use crate::types::{Action, MessageMode, RunId};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct MessageRequest {
    text: String,
    #[serde(default)]
    mode: MessageMode,
}

#[derive(Serialize)]
pub(in crate::api) struct MessageResponse {
    run_id: RunId,
    mode: MessageMode,
}

/// `POST /api/runs/{id}/messages`
pub(in crate::api) async fn send(
    State(app): State<AppState>,
    actor: Actor,
    Path(run): Path<RunId>,
    Keyed { value, key }: Keyed<MessageRequest>,
) -> Result<(StatusCode, Answer<MessageResponse>), ApiError> {
    let MessageRequest { text, mode } = value;
    let (runs, caller) = (app.runs.clone(), actor.caller());
    let deed = actor.deed(Action::RunMessage).to(Target::Run(run));
    app.audited(deed, async move { Ok(runs.message(&caller, run, text, mode, key).await?) }).await?;
    Ok((StatusCode::ACCEPTED, Answer(MessageResponse { run_id: run, mode })))
}
