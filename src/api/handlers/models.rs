//! Models in OpenAI's format.

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
    /// Name of the model. Its slashes need no encoding.
    model: String,
}

/// Lists the available agents as models in OpenAI's format.
#[utoipa::path(get, path = "/v1/models", operation_id = "list_models", tag = "openai",
    responses((status = 200, description = "The available agents.", body = ModelList)))]
pub(in crate::api) async fn list(State(app): State<AppState>, _: Principal) -> Answer<ModelList> {
    let agents = app.runs.agent_summaries().await;
    Answer(ModelList::new(agents.into_iter().filter(|agent| agent.available).map(|agent| agent.agent_type)))
}

/// Returns a model.
///
/// Only the agent knows its models, so every `agent/model` with an existing agent is accepted.
#[utoipa::path(get, path = "/v1/models/{model}", operation_id = "get_model", tag = "openai", params(ModelPath),
    extensions(("x-error-codes" = json!(["unknown_model"]))),
    responses((status = 200, description = "The model.", body = Model)))]
pub(in crate::api) async fn get(State(app): State<AppState>, _: Principal, Path(model): Path<String>) -> Result<Answer<Model>, ApiError> {
    agent_of(&model, &app)?;
    Ok(Answer(Model::new(model)))
}
