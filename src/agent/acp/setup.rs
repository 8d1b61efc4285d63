//! From the start of the process to the prompt: what we ask, and what the answers say of the agent.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::causes::Asked;
use crate::agent::Task;
use crate::types::{Cause, Failure, McpServer, McpTransport};

/// The version of the protocol that we speak.
const PROTOCOL_VERSION: u64 = 1;

/// What the run asks for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) cwd: String,
    pub(super) model: Option<String>,
    pub(super) resume: Option<String>,
    mcp_servers: Vec<McpServer>,
}

impl Wanted {
    pub(super) fn new(task: &Task) -> Self {
        Self {
            cwd: task.spec.working_dir.to_string_lossy().into_owned(),
            model: task.spec.model.clone(),
            resume: task.resume.clone(),
            mcp_servers: task.mcp_servers.clone(),
        }
    }

    /// We offer no files and no terminals: agents use their own.
    pub(super) fn initialize() -> Value {
        json!({
            "protocolVersion": PROTOCOL_VERSION,
            "clientInfo": { "name": "openrunner", "version": env!("CARGO_PKG_VERSION") },
            "clientCapabilities": { "fs": { "readTextFile": false, "writeTextFile": false }, "terminal": false },
        })
    }

    /// The request that begins or continues the conversation.
    ///
    /// # Errors
    /// If the agent speaks another version, or cannot do what is wanted.
    pub(super) fn session(&self, initialized: &Value) -> Result<(&'static str, Value), Failure> {
        match initialized.get("protocolVersion").and_then(Value::as_u64) {
            None | Some(PROTOCOL_VERSION) => {}
            Some(other) => {
                let message = format!("the agent speaks version {other} of the protocol, not {PROTOCOL_VERSION}");
                return Err(Failure::new(Cause::Protocol, message));
            }
        }
        let servers = self.servers(initialized)?;
        let Some(id) = &self.resume else { return Ok(("session/new", json!({ "cwd": self.cwd, "mcpServers": servers }))) };
        let can = |pointer| initialized.pointer(pointer);
        // Only the first is in the recordings. The second, of agents that keep no history to show, has the same parameters.
        let method = if can("/agentCapabilities/loadSession").and_then(Value::as_bool) == Some(true) {
            "session/load"
        } else if can("/agentCapabilities/sessionCapabilities/resume").is_some_and(Value::is_object) {
            "session/resume"
        } else {
            return Err(Failure::new(Cause::BadArguments, "the agent cannot continue an earlier conversation"));
        };
        Ok((method, json!({ "sessionId": id, "cwd": self.cwd, "mcpServers": servers })))
    }

    /// The wanted MCP servers as the protocol writes them: every agent starts programs, not every one calls addresses.
    fn servers(&self, initialized: &Value) -> Result<Vec<Value>, Failure> {
        let takes_http = initialized.pointer("/agentCapabilities/mcpCapabilities/http").and_then(Value::as_bool) == Some(true);
        let server = |McpServer { name, transport }: &McpServer| match transport {
            McpTransport::Stdio { command, args, env } => Ok(json!({ "name": name, "command": command, "args": args, "env": pairs(env) })),
            McpTransport::Http { url, headers } if takes_http => {
                Ok(json!({ "type": "http", "name": name, "url": url, "headers": pairs(headers) }))
            }
            McpTransport::Http { .. } => {
                let message = format!("the agent takes no MCP servers over HTTP, as {name} is; give it one that it can start");
                Err(Failure::new(Cause::BadArguments, message))
            }
        };
        self.mcp_servers.iter().map(server).collect()
    }

    /// Says what an error came from, where the agent does not: one that cannot load a session may call it an internal error
    /// (recording `acp/opencode_resume_unknown_id`).
    pub(super) fn blame(&self, asked: Asked, failure: Failure) -> Failure {
        match &self.resume {
            Some(session) if asked == Asked::Setup && failure.cause == Cause::AgentError => {
                Failure::new(Cause::BadArguments, format!("the conversation {session} cannot be continued: {}", failure.message))
            }
            _ => failure,
        }
    }

    /// The request that chooses the wanted model, if there is one that is not in use already.
    ///
    /// # Errors
    /// If the agent lets nobody choose.
    pub(super) fn model(&self, session: &str, opened: &Value) -> Result<Option<(&'static str, Value)>, Failure> {
        let Some(model) = self.model.as_deref().filter(|model| Some(*model) != current_model(opened)) else { return Ok(None) };
        if let Some(option) = model_option(opened).and_then(|option| option.get("id")) {
            return Ok(Some(("session/set_config_option", json!({ "sessionId": session, "configId": option, "value": model }))));
        }
        if opened.get("models").is_some_and(Value::is_object) {
            return Ok(Some(("session/set_model", json!({ "sessionId": session, "modelId": model }))));
        }
        Err(Failure::new(Cause::BadArguments, "the agent does not let its client choose a model"))
    }
}

/// The parameters of `session/prompt`.
pub(super) fn prompt(session: &str, text: &str) -> Value {
    json!({ "sessionId": session, "prompt": [{ "type": "text", "text": text }] })
}

/// Names with values in the protocol's form.
fn pairs(map: &BTreeMap<String, String>) -> Vec<Value> {
    map.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// The model in use, as the answer to `session/new` or `session/load` tells it. `OpenCode` and Claude's adapter have a
/// configuration option for it (recordings `acp/opencode_text`, `acp/claude_text`), Gemini a list of models
/// (`acp/gemini_initialize`).
pub(super) fn current_model(opened: &Value) -> Option<&str> {
    let option = model_option(opened).and_then(|option| option.get("currentValue")?.as_str());
    option.or_else(|| opened.pointer("/models/currentModelId")?.as_str())
}

fn model_option(opened: &Value) -> Option<&Value> {
    let is_model = |option: &&Value| option.get("category").or_else(|| option.get("id")).and_then(Value::as_str) == Some("model");
    opened.get("configOptions")?.as_array()?.iter().find(is_model)
}
