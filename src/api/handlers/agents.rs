//! Agents: availability and capabilities.

use std::path::PathBuf;

use axum::Json as Answer;
use axum::extract::{Extension, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::AppState;
use super::pagination::Page;
use crate::auth::Principal;
use crate::run::{AgentReport, AgentSummary, Authenticated, Capabilities};

/// The state of one agent. Without a token: only its name and whether it is available.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentReport)]
pub(in crate::api) struct AgentHealth {
    /// The agent's registered name.
    agent_type: String,
    /// Whether a run can be started with it.
    available: bool,
    /// The version that the program reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Absolute path of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    path: Option<PathBuf>,
    /// Whether a login or key is configured. Present with a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticated: Option<Authenticated>,
    /// What a client can do with it besides giving it a prompt. Present with a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Capabilities>,
    /// Whether the installed program is one that was tested with this release of OpenRunner. One that is not may not keep to a permission
    /// mode. Present with a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    tested: Option<bool>,
    /// The exact command that installs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    install: Option<String>,
    /// How to log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<String>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl AgentHealth {
    /// What a caller without a token may know: no path, version or login of this machine.
    fn public(report: AgentReport) -> Self {
        let AgentReport { agent_type, available, .. } = report;
        Self {
            agent_type,
            available,
            version: None,
            path: None,
            authenticated: None,
            capabilities: None,
            tested: None,
            install: None,
            login: None,
            error: None,
        }
    }
}

impl From<AgentReport> for AgentHealth {
    fn from(report: AgentReport) -> Self {
        let AgentReport { agent_type, available, version, path, authenticated, capabilities, tested, install, login, error } = report;
        let (authenticated, capabilities, tested) = (Some(authenticated), Some(capabilities), Some(tested));
        Self { agent_type, available, version, path, authenticated, capabilities, tested, install, login, error }
    }
}

/// The state of every agent.
pub(in crate::api) type AgentReportPage = Page<AgentHealth>;

/// Returns which agents are available and, with a token, how to install or log in to the others.
///
/// Without a token, only `agent_type` and `available` are returned. Agents are checked in the background, so the response is immediate.
#[utoipa::path(get, path = "/health/agents", operation_id = "agents_health", tag = "agents",
    responses((status = 200, description = "All agents, by name. `next_cursor` is always null.", body = AgentReportPage)))]
pub(in crate::api) async fn health(State(app): State<AppState>, principal: Option<Extension<Principal>>) -> Answer<AgentReportPage> {
    let view = if principal.is_some() { AgentHealth::from } else { AgentHealth::public };
    Answer(Page::complete(app.runs.agent_reports().await.into_iter().map(view).collect()))
}

/// All agents of this server.
pub(in crate::api) type AgentSummaryPage = Page<AgentSummary>;

/// Lists the agents and their capabilities.
#[utoipa::path(get, path = "/api/agents", operation_id = "list_agents", tag = "agents",
    responses((status = 200, description = "All agents, by name. `next_cursor` is always null.", body = AgentSummaryPage)))]
pub(in crate::api) async fn list(State(app): State<AppState>, _: Principal) -> Answer<AgentSummaryPage> {
    Answer(Page::complete(app.runs.agent_summaries().await))
}
