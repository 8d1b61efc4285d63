//! Which agents there are, and whether they can be used.

use axum::Json as Answer;
use axum::extract::State;
use serde::Serialize;

use super::super::AppState;
use crate::run::AgentReport;

#[derive(Serialize)]
pub(in crate::api) struct AgentsResponse {
    agents: Vec<AgentReport>,
}

/// `GET /health/agents`
pub(in crate::api) async fn agents(State(app): State<AppState>) -> Answer<AgentsResponse> {
    Answer(AgentsResponse { agents: app.runs.agent_reports().await })
}
