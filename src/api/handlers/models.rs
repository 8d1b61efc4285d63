//! What can be asked for, in the form of OpenAI's API.

use axum::Json as Answer;
use axum::extract::State;
use utoipa::IntoParams;

use super::super::openai::{Model, ModelList};
use super::super::{ApiError, AppState, Path};
use super::chat::agent_of;
use crate::auth::Principal;

/// The model of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described, not read")]
pub(in crate::api) struct ModelPath {
    /// Its name, in which a `/` is written as `%2F`.
    model: String,
}

/// Lists the agents that can be used, as models of OpenAI's API.
#[utoipa::path(get, path = "/v1/models", operation_id = "list_models", tag = "openai",
    responses((status = 200, description = "Every agent that a run can be started of.", body = ModelList)))]
pub(in crate::api) async fn list(State(app): State<AppState>, _: Principal) -> Answer<ModelList> {
    let agents = app.runs.agent_summaries().await;
    Answer(ModelList::of(agents.into_iter().filter(|agent| agent.available).map(|agent| agent.agent_type)))
}

/// Tells whether a name can be asked for.
///
/// Which models an agent has is known to the agent only, so any `agent/model` is answered for an agent that is there.
#[utoipa::path(get, path = "/v1/models/{model}", operation_id = "get_model", tag = "openai", params(ModelPath),
    extensions(("x-error-codes" = json!(["unknown_model"]))),
    responses((status = 200, description = "It can.", body = Model)))]
pub(in crate::api) async fn get(State(app): State<AppState>, _: Principal, Path(model): Path<String>) -> Result<Answer<Model>, ApiError> {
    agent_of(&model, &app)?;
    Ok(Answer(Model::of(model)))
}
