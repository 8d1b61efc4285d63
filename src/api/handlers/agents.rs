//! Which agents there are, whether they can be used, and what for.

use axum::Json as Answer;
use axum::extract::State;
use serde::Serialize;

use super::super::AppState;
use crate::auth::Principal;
use crate::run::{AgentReport, AgentSummary};

#[derive(Serialize)]
pub(in crate::api) struct AgentsHealthResponse {
    agents: Vec<AgentReport>,
}

/// `GET /health/agents`
pub(in crate::api) async fn health(State(app): State<AppState>) -> Answer<AgentsHealthResponse> {
    Answer(AgentsHealthResponse { agents: app.runs.agent_reports().await })
}

#[derive(Serialize)]
pub(in crate::api) struct AgentsResponse {
    items: Vec<AgentSummary>,
    /// Always null: there is one page.
    next_cursor: Option<String>,
}

/// `GET /api/agents`
pub(in crate::api) async fn list(State(app): State<AppState>, _: Principal) -> Answer<AgentsResponse> {
    Answer(AgentsResponse { items: app.runs.agent_summaries().await, next_cursor: None })
}
