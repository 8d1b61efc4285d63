//! The requests from the start of the process to the first prompt.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::causes::RequestPhase;
use crate::agent::Task;
use crate::types::{Cause, Failure, McpServer, McpTransport};

/// The supported version of the protocol.
const PROTOCOL_VERSION: u64 = 1;

/// The session that a run needs.
#[derive(Clone, Debug)]
pub(super) struct SessionSetup {
    pub(super) cwd: String,
    pub(super) model: Option<String>,
    pub(super) resume: Option<String>,
    mcp_servers: Vec<McpServer>,
}

impl SessionSetup {
    pub(super) fn new(task: &Task) -> Self {
        Self {
            cwd: task.spec.working_dir.to_string_lossy().into_owned(),
            model: task.spec.model.clone(),
            resume: task.resume.clone(),
            mcp_servers: task.mcp_servers.clone(),
        }
    }

    /// The parameters of `initialize`. The client offers neither files nor terminals; agents use their own.
    pub(super) fn initialize() -> Value {
        json!({
            "protocolVersion": PROTOCOL_VERSION,
            "clientInfo": { "name": "openrunner", "version": env!("CARGO_PKG_VERSION") },
            "clientCapabilities": { "fs": { "readTextFile": false, "writeTextFile": false }, "terminal": false },
        })
    }

    /// The request that starts or resumes the conversation.
    ///
    /// # Errors
    /// If the agent uses another protocol version, or does not support what the run needs.
    pub(super) fn session(&self, initialized: &Value) -> Result<(&'static str, Value), Failure> {
        match initialized.get("protocolVersion").and_then(Value::as_u64) {
            None | Some(PROTOCOL_VERSION) => {}
            Some(other) => {
                let message = format!("the agent uses version {other} of the protocol; version {PROTOCOL_VERSION} is supported");
                return Err(Failure::new(Cause::Protocol, message));
            }
        }
        let servers = self.servers(initialized)?;
        let Some(id) = &self.resume else { return Ok(("session/new", json!({ "cwd": self.cwd, "mcpServers": servers }))) };
        let can = |pointer| initialized.pointer(pointer);
        // Only the first is in the recordings. The second is for agents that do not replay the history and has the same parameters.
        let method = if can("/agentCapabilities/loadSession").and_then(Value::as_bool) == Some(true) {
            "session/load"
        } else if can("/agentCapabilities/sessionCapabilities/resume").is_some_and(Value::is_object) {
            "session/resume"
        } else {
            return Err(Failure::new(Cause::BadArguments, "the agent cannot resume a conversation"));
        };
        Ok((method, json!({ "sessionId": id, "cwd": self.cwd, "mcpServers": servers })))
    }

    /// The MCP servers in the protocol's form. Every agent supports stdio servers; HTTP servers are optional.
    fn servers(&self, initialized: &Value) -> Result<Vec<Value>, Failure> {
        let takes_http = initialized.pointer("/agentCapabilities/mcpCapabilities/http").and_then(Value::as_bool) == Some(true);
        let server = |McpServer { name, transport }: &McpServer| match transport {
            McpTransport::Stdio { command, args, env } => Ok(json!({ "name": name, "command": command, "args": args, "env": pairs(env) })),
            McpTransport::Http { url, headers } if takes_http => {
                Ok(json!({ "type": "http", "name": name, "url": url, "headers": pairs(headers) }))
            }
            McpTransport::Http { .. } => {
                let message = format!("mcp_servers: {name} uses HTTP, which the agent does not support; use a stdio server");
                Err(Failure::new(Cause::BadArguments, message))
            }
        };
        self.mcp_servers.iter().map(server).collect()
    }

    /// Attributes an unspecific setup error to the session to resume: an agent that cannot load a session may report an internal error
    /// (recording `acp/opencode_resume_unknown_id`).
    pub(super) fn attribute(&self, phase: RequestPhase, failure: Failure) -> Failure {
        match &self.resume {
            Some(session) if phase == RequestPhase::Setup && failure.cause == Cause::AgentError => {
                Failure::new(Cause::BadArguments, format!("conversation {session} cannot be resumed: {}", failure.message))
            }
            _ => failure,
        }
    }

    /// The request that sets the run's model. `None` if the run names none or it is already in use.
    ///
    /// # Errors
    /// If the agent's model cannot be set.
    pub(super) fn model(&self, session: &str, opened: &Value) -> Result<Option<(&'static str, Value)>, Failure> {
        let Some(model) = self.model.as_deref().filter(|model| Some(*model) != current_model(opened)) else { return Ok(None) };
        if let Some(option) = model_option(opened).and_then(|option| option.get("id")) {
            return Ok(Some(("session/set_config_option", json!({ "sessionId": session, "configId": option, "value": model }))));
        }
        if opened.get("models").is_some_and(Value::is_object) {
            return Ok(Some(("session/set_model", json!({ "sessionId": session, "modelId": model }))));
        }
        Err(Failure::new(Cause::BadArguments, "the agent's model cannot be chosen; leave model out"))
    }
}

/// The parameters of `session/prompt`.
pub(super) fn prompt(session: &str, text: &str) -> Value {
    json!({ "sessionId": session, "prompt": [{ "type": "text", "text": text }] })
}

/// Name-value pairs in the protocol's form.
fn pairs(map: &BTreeMap<String, String>) -> Vec<Value> {
    map.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// The model in use, from the result of `session/new` or `session/load`. `OpenCode` and Claude's adapter have a configuration option
/// for it (recordings `acp/opencode_text`, `acp/claude_text`), Gemini a list of models
/// (`acp/gemini_initialize`).
pub(super) fn current_model(opened: &Value) -> Option<&str> {
    let option = model_option(opened).and_then(|option| option.get("currentValue")?.as_str());
    option.or_else(|| opened.pointer("/models/currentModelId")?.as_str())
}

fn model_option(opened: &Value) -> Option<&Value> {
    let is_model = |option: &&Value| option.get("category").or_else(|| option.get("id")).and_then(Value::as_str) == Some("model");
    opened.get("configOptions")?.as_array()?.iter().find(is_model)
}
