//! The tables `[agents.NAME]`: settings of the built-in agents, and agents that the operator adds.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Secret, VariableName};
use crate::agent::Mode;
use crate::agent::configured::{AskScope, Definition, Fields, SessionModes, WireFormat};
use crate::agent::presets::Preset;

/// Reserved names: the built-in agent without settings, and the short name of another.
const RESERVED: [&str; 2] = ["demo", "claude"];
/// Maximum length of a name, in bytes.
const MAX_NAME: usize = 32;

/// Settings of individual agents, one table each.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "BTreeMap<String, Table>")]
pub struct AgentsSettings {
    /// Claude Code.
    pub claude_code: AgentSettings,
    /// Codex.
    pub codex: AgentSettings,
    /// `OpenCode`.
    pub opencode: AgentSettings,
    /// Agents that the operator added, by name.
    pub configured: Vec<Definition>,
    /// Concurrent runs per agent, for agents with a limit of their own.
    pub max_runs: BTreeMap<String, NonZeroUsize>,
}

impl AgentsSettings {
    /// What distinguishes each agent. Commands and environments of configured agents may contain secrets, so they are left out.
    pub(super) fn summary(&self) -> Value {
        let mode = |mode: Mode| match mode {
            Mode::TwoWay => "two_way",
            Mode::OneShot => "one_shot",
        };
        let built_in = [("claude_code", self.claude_code), ("codex", self.codex), ("opencode", self.opencode)];
        let built_in = built_in.map(|(name, agent)| (name.to_owned(), json!({ "mode": mode(agent.mode) })));
        let configured = self.configured.iter().map(|agent| (agent.name.clone(), json!({ "protocol": agent.wire_format.as_str() })));
        Value::Object(built_in.into_iter().chain(configured).collect())
    }
}

/// Settings of one built-in agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentSettings {
    /// How the program is driven: `two_way` (default) or `one_shot`.
    pub mode: Mode,
}

/// Why a table was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("agents.{agent}: {problem}")]
pub struct BadAgent {
    agent: String,
    problem: String,
}

/// A table as written. Which keys may be combined depends on the agent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    mode: Option<Mode>,
    max_runs: Option<NonZeroUsize>,
    protocol: Option<Protocol>,
    command: Option<Vec<String>>,
    model_args: Option<Vec<String>>,
    resume_args: Option<Vec<String>>,
    session_mode: Option<SessionMode>,
    auth_method: Option<String>,
    config_options: Option<BTreeMap<String, String>>,
    asks: Option<AskScope>,
    pass_env: Option<Vec<VariableName>>,
    set_env: Option<HashMap<VariableName, Secret>>,
    secret_env: Option<HashMap<VariableName, Secret>>,
    install: Option<String>,
    login: Option<String>,
    fields: Option<Fields>,
}

/// The session mode for all permission modes, or one for each.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "must be a string, or a table with `auto`, `ask` and `read_only`")]
enum SessionMode {
    All(String),
    Each(EachMode),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EachMode {
    auto: Option<String>,
    ask: Option<String>,
    read_only: Option<String>,
}

impl From<SessionMode> for SessionModes {
    fn from(mode: SessionMode) -> Self {
        match mode {
            SessionMode::All(mode) => Self::all(Some(mode)),
            SessionMode::Each(EachMode { auto, ask, read_only }) => Self { auto, ask, read_only },
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Protocol {
    Acp,
    Text,
    Jsonl,
}

impl TryFrom<BTreeMap<String, Table>> for AgentsSettings {
    type Error = BadAgent;

    fn try_from(tables: BTreeMap<String, Table>) -> Result<Self, BadAgent> {
        let mut settings = Self::default();
        for (agent, table) in tables {
            settings.max_runs.extend(table.max_runs.map(|max| (agent.clone(), max)));
            let built_in = match agent.as_str() {
                "claude_code" => Some(&mut settings.claude_code),
                "codex" => Some(&mut settings.codex),
                "opencode" => Some(&mut settings.opencode),
                _ => None,
            };
            let read = match built_in {
                Some(settings) => table.built_in().map(|read| *settings = read),
                None => table.configured(&agent).map(|read| settings.configured.push(read)),
            };
            read.map_err(|problem| BadAgent { agent, problem })?;
        }
        Ok(settings)
    }
}

impl Table {
    fn built_in(self) -> Result<AgentSettings, String> {
        let Self {
            mode,
            max_runs: _,
            protocol,
            command,
            model_args,
            resume_args,
            session_mode,
            auth_method,
            config_options,
            asks,
            pass_env,
            set_env,
            secret_env,
            install,
            login,
            fields,
        } = self;
        let others = [
            ("protocol", protocol.is_some()),
            ("command", command.is_some()),
            ("model_args", model_args.is_some()),
            ("resume_args", resume_args.is_some()),
            ("session_mode", session_mode.is_some()),
            ("auth_method", auth_method.is_some()),
            ("config_options", config_options.is_some()),
            ("asks", asks.is_some()),
            ("pass_env", pass_env.is_some()),
            ("set_env", set_env.is_some()),
            ("secret_env", secret_env.is_some()),
            ("install", install.is_some()),
            ("login", login.is_some()),
            ("fields", fields.is_some()),
        ];
        match others.iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(format!(
                "`{key}` is not available for a built-in agent, which takes `mode` and `max_runs` only; choose another name for your own agent"
            )),
            None => Ok(AgentSettings { mode: mode.unwrap_or_default() }),
        }
    }

    fn configured(self, name: &str) -> Result<Definition, String> {
        if !is_name(name) || RESERVED.contains(&name) {
            return Err(format!("invalid name; use 1 to {MAX_NAME} characters of a-z, 0-9, _ and -, and none of {}", RESERVED.join(", ")));
        }
        if self.mode.is_some() {
            return Err("unknown built-in agent: `mode` is only for built-in agents; an agent of your own needs `protocol` and `command`"
                .to_owned());
        }
        if let Some(preset) = Preset::find(name).filter(|_| self.protocol.is_none() && self.command.is_none()) {
            return self.preset(preset);
        }
        let protocol = self.protocol.ok_or("`protocol` is missing; set `acp`, `text` or `jsonl`")?;
        let mut args = self.command.ok_or("`command` is missing; set the program and its arguments, such as [\"gemini\", \"--acp\"]")?;
        if args.iter().any(|element| element.contains('\0')) {
            return Err("`command` contains a NUL character".to_owned());
        }
        let program = if args.is_empty() { String::new() } else { args.remove(0) };
        if program.is_empty() || program.contains('/') && !program.starts_with('/') {
            return Err(format!("`command` starts with `{program}`, which is neither a program name nor an absolute path"));
        }
        let wire_format = match (protocol, self.fields) {
            (Protocol::Acp, None) => WireFormat::Acp,
            (Protocol::Text, None) => WireFormat::Text,
            (Protocol::Jsonl, Some(fields)) if fields.token.is_some() || fields.message.is_some() || fields.result.is_some() => {
                WireFormat::Jsonl(Box::new(fields))
            }
            (Protocol::Jsonl, _) => return Err("`fields` needs one of `token`, `message` and `result`".to_owned()),
            (Protocol::Acp | Protocol::Text, Some(_)) => return Err("`fields` is only for protocol `jsonl`".to_owned()),
        };
        let (model_args, resume_args) = (self.model_args.unwrap_or_default(), self.resume_args.unwrap_or_default());
        for (key, placeholder, elements) in [("model_args", "{model}", &model_args), ("resume_args", "{session}", &resume_args)] {
            if !elements.is_empty() && matches!(wire_format, WireFormat::Acp) {
                return Err(format!("`{key}` is not available for protocol `acp`"));
            }
            if !elements.is_empty() && !elements.iter().any(|element| element.contains(placeholder)) {
                return Err(format!("`{key}` does not contain {placeholder}"));
            }
        }
        let only_acp = [
            ("session_mode", self.session_mode.is_some()),
            ("auth_method", self.auth_method.is_some()),
            ("config_options", self.config_options.is_some()),
            ("asks", self.asks.is_some()),
        ];
        if let Some((key, _)) = only_acp.iter().find(|(_, given)| *given && wire_format != WireFormat::Acp) {
            return Err(format!("`{key}` is only for protocol `acp`"));
        }
        let has_session = matches!(&wire_format, WireFormat::Jsonl(fields) if fields.session.is_some());
        if !resume_args.is_empty() && !has_session {
            return Err("`resume_args` needs `fields.session`, the id of the conversation".to_owned());
        }
        Ok(Definition {
            name: name.to_owned(),
            wire_format,
            program,
            args,
            model_args,
            resume_args,
            session_modes: self.session_mode.map(SessionModes::from).unwrap_or_default(),
            auth_method: self.auth_method,
            config_options: self.config_options.unwrap_or_default(),
            asks: self.asks,
            pass_env: names(self.pass_env),
            set_env: values(self.set_env),
            secret_env: values(self.secret_env),
            install: self.install,
            login: self.login,
            preset: None,
        })
    }

    /// A preset with other settings than its own.
    fn preset(self, preset: &'static Preset) -> Result<Definition, String> {
        let others =
            [("model_args", self.model_args.is_some()), ("resume_args", self.resume_args.is_some()), ("fields", self.fields.is_some())];
        if let Some((key, _)) = others.iter().find(|(_, given)| *given) {
            return Err(format!("`{key}` is not available for protocol `acp`, which this agent speaks"));
        }
        let base = Definition::of_preset(preset);
        Ok(Definition {
            session_modes: self.session_mode.map(SessionModes::from).unwrap_or_default(),
            auth_method: self.auth_method,
            config_options: self.config_options.unwrap_or_default(),
            asks: self.asks,
            pass_env: base.pass_env.iter().cloned().chain(names(self.pass_env)).collect(),
            set_env: values(self.set_env),
            secret_env: values(self.secret_env),
            install: self.install,
            login: self.login.or_else(|| base.login.clone()),
            ..base
        })
    }
}

fn names(names: Option<Vec<VariableName>>) -> Vec<String> {
    names.unwrap_or_default().iter().map(|name| name.as_str().to_owned()).collect()
}

fn values(values: Option<HashMap<VariableName, Secret>>) -> BTreeMap<String, String> {
    values.unwrap_or_default().iter().map(|(name, value)| (name.as_str().to_owned(), value.expose().to_owned())).collect()
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(allowed)
}
