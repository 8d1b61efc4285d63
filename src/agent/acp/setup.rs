//! The requests from the start of the process to the first prompt.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::causes::RequestPhase;
use super::session_state::{current_mode, option};
use crate::agent::Task;
use crate::agent::common::attachments;
use crate::types::{Cause, Failure, McpServer, McpTransport, PermissionMode};

/// The supported version of the protocol.
const PROTOCOL_VERSION: u64 = 1;
/// Maximum number of login methods that a message names.
const MAX_METHODS: usize = 5;
/// Maximum number of session modes that a message names.
const MAX_MODES: usize = 20;

/// What an operator or a preset sets up before the first prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// The id of the login method to `authenticate` with. `None` if the agent needs no such request.
    pub auth_method: Option<String>,
    /// The session mode, as defined by the agent. One that starts with `#` is the end of the id.
    pub mode: Option<String>,
    /// Values of the agent's configuration options.
    pub config_options: BTreeMap<String, String>,
    /// How to log in, for people.
    pub login: String,
    /// Whether tools that change something must have been allowed, in the run's permission mode.
    pub enforces_asking: bool,
}

/// The session that a run needs.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, read by name")]
pub(super) struct SessionSetup {
    pub(super) cwd: String,
    pub(super) model: Option<String>,
    pub(super) resume: Option<String>,
    pub(super) permission_mode: PermissionMode,
    pub(super) options: SessionOptions,
    mcp_servers: Vec<McpServer>,
    has_images: bool,
    /// Whether the agent takes images in prompts.
    pub(super) takes_images: bool,
    /// Whether the agent takes the content of files with a prompt.
    pub(super) embeds_files: bool,
    /// The agent's login methods, for messages.
    login_methods: String,
    /// Whether the agent is to close the session at the end of the run.
    pub(super) closes_sessions: bool,
    /// The session mode that was set. `None` if the agent stays in the one in which it starts.
    pub(super) required_mode: Option<String>,
}

/// An open session, and the requests that remain before the first prompt.
#[derive(Clone, Debug)]
pub(super) struct OpenSession {
    pub(super) id: String,
    pub(super) model: Option<String>,
    /// The session mode that the requests set, or that was required and is in use already.
    pub(super) mode: Option<String>,
    pub(super) requests: VecDeque<(RequestPhase, &'static str, Value)>,
}

impl SessionSetup {
    pub(super) fn new(task: &Task) -> Self {
        Self {
            cwd: task.spec.working_dir.to_string_lossy().into_owned(),
            model: task.spec.model.clone(),
            resume: task.resume.clone(),
            permission_mode: task.spec.permission_mode,
            options: SessionOptions::default(),
            mcp_servers: task.mcp_servers.clone(),
            has_images: attachments::images(task).next().is_some(),
            takes_images: false,
            embeds_files: false,
            login_methods: String::new(),
            closes_sessions: false,
            required_mode: None,
        }
    }

    /// Takes the result of `initialize`.
    ///
    /// # Errors
    /// If the agent uses another protocol version, or does not take the images of the run.
    pub(super) fn initialized(&mut self, initialized: &Value) -> Result<(), Failure> {
        let methods = initialized.get("authMethods").and_then(Value::as_array);
        let method = |method: &Value| {
            let text = ["description", "name", "id"].iter().find_map(|key| method.get(key)?.as_str().filter(|text| !text.is_empty()));
            text.map(str::to_owned)
        };
        self.login_methods = methods.into_iter().flatten().filter_map(method).take(MAX_METHODS).collect::<Vec<_>>().join("; ");
        self.closes_sessions = initialized.pointer("/agentCapabilities/sessionCapabilities/close").is_some_and(Value::is_object);
        self.embeds_files = takes_parts(initialized, "embeddedContext");
        self.takes_images = takes_parts(initialized, "image");
        if self.has_images && !self.takes_images {
            return Err(Failure::new(Cause::BadArguments, "input.parts: the agent takes no images; put them into its working directory"));
        }
        unsupported_version(initialized).map_or(Ok(()), |problem| Err(Failure::new(Cause::Protocol, problem)))
    }

    /// The method to authenticate with. `None` if the operator has chosen none.
    ///
    /// # Errors
    /// If the agent does not offer the method, or only in a terminal.
    pub(super) fn auth_method(&self, initialized: &Value) -> Result<Option<String>, Failure> {
        let Some(wanted) = &self.options.auth_method else { return Ok(None) };
        let offered = initialized.get("authMethods").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let id = |method: &Value| method.get("id").and_then(Value::as_str).map(str::to_owned);
        let fail = |problem: String| Err(Failure::new(Cause::BadArguments, format!("auth_method: {problem}")));
        match offered.iter().find(|method| id(method).as_ref() == Some(wanted)) {
            Some(method) if method.get("type").and_then(Value::as_str) == Some("terminal") => {
                fail(format!("the agent's login method {wanted} needs a terminal; log in with it by hand and leave auth_method out"))
            }
            None if !offered.is_empty() => {
                let ids: Vec<String> = offered.iter().filter_map(id).take(MAX_METHODS).collect();
                fail(format!("the agent has no login method {wanted}; it has: {}", ids.join(", ")))
            }
            Some(_) | None => Ok(Some(wanted.clone())),
        }
    }

    /// The request that starts or resumes the conversation.
    ///
    /// # Errors
    /// If the agent does not support what the run needs.
    pub(super) fn session(&self, initialized: &Value) -> Result<(&'static str, Value), Failure> {
        let servers = self.servers(initialized)?;
        let Some(id) = &self.resume else { return Ok(("session/new", json!({ "cwd": self.cwd, "mcpServers": servers }))) };
        let Some(method) = resume_method(initialized) else {
            return Err(Failure::new(Cause::BadArguments, "the agent cannot resume a conversation"));
        };
        Ok((method, json!({ "sessionId": id, "cwd": self.cwd, "mcpServers": servers })))
    }

    /// The session of the result of `session/new`, `session/load` or `session/resume`, and the requests that configure it.
    ///
    /// # Errors
    /// If it has no id, or if the model or session mode that the run needs cannot be set.
    pub(super) fn opened(&self, opened: &Value) -> Result<OpenSession, Failure> {
        let named = opened.get("sessionId").and_then(Value::as_str).map(str::to_owned);
        let id = named.or_else(|| self.resume.clone());
        let id = id.ok_or_else(|| Failure::new(Cause::Protocol, "the agent opened a session without an id"))?;
        let mut requests = VecDeque::new();
        let set_model = self.model(&id, opened)?;
        let model = if set_model.is_some() { self.model.clone() } else { current_model(opened).map(str::to_owned) };
        requests.extend(set_model.map(|(method, params)| (RequestPhase::Model, method, params)));
        let mode = self.mode(opened)?;
        requests.extend(mode.as_deref().filter(|mode| current_mode(opened) != Some(mode)).map(|mode| set_mode(&id, mode, opened)));
        for (name, value) in &self.options.config_options {
            let mut params = json!({ "sessionId": id, "configId": name });
            let options = opened.get("configOptions").and_then(Value::as_array);
            let is_switch = |option: &Value| option.get("id").and_then(Value::as_str) == Some(name) && option["type"] == "boolean";
            if options.is_some_and(|options| options.iter().any(is_switch)) {
                let switch: bool = value.parse().map_err(|_not_a_switch| {
                    let message = format!("config_options: {name} of the agent is a switch; set it to true or false instead of {value}");
                    Failure::new(Cause::BadArguments, message)
                })?;
                (params["type"], params["value"]) = (json!("boolean"), json!(switch));
            } else {
                params["value"] = json!(value);
            }
            requests.push_back((RequestPhase::Configure, "session/set_config_option", params));
        }
        Ok(OpenSession { id, model, mode, requests })
    }

    /// The session mode that is configured, by the agent's full id.
    ///
    /// # Errors
    /// If the agent lists its modes, and this is none of them.
    fn mode(&self, opened: &Value) -> Result<Option<String>, Failure> {
        let Some(wanted) = self.options.mode.as_deref() else { return Ok(None) };
        let ids = mode_ids(opened);
        let is_suffix = wanted.starts_with('#');
        match ids.iter().find(|id| if is_suffix { id.ends_with(wanted) } else { **id == wanted }) {
            Some(id) => Ok(Some((*id).to_owned())),
            None if ids.is_empty() && !is_suffix => Ok(Some(wanted.to_owned())),
            None => {
                let ids: Vec<&str> = ids.into_iter().take(MAX_MODES).collect();
                let ending = if is_suffix { " that ends in" } else { "" };
                let message = format!("the agent has no session mode{ending} {wanted}; it has: {}", ids.join(", "));
                Err(Failure::new(Cause::BadArguments, message))
            }
        }
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

    /// Completes a failure of the setup: an agent that cannot load a session may report an internal error (recording
    /// `acp/opencode_resume_unknown_id`).
    pub(super) fn attribute(&self, phase: RequestPhase, failure: Failure) -> Failure {
        match &self.resume {
            Some(session) if phase == RequestPhase::Session && failure.cause == Cause::AgentError => {
                Failure::new(Cause::BadArguments, format!("conversation {session} cannot be resumed: {}", failure.message))
            }
            _ => failure,
        }
    }

    /// Adds how to log in to a failure because of a missing login.
    pub(super) fn with_login(&self, failure: Failure) -> Failure {
        let hints = [self.options.login.as_str(), self.login_methods.as_str()];
        let hint = hints.into_iter().find(|hint| !hint.is_empty() && failure.cause == Cause::NotLoggedIn);
        match hint.filter(|hint| !failure.message.contains(hint)) {
            Some(hint) => Failure::new(failure.cause, format!("{}; to log in: {hint}", failure.message)),
            None => failure,
        }
    }

    /// The request that sets the run's model. `None` if the run names none or it is already in use.
    ///
    /// # Errors
    /// If the agent's model cannot be set.
    fn model(&self, session: &str, opened: &Value) -> Result<Option<(&'static str, Value)>, Failure> {
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

/// The method by which the agent of this result of `initialize` continues a conversation. The first one does not replay the history. Both
/// have the same parameters.
pub(super) fn resume_method(initialized: &Value) -> Option<&'static str> {
    let can = |pointer| initialized.pointer(pointer);
    if can("/agentCapabilities/sessionCapabilities/resume").is_some_and(Value::is_object) {
        Some("session/resume")
    } else if can("/agentCapabilities/loadSession").and_then(Value::as_bool) == Some(true) {
        Some("session/load")
    } else {
        None
    }
}

/// Whether the agent of this result of `initialize` takes parts of a kind in prompts.
pub(super) fn takes_parts(initialized: &Value, kind: &str) -> bool {
    initialized.pointer(&format!("/agentCapabilities/promptCapabilities/{kind}")) == Some(&Value::Bool(true))
}

/// Why the agent cannot be used, if its answer to `initialize` names another version of the protocol. One that names none uses this one.
pub(super) fn unsupported_version(initialized: &Value) -> Option<String> {
    let version = initialized.get("protocolVersion").filter(|version| !version.is_null())?;
    (version.as_u64() != Some(PROTOCOL_VERSION)).then(|| {
        format!(
            "the agent uses version {version} of the Agent Client Protocol; version {PROTOCOL_VERSION} is supported; use a release of the \
             agent that offers it"
        )
    })
}

/// The parameters of `initialize`. The client offers neither files nor terminals; agents use their own. It takes questions where a user
/// decides: in the other modes an agent must not wait for one.
pub(super) fn initialize_params(mode: PermissionMode) -> Value {
    let mut capabilities = json!({
        "fs": { "readTextFile": false, "writeTextFile": false },
        "terminal": false,
        "session": { "notices": {}, "compaction": {}, "configOptions": { "boolean": {} } },
    });
    if mode == PermissionMode::Ask {
        capabilities["elicitation"] = json!({ "form": {}, "url": {} });
    }
    json!({
        "protocolVersion": PROTOCOL_VERSION,
        "clientInfo": { "name": "openrunner", "version": env!("CARGO_PKG_VERSION") },
        "clientCapabilities": capabilities,
    })
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
    option(opened, "model")
}

/// The ids of the agent's session modes: those of its own field, or the values of the configuration option for it, which may be in groups.
fn mode_ids(opened: &Value) -> Vec<&str> {
    if let Some(modes) = opened.pointer("/modes/availableModes").and_then(Value::as_array) {
        return modes.iter().filter_map(|mode| mode.get("id")?.as_str()).collect();
    }
    let values = option(opened, "mode").and_then(|option| option.get("options")?.as_array());
    let values = values.into_iter().flatten();
    let flat = values.flat_map(|value| match value.get("options").and_then(Value::as_array) {
        Some(group) => group.as_slice(),
        None => std::slice::from_ref(value),
    });
    flat.filter_map(|value| value.get("value")?.as_str()).collect()
}

/// The request that sets the session mode, in the way that the agent offers.
fn set_mode(session: &str, mode: &str, opened: &Value) -> (RequestPhase, &'static str, Value) {
    let id = option(opened, "mode").filter(|_| !opened.get("modes").is_some_and(Value::is_object)).and_then(|option| option.get("id"));
    match id {
        Some(id) => (RequestPhase::Configure, "session/set_config_option", json!({ "sessionId": session, "configId": id, "value": mode })),
        None => (RequestPhase::Configure, "session/set_mode", json!({ "sessionId": session, "modeId": mode })),
    }
}
