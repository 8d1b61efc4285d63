//! Agents: availability and capabilities.

use axum::Json as Answer;
use axum::extract::State;

use super::super::AppState;
use super::pagination::Page;
use crate::auth::Principal;
use crate::run::{AgentReport, AgentSummary};

/// The state of every agent.
pub(in crate::api) type AgentReportPage = Page<AgentReport>;

/// Returns which agents are available, and how to install or log in to the others.
///
/// Agents are checked in the background, so the response is immediate.
#[utoipa::path(get, path = "/health/agents", operation_id = "agents_health", tag = "agents",
    responses((status = 200, description = "All agents, by name. `next_cursor` is always null.", body = AgentReportPage)))]
pub(in crate::api) async fn health(State(app): State<AppState>) -> Answer<AgentReportPage> {
    Answer(Page::complete(app.runs.agent_reports().await))
}

/// All agents of this server.
pub(in crate::api) type AgentSummaryPage = Page<AgentSummary>;

/// Lists the agents and their capabilities.
#[utoipa::path(get, path = "/api/agents", operation_id = "list_agents", tag = "agents",
    responses((status = 200, description = "All agents, by name. `next_cursor` is always null.", body = AgentSummaryPage)))]
pub(in crate::api) async fn list(State(app): State<AppState>, _: Principal) -> Answer<AgentSummaryPage> {
    Answer(Page::complete(app.runs.agent_summaries().await))
}
