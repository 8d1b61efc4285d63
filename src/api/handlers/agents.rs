//! Which agents there are, whether they can be used, and what for.

use axum::Json as Answer;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::AppState;
use crate::auth::Principal;
use crate::run::{AgentReport, AgentSummary};

/// What is known of each agent program.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct AgentsHealthResponse {
    /// The agents, by name.
    items: Vec<AgentReport>,
    /// Always null: the list is complete.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Tells which agents are installed, and what to do about those that are not.
///
/// Agents are looked at in the background, so the answer comes at once.
#[utoipa::path(get, path = "/health/agents", operation_id = "agents_health", tag = "agents",
    responses((status = 200, description = "What is known of each agent.", body = AgentsHealthResponse)))]
pub(in crate::api) async fn health(State(app): State<AppState>) -> Answer<AgentsHealthResponse> {
    Answer(AgentsHealthResponse { items: app.runs.agent_reports().await, next_cursor: None })
}

/// Every agent of this server.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct AgentsResponse {
    /// By name.
    items: Vec<AgentSummary>,
    /// Always null: there is one page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Lists the agents, and what can be done with each.
#[utoipa::path(get, path = "/api/agents", operation_id = "list_agents", tag = "agents",
    responses((status = 200, description = "Every agent of this server.", body = AgentsResponse)))]
pub(in crate::api) async fn list(State(app): State<AppState>, _: Principal) -> Answer<AgentsResponse> {
    Answer(AgentsResponse { items: app.runs.agent_summaries().await, next_cursor: None })
}
