//! From the start of the process to the prompt: what we ask, and what the answers say of the agent.

use serde_json::{Value, json};

use super::causes::Asked;
use crate::agent::Task;
use crate::types::{Cause, Failure};

/// The version of the protocol that we speak.
const PROTOCOL_VERSION: u64 = 1;

/// What the run asks for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) cwd: String,
    pub(super) prompt: String,
    pub(super) model: Option<String>,
    pub(super) resume: Option<String>,
}

impl Wanted {
    pub(super) fn new(task: &Task) -> Self {
        Self {
            cwd: task.spec.working_dir.to_string_lossy().into_owned(),
            prompt: task.spec.prompt.clone(),
            model: task.spec.model.clone(),
            resume: task.resume.clone(),
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
        match &self.resume {
            None => Ok(("session/new", json!({ "cwd": self.cwd, "mcpServers": [] }))),
            Some(id) if initialized.pointer("/agentCapabilities/loadSession").and_then(Value::as_bool) == Some(true) => {
                Ok(("session/load", json!({ "sessionId": id, "cwd": self.cwd, "mcpServers": [] })))
            }
            Some(_) => Err(Failure::new(Cause::BadArguments, "the agent cannot continue an earlier conversation")),
        }
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

    pub(super) fn prompt(&self, session: &str) -> Value {
        json!({ "sessionId": session, "prompt": [{ "type": "text", "text": self.prompt }] })
    }
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
